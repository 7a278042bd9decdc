/// \file  One call of a command that echoes five bytes, fresh instance each time, through the whole of invoke/.
/// Usage: echo_bench ECHO.WASM CALLS
/// Prints {"echo_ns": [...], "bare_ns": [...]}: nanoseconds from the call to its outcome, and of the engine's part
/// alone, call by call in turn.

#include <cstdlib>

#include "micro/caller.h"

namespace trilby::bench {
namespace {

constexpr std::size_t kWarmUp = 1000;

void run(const char* module, std::size_t calls) {
  Caller caller;
  invoke::FunctionSpec spec;
  spec.name = "echo";
  spec.module = module;
  const auto function = caller.prepare(std::move(spec));
  Samples samples{"echo_ns", {}};
  Samples bare{"bare_ns", {}};
  samples.values.reserve(calls + kWarmUp);
  bare.values.reserve(calls + kWarmUp);
  caller.repeat(calls + kWarmUp, [&](const std::function<void()>& next) {
    caller.call(function, "hello", [&, next](Duration took, const std::string& output) {
      if (output != "hello") {
        give_up("the echo is wrong");
      }
      samples.values.push_back(took);
      if (const auto alone = caller.run_bare(*function, "hello")) {
        if (alone->second != "hello") {
          give_up("the echo is wrong");
        }
        bare.values.push_back(alone->first);
      }
      next();
    });
  });
  for (Samples* each : {&samples, &bare}) {
    if (each->values.size() <= kWarmUp) {
      give_up("too few calls ended at once");
    }
    each->values.erase(each->values.begin(), each->values.begin() + kWarmUp);
  }
  print({&samples, &bare});
}

}  // namespace
}  // namespace trilby::bench

int main(int argc, char** argv) {
  const unsigned long calls = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (calls == 0 || calls > 10'000'000) {
    trilby::bench::give_up("usage: echo_bench ECHO.WASM CALLS");
  }
  trilby::bench::run(argv[1], calls);
}
