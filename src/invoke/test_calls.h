/// \file  Calls of test guests, for the tests of this folder.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "invoke/function.h"
#include "invoke/invoker.h"
#include "wasm/test_guests.h"

namespace trilby::invoke {

using namespace trilby::literals;
using namespace std::chrono_literals;

/// One engine for all tests of a process, as in the program.
inline wasm::Engine& test_engine() {
  static const std::unique_ptr<wasm::Engine> engine =
      wasm::Engine::create({.max_memory = 64_MiB, .max_calls = 64}).value();
  return *engine;
}

inline FunctionSpec spec_of(std::string name, std::filesystem::path module, const policy::Limits& limits = {}) {
  FunctionSpec spec;
  spec.name = std::move(name);
  spec.module = std::move(module);
  spec.policy.limits = limits;
  return spec;
}

/// A prepared guest of tests/guests/. The test fails loudly when it cannot be prepared.
inline std::shared_ptr<const Function> test_function(const std::string& guest, const policy::Limits& limits = {},
                                                     wasm::Engine& engine = test_engine()) {
  const wasm::TestDirectory directory;
  return prepare(spec_of(guest, directory.guest(guest), limits), engine, nullptr, nullptr).value();
}

inline Call test_call(std::string input = {}) {
  Call call;
  call.id = "test-0123456789abcdef";
  call.method = "POST";
  call.path = "/";
  call.body = make_body(std::move(input));
  return call;
}

/// What a body of an outcome holds; the bodies of commands are there at once.
inline std::string read_body(Outcome& outcome) {
  return outcome.body ? outcome.body->take_ready().value() : std::string();
}

/// Holds the threads of loops, like a disk that does not answer.
class Blockage {
 public:
  ~Blockage() { end(); }
  void add(net::Loop& loop) {
    std::promise<void> entered;
    loop.post([&entered, released = released_] {
      entered.set_value();
      released.wait();
    });
    entered.get_future().wait();
  }
  void end() {
    if (!std::exchange(ended_, true)) {
      release_.set_value();
    }
  }

 private:
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
  bool ended_ = false;
};

/// Calls on one loop. run() returns when as many have ended as were started.
struct Calls {
  struct Ended {
    std::string name;
    Outcome outcome;
  };

  void start(const std::string& name, const std::shared_ptr<const Function>& function, Call call) {
    ++open;
    invoker->start(function, std::move(call), [this, name](Outcome outcome) {
      ended.push_back({name, std::move(outcome)});
      if (on_end) {
        on_end(name);
      }
      if (--open == 0) {
        loop.stop();
      }
    });
  }
  /// `begin` starts them, on the loop.
  void run(const std::function<void()>& begin) {
    loop.post(begin);
    loop.run();
  }
  /// Inside run(): when those that it has started have begun.
  void later(std::function<void()> work) { loop.post(std::move(work)); }
  [[nodiscard]] const Outcome* find(const std::string& name) const {
    for (const Ended& one : ended) {
      if (one.name == name) {
        return &one.outcome;
      }
    }
    return nullptr;
  }
  [[nodiscard]] Reason reason(const std::string& name) const {
    const Outcome* outcome = find(name);
    return outcome != nullptr ? outcome->reason : Reason::Internal;
  }

  net::Loop loop;
  std::unique_ptr<Invoker> invoker = make_invoker(loop);
  std::function<void(const std::string& name)> on_end;
  std::vector<Ended> ended;  // in the order in which they ended
  std::size_t open = 0;
};

}  // namespace trilby::invoke
