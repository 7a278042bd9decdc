/// \file  One call of a command that echoes five bytes, fresh instance each time, through the whole of invoke/.
/// Usage: echo_bench ECHO.WASM CALLS
/// Prints {"echo_ns": [...]}: nanoseconds from the call to its outcome.

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
  samples.values.reserve(calls + kWarmUp);
  caller.repeat(calls + kWarmUp, [&](const std::function<void()>& next) {
    caller.call(function, "hello", [&samples, next](Duration took, const std::string& output) {
      if (output != "hello") {
        give_up("the echo is wrong");
      }
      samples.values.push_back(took);
      next();
    });
  });
  samples.values.erase(samples.values.begin(), samples.values.begin() + kWarmUp);
  print({&samples});
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
