/// \file  Environment variables as a guest is given them.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby::policy {

inline constexpr std::size_t kMaxVariables = 256;            ///< of one guest
inline constexpr std::size_t kMaxVariableName = 128;         ///< bytes
inline constexpr std::size_t kMaxEnvironment = 128U << 10U;  ///< bytes of all names and values of one guest

/// POSIX: letters, digits and '_', no digit first; at most kMaxVariableName bytes.
[[nodiscard]] bool is_variable_name(std::string_view name);

/// Names and values in the form that WASI hands over: "NAME=value", each with a NUL at its end. May hold secrets: what
/// it gives up it overwrites. Ownership: value. Threading: immutable once it is shared.
class Environment {
 public:
  Environment() = default;
  Environment(const Environment& other) : block_(other.block_), count_(other.count_) {}
  Environment& operator=(const Environment& other);
  Environment(Environment&& other) noexcept;
  Environment& operator=(Environment&& other) noexcept;
  ~Environment() { wipe(); }

  /// `name` is not there yet. \return Reason::HeadTooLarge over the bounds above, Reason::BadRequest for a value with a
  /// NUL
  [[nodiscard]] Result<void> add(std::string_view name, std::string_view value);

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::string_view block() const { return {block_.data(), block_.size()}; }

 private:
  void wipe() noexcept;
  void make_room(std::size_t more);

  std::vector<char> block_;
  std::size_t count_ = 0;
};

/// Overwrites memory that held a secret; not optimised away.
void wipe(void* data, std::size_t size) noexcept;

}  // namespace trilby::policy
