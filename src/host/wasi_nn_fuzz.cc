// Any bytes as a guest's memory and any address: what decode_tensor accepts lies inside of the memory and fits
// together.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "host/wasi_nn.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trilby;
  std::uint32_t at = 0;
  if (size < sizeof at) {
    return 0;
  }
  std::memcpy(&at, data, sizeof at);
  std::vector<std::byte> bytes(size - sizeof at);
  if (!bytes.empty()) {
    std::memcpy(bytes.data(), data + sizeof at, bytes.size());
  }
  const auto tensor = host::decode_tensor(wasm::GuestMemory(bytes), at);
  if (!tensor) {
    return 0;
  }
  const std::byte* begin = bytes.data();
  const bool inside = tensor->data.empty() || (tensor->data.data() >= begin &&
                                               tensor->data.data() + tensor->data.size() <= begin + bytes.size());
  if (!inside || inference::byte_size(tensor->type, tensor->dims()) != tensor->data.size()) {
    std::abort();
  }
  return 0;
}
