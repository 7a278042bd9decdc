#include "host/wasi_files.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <vector>

#include "host/host.h"
#include "host/wasi.h"
#include "host/wasi_stdio.h"
#include "wasm/guest.h"

namespace trilby::host {
namespace {

// The three standard streams, and what wasmtime-wasi holds for a moment while it lists a directory.
constexpr std::size_t kOwnHandles = 4;

bool write(void* data, std::uint32_t descriptor, const std::uint8_t* bytes, std::size_t size) noexcept {
  wasm::Guest& guest = *static_cast<wasm::Guest*>(data);
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  return descriptor == 1 ? write_output(guest, text) : write_errors(guest, text);
}

/// A wasm::StoreSetup.
bool give_files(wasm::Guest& guest, wasmtime_store* store) {
  const Host& host = guest.host<Host>();
  const std::vector<policy::Directory>& granted = host.grants.directories;
  std::vector<trilby_directory_t> directories;
  std::transform(granted.begin(), granted.end(), std::back_inserter(directories), [](const policy::Directory& each) {
    return trilby_directory_t{each.path.c_str(), each.mount.c_str(), each.write};
  });
  const trilby_files_t files{.input = reinterpret_cast<const std::uint8_t*>(host.stdio.input.data()),
                             .input_size = host.stdio.input.size(),
                             .write = write,
                             .data = &guest,
                             .directories = directories.data(),
                             .directory_count = directories.size(),
                             .max_handles = kOwnHandles + directories.size() + host.handles_left};
  return trilby_store_files(store, &files);
}

}  // namespace

void define_wasi_with_files(wasm::Linker& linker) {
  if (const wasm::ErrorPtr error(wasmtime_linker_define_wasi(linker.raw())); error) {
    std::abort();  // a name defined twice, which every start would show
  }
  wasmtime_linker_allow_shadowing(linker.raw(), true);
  define_wasi_without_files(linker);
  wasmtime_linker_allow_shadowing(linker.raw(), false);
  linker.set_up_stores_with(give_files);
}

}  // namespace trilby::host
