#include "host/host.h"

#include "host/wasi.h"
#include "host/wasi_nn.h"
#include "host/wasi_state.h"

namespace trilby::host {

Host::Host(std::string_view function, const policy::Grants& granted, const inference::ModelHost* model_host)
    : program(function), grants(granted), models(model_host) {}
Host::~Host() = default;

void define_imports(const wasm::Linker& linker) {
  define_wasi(linker);
  define_wasi_nn(linker);
}

bool provides(std::string_view module, std::string_view name) {
  return (module == kWasiModule && wasi_provides(name)) || (module == kNnModule && wasi_nn_provides(name));
}

}  // namespace trilby::host
