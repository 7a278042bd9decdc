/// \file  A body that another one ends: messages whose last field is a body.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "call/body.h"

namespace trilby::triggers {

/// Ownership and threading: as BodySource. The length of `rest` is known beforehand.
class HeadedBody final : public BodySource {
  static constexpr std::uint64_t kJoined = 16U
                                           << 10U;  // a rest of up to this size is copied into one piece with the head

 public:
  HeadedBody(std::string head, std::unique_ptr<BodySource> rest)
      : head_(std::move(head)), rest_(std::move(rest)), rest_length_(rest_->length().value_or(0)) {}

  void read(OnChunk on_chunk) override {
    if (is_head_given_) {
      return rest_->read(std::move(on_chunk));
    }
    is_head_given_ = true;
    std::optional<std::string> joined = rest_length_ <= kJoined ? rest_->take_ready() : std::nullopt;
    const bool last = joined.has_value() || rest_length_ == 0;
    on_chunk(Chunk{head_ + joined.value_or(""), last});
  }
  [[nodiscard]] std::optional<std::string> take_ready() override {
    auto rest = rest_->take_ready();
    return rest ? std::optional(head_ + *rest) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return head_.size() + rest_length_; }

 private:
  const std::string head_;
  const std::unique_ptr<BodySource> rest_;
  const std::uint64_t rest_length_;
  bool is_head_given_ = false;
};

}  // namespace trilby::triggers
