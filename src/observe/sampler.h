/// \file  Which traces are recorded, in the words of OpenTelemetry: OTEL_TRACES_SAMPLER.
/// https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling
#pragma once

#include <cstdint>
#include <optional>

namespace trilby::observe {

/// A value. Threading: any.
class Sampler {
 public:
  enum class Root : std::uint8_t { AlwaysOn, AlwaysOff, Ratio };

  /// \param follows_parent  the parent's choice holds where there is a parent
  /// \param ratio  of traces, 0 to 1; for Root::Ratio
  explicit constexpr Sampler(Root root = Root::AlwaysOn, bool follows_parent = true, double ratio = 1)
      : root_(root), follows_parent_(follows_parent), below_(ratio >= 1 ? kAll : threshold(ratio)) {}

  /// \param low_id  the second half of the trace id; all who sample by the same ratio choose the same traces by it, as
  ///                other SDKs do
  /// \param parent  whether the parent is sampled; nothing: there is none
  [[nodiscard]] constexpr bool samples(std::uint64_t low_id, std::optional<bool> parent) const {
    if (follows_parent_ && parent) {
      return *parent;
    }
    return root_ == Root::AlwaysOn || (root_ == Root::Ratio && (low_id >> 1U) < below_);
  }

 private:
  static constexpr std::uint64_t kAll = std::uint64_t{1} << 63U;
  static constexpr std::uint64_t threshold(double ratio) {
    return ratio > 0 ? static_cast<std::uint64_t>(ratio * static_cast<double>(kAll)) : 0;
  }

  Root root_;
  bool follows_parent_;
  std::uint64_t below_;  // of half the low id
};

}  // namespace trilby::observe
