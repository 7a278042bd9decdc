/// \file  Where the frames of HTTP/2 begin (RFC 9113 section 4.1). Private to http/.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace trilby::http {

/// What a client sends first (RFC 9113 section 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum class FrameType : std::uint8_t {
  Data = 0,
  Headers = 1,
  Priority = 2,
  RstStream = 3,
  Settings = 4,
  Ping = 6,
  GoAway = 7,
  WindowUpdate = 8,
  Continuation = 9,
};
inline constexpr std::uint8_t kEndStreamFlag = 1;  // of Data and Headers
inline constexpr std::uint8_t kAckFlag = 1;        // of Settings and Ping
inline constexpr std::uint8_t kEndHeadersFlag = 4;
inline constexpr std::uint8_t kPaddedFlag = 8;

struct FrameHead {
  std::uint32_t length;  ///< of what follows
  FrameType type;        ///< or any other number
  std::uint8_t flags;
};

/// Walks over what a client sends, from its preface on, frame by frame, and looks at nothing but their heads.
class FrameScanner {
 public:
  static constexpr std::size_t kHeadSize = 9;

  /// \param at  where to look on in `input`; afterwards the end of the head that was found, or of the input
  /// \return nothing when `input` has no further head that is whole
  [[nodiscard]] std::optional<FrameHead> next(std::string_view input, std::size_t& at) {
    while (at < input.size()) {
      if (left_ > 0) {
        const std::size_t skipped = std::min(left_, input.size() - at);
        left_ -= skipped;
        at += skipped;
        continue;
      }
      head_[filled_++] = static_cast<std::uint8_t>(input[at++]);
      if (filled_ == kHeadSize) {
        filled_ = 0;
        return begin_frame();
      }
    }
    return std::nullopt;
  }

  /// The preface and the first frame have not come whole.
  [[nodiscard]] bool in_preface() const { return frames_ == 0 || (frames_ == 1 && left_ > 0); }
  /// How many times the fields of a message have begun.
  [[nodiscard]] std::uint64_t fields_begun() const { return fields_begun_; }
  /// The last of them have not come to their end.
  [[nodiscard]] bool in_fields() const { return is_fields_ && (left_ > 0 || !fields_end_); }

 private:
  FrameHead begin_frame() {
    const FrameHead frame{
        .length = (std::uint32_t{head_[0]} << 16U) | (std::uint32_t{head_[1]} << 8U) | std::uint32_t{head_[2]},
        .type = static_cast<FrameType>(head_[3]),
        .flags = head_[4]};
    left_ = frame.length;
    is_fields_ = frame.type == FrameType::Headers || frame.type == FrameType::Continuation;
    fields_end_ = (frame.flags & kEndHeadersFlag) != 0;
    fields_begun_ += frame.type == FrameType::Headers ? 1 : 0;
    frames_ = std::min(frames_ + 1, 2U);
    return frame;
  }

  std::array<std::uint8_t, kHeadSize> head_{};
  std::size_t filled_ = 0;
  std::size_t left_ = kHttp2Preface.size();  // of the preface, or of a frame
  unsigned frames_ = 0;
  std::uint64_t fields_begun_ = 0;
  bool is_fields_ = false;
  bool fields_end_ = false;
};

}  // namespace trilby::http
