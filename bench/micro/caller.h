/// \file  Functions called in process, one call after the other, for measuring.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "inference/model_host.h"
#include "invoke/function.h"
#include "invoke/invoker.h"
#include "net/loop.h"
#include "wasm/cpu_meter.h"
#include "wasm/engine.h"

namespace trilby::bench {

/// Says why on standard error and ends the program: a benchmark that cannot measure has no other way to go on.
[[noreturn]] void give_up(std::string_view why);

/// An engine, a loop, and what calls functions on it. Threading: one thread.
class Caller {
 public:
  Caller();

  /// Compiles the module anew and links it. Gives up when that fails.
  [[nodiscard]] std::shared_ptr<const invoke::Function> prepare(invoke::FunctionSpec spec,
                                                                const inference::ModelHost* models = nullptr);

  /// Runs `turn(next)` again and again, `turns` times. Each turn ends by calling `next`, once, on the loop. Once: the
  /// loop does not start again.
  void repeat(std::size_t turns, std::function<void(std::function<void()> next)> turn);

  /// Calls `function`; `done` gets the time from the call to its outcome, and what the function wrote. Gives up when it
  /// fails.
  void call(const std::shared_ptr<const invoke::Function>& function, std::string input,
            std::function<void(Duration, std::string)> done);

  /// The engine's part of such a call, and nothing of invoke/: a store, an instance, the call on its fiber with our
  /// host functions, and the end of all that. \return how long it took and what the function wrote; nothing when a tick
  /// made it yield. Gives up when it fails.
  [[nodiscard]] std::optional<std::pair<Duration, std::string>> run_bare(const invoke::Function& function,
                                                                         std::string input);

 private:
  std::unique_ptr<wasm::Engine> engine_;
  net::Loop loop_;
  wasm::CpuMeter meter_;
  std::unique_ptr<invoke::Invoker> invoker_;
};

/// Prints `{"name": [nanoseconds, ...], ...}`.
struct Samples {
  std::string_view name;
  std::vector<Duration> values;
};
void print(const std::vector<const Samples*>& all);

}  // namespace trilby::bench
