/// \file  From a call to an outcome: admission, sandbox, calling convention, record.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "call/call.h"
#include "net/loop.h"
#include "policy/policy.h"

namespace trilby::invoke {

/// What a function is, from the manifest.
struct FunctionSpec {
  std::string name;
  std::filesystem::path module;
  policy::Policy policy;
  /// Content type of what a command writes: a type, or "sniff" for the closed list of design.md.
  std::string content_type = "application/octet-stream";
};

/// A function ready to be called: compiled, linked, its policy in force. Immutable, but for the admission of its calls.
/// Threading: shared by all loops. Ownership: shared_ptr; outlives its calls.
class Function;

/// Runs calls on one loop.
class Invoker {
 public:
  virtual ~Invoker() = default;
  /// Takes `call` through admission to a fresh sandbox. `done` runs exactly once, on this loop, possibly before start()
  /// returns.
  virtual void start(const std::shared_ptr<const Function>& function, Call call, OnOutcome done) = 0;
};

}  // namespace trilby::invoke
