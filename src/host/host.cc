#include "host/host.h"

#include "base/log.h"
#include "host/dapr.h"
#include "host/wasi.h"
#include "host/wasi_files.h"
#include "host/wasi_nn.h"
#include "host/wasi_state.h"

namespace trilby::host {

Host::Host(std::string_view function, std::string_view call, const policy::Grants& granted,
           const policy::Environment& variables, const inference::ModelHost* model_host)
    : program(function),
      call_id(call),
      grants(granted),
      environment(variables),
      models(model_host),
      clock(policy::clock_kind(granted)) {}
Host::~Host() = default;

void Host::deny(Grant kind, std::string_view wanted) {
  denials.add(kind);
  if (denials.of(kind) == 1) {
    log::warn("a function asked for what it was not granted", {{"function", program},
                                                               {"request", call_id},
                                                               {"asked", fmt::format("{} \"{}\"", name(kind), wanted)},
                                                               {"mend", policy::mend(grants, program, kind, wanted)}});
  }
}

bool Host::take_handle() {
  if (handles_left == 0) {
    return false;
  }
  --handles_left;
  return true;
}

void define_imports(wasm::Linker& linker, const policy::Grants& grants) {
  grants.directories.empty() ? define_wasi(linker) : define_wasi_with_files(linker);
  define_wasi_nn(linker);
  define_dapr(linker);
}

bool provides(std::string_view module, std::string_view name) {
  return (module == kWasiModule && wasi_provides(name)) || (module == kNnModule && wasi_nn_provides(name)) ||
         (module == kDaprModule && dapr_provides(name));
}

}  // namespace trilby::host
