// Any bytes as a guest's memory and any addresses: what is decoded lies inside of the memory, and is nothing that a URL
// takes for more than one part of a path.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/json_reader.h"
#include "host/dapr_arguments.h"

namespace {

using namespace trilby;

void check(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void check_inside(const std::vector<std::byte>& memory, std::string_view text) {
  const auto* begin = reinterpret_cast<const char*>(memory.data());
  check(text.empty() || (text.data() >= begin && text.data() + text.size() <= begin + memory.size()));
}

void check_part(const std::vector<std::byte>& memory, std::string_view text, bool is_path) {
  check_inside(memory, text);
  check(!text.empty() && text.size() <= 256 && text != "." && text.find("..") == std::string_view::npos);
  check(text.find_first_of("%?#|\\\"*; \r\n") == std::string_view::npos);
  check(std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; }));
  check(is_path || text.find('/') == std::string_view::npos);
  check(!text.starts_with('/') && !text.ends_with('/') && text.find("//") == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::array<host::Span, 3> spans{};
  if (size < sizeof spans) {
    return 0;
  }
  std::memcpy(spans.data(), data, sizeof spans);
  std::vector<std::byte> bytes(size - sizeof spans);
  if (!bytes.empty()) {
    std::memcpy(bytes.data(), data + sizeof spans, bytes.size());
  }
  const wasm::GuestMemory memory(bytes);
  if (const auto job = host::decode_address(memory, spans[0], {}, host::DaprRest::None)) {
    check_part(bytes, job->name, false);
    check(job->rest.empty() && job->text() == job->name);
  }
  for (const auto kind : {host::DaprRest::Key, host::DaprRest::Path, host::DaprRest::Name, host::DaprRest::Secret}) {
    if (const auto address = host::decode_address(memory, spans[0], spans[1], kind)) {
      check_part(bytes, address->name, false);
      check_part(bytes, address->rest, kind == host::DaprRest::Path);
    }
  }
  if (const auto method = host::decode_method(memory, spans[0], spans[1], spans[2])) {
    check_part(bytes, method->address.name, false);
    check_part(bytes, method->address.rest, true);
    check_inside(bytes, method->query);
    check(method->query.find_first_of(" #\"\\\r\n") == std::string_view::npos);
    check(!method->verb.empty());
  }
  if (const auto type = host::decode_content_type(memory, spans[0])) {
    check(!type->empty() && type->find_first_of("\r\n") == std::string_view::npos);
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto check_of : {host::checked_transaction, host::checked_keys}) {
    if (const auto checked = check_of(text)) {
      const auto again = check_of(checked->text);
      check(again && again->text == checked->text && again->keys == checked->keys && !checked->keys.empty());
      check(again->compared == checked->compared);
      for (const std::string& key : checked->keys) {
        check(policy::is_dapr_key(key));
      }
    }
  }
  for (const auto check_of : {host::checked_operations, host::checked_recurrence, host::checked_job}) {
    if (const auto checked = check_of(text)) {
      check(parse_json(*checked).has_value());
      check(check_of(*checked) == checked);
    }
  }
  return 0;
}
