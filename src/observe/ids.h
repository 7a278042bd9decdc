/// \file  Request ids and the random numbers they are made of.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace trilby::observe {

/// 16 to 64 characters of [0-9A-Za-z_-]: what is taken over from a caller's x-request-id.
[[nodiscard]] bool is_request_id(std::string_view text);

/// Cheap random numbers (xoshiro256**, seeded by the system). Ids are unique, not secret: whoever sees some can guess
/// the next. Threading: loop-bound.  Cost: no system call after construction.
class IdSource {
 public:
  IdSource();
  [[nodiscard]] std::string request_id();  ///< 20 characters, 120 bits
  [[nodiscard]] std::uint64_t next();

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace trilby::observe
