#include <cstdlib>

#include <dlfcn.h>

#include "inference/backend.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// OpenVINO is not instrumented: TSan misses its synchronisation, and what its thread-locals and TBB's binding handlers
// keep to the end is called leaked.
extern "C" const char* __tsan_default_suppressions() {
  return "race:libopenvino\nrace:libtbb\n";
}
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libopenvino\nleak:libtbb\n";
}
#endif

namespace trilby::inference {

// OpenVINO is behind a plug-in of ours and not linked: a process without models starts 6 ms sooner and 6 MB smaller,
// and one on a machine without OpenVINO starts at all (docs/decisions/0004-inference-openvino.md).
Result<Backend*> openvino() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  // Else OpenVINO's TBB loads a library with RTLD_DEEPBIND, and sanitizers end the process for that.
  setenv("TBB_ENABLE_SANITIZERS", "1", 1);
#endif
  // It stays: OpenVINO's own threads and statics do not survive an unload.
  void* const plugin = dlopen(TRILBY_OPENVINO_PLUGIN, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  void* const symbol = plugin == nullptr ? nullptr : dlsym(plugin, kBackendSymbol);
  if (symbol == nullptr) {
    return fail(Reason::Manifest, "cannot load OpenVINO, which runs the models: {}; `make up` installs it", dlerror());
  }
  return reinterpret_cast<BackendFunction*>(symbol)();
}

}  // namespace trilby::inference
