/// \file  What guests asked for and were refused, by kind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>

namespace trilby {

/// What a guest may ask for that the manifest has to grant. Closed: the names are labels of metrics.
enum class Grant : std::uint8_t {
  Model,
  Directory,
  Socket,
  DaprInvoke,
  DaprState,
  DaprPublish,
  DaprBinding,
  DaprSecret,
  DaprActor,
  DaprActorState,
  DaprConfiguration,
  DaprLock,
  DaprJob,
};
inline constexpr std::size_t kGrantKinds = 13;

[[nodiscard]] constexpr std::string_view name(Grant kind) {
  constexpr std::array<std::string_view, kGrantKinds> kNames = {
      "model",        "directory",   "socket",     "dapr-invoke",      "dapr-state",         "dapr-publish",
      "dapr-binding", "dapr-secret", "dapr-actor", "dapr-actor-state", "dapr-configuration", "dapr-lock",
      "dapr-job"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// How often one call was refused something.
class Denials {
 public:
  void add(Grant kind) {
    std::uint32_t& count = counts_[static_cast<std::size_t>(kind)];
    count += count < UINT32_MAX ? 1 : 0;
  }
  [[nodiscard]] std::uint32_t of(Grant kind) const { return counts_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] std::uint64_t total() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
  }

 private:
  std::array<std::uint32_t, kGrantKinds> counts_{};
};

}  // namespace trilby
