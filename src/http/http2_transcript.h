/// \file  What an Http2Codec makes of bytes, as text, and what a client sends. For the codec's unit test and its fuzz
/// target.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "http/http2_codec.h"
#include "http/http2_frames.h"

namespace trilby::http {

[[nodiscard]] inline std::string http2_frame(std::uint8_t type, std::uint8_t flags, StreamId stream,
                                             std::string_view payload) {
  std::string frame;
  for (const unsigned shift : {16U, 8U, 0U}) {
    frame.push_back(static_cast<char>((payload.size() >> shift) & 0xffU));
  }
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    frame.push_back(static_cast<char>((stream >> shift) & 0xffU));
  }
  return frame += payload;
}
[[nodiscard]] inline std::string http2_frame(FrameType type, std::uint8_t flags, StreamId stream,
                                             std::string_view payload) {
  return http2_frame(static_cast<std::uint8_t>(type), flags, stream, payload);
}

/// A field as HPACK has it, literal and not indexed (RFC 7541 section 6.2.2). Name and value under 16 KiB.
[[nodiscard]] inline std::string http2_field(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  for (const std::string_view text : {name, value}) {
    if (text.size() < 127) {
      bytes.push_back(static_cast<char>(text.size()));
    } else {
      const std::size_t rest = text.size() - 127;
      bytes.push_back('\x7f');
      bytes.push_back(static_cast<char>((rest & 0x7fU) | (rest >= 128 ? 0x80U : 0U)));
      if (rest >= 128) {
        bytes.push_back(static_cast<char>(rest >> 7U));
      }
    }
    bytes += text;
  }
  return bytes;
}
[[nodiscard]] inline std::string http2_head(std::string_view method = "GET", std::string_view path = "/") {
  return http2_field(":method", method) + http2_field(":scheme", "http") + http2_field(":path", path) +
         http2_field(":authority", "h");
}
[[nodiscard]] inline std::string http2_request(StreamId stream, std::string_view block,
                                               std::uint8_t flags = kEndStreamFlag | kEndHeadersFlag) {
  return http2_frame(FrameType::Headers, flags, stream, block);
}
[[nodiscard]] inline std::string http2_start() {
  return std::string(kHttp2Preface) + http2_frame(FrameType::Settings, 0, 0, {});
}

/// Feeds a codec piece by piece and writes down the events, a line each, with the bodies of each stream joined. Notes
/// what a codec must never do.
class Http2Transcript {
 public:
  explicit Http2Transcript(const Http2Limits& limits) : limits_(limits), codec_(limits) {}

  void feed(std::string_view piece) {
    codec_.receive(piece, now_);
    take_events(piece);
  }
  /// Takes all that the codec has to send.
  void drain() {
    std::string out;
    codec_.write(out, SIZE_MAX, now_);
    std::size_t at = 0;
    while (at + FrameScanner::kHeadSize <= out.size()) {
      const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(out[at + i]); };
      const std::size_t length = (std::size_t{byte(0)} << 16U) | (std::size_t{byte(1)} << 8U) | byte(2);
      if (byte(3) == static_cast<std::uint8_t>(FrameType::GoAway)) {
        goaway_ = byte(FrameScanner::kHeadSize + 7);
      }
      at += FrameScanner::kHeadSize + length;
    }
    expect(at == out.size(), "frames that are none were sent");
    sent_ += out;
    take_events({});
  }

  [[nodiscard]] std::string text() const {
    std::string text = text_;
    for (const auto& [id, stream] : streams_) {
      text += fmt::format("open {} {} {}\n", id, stream.body.size(), stream.body);
    }
    return text;
  }
  [[nodiscard]] std::string_view broken() const { return broken_; }  ///< empty: nothing
  [[nodiscard]] Http2Codec& codec() { return codec_; }
  [[nodiscard]] const std::string& sent() const { return sent_; }
  [[nodiscard]] int goaway() const { return goaway_; }  ///< the error of the last one that was sent; -1: none
  void pass(Duration time) { now_ += time; }
  [[nodiscard]] std::map<StreamId, std::size_t> unread() const {
    std::map<StreamId, std::size_t> sizes;
    for (const auto& [id, stream] : streams_) {
      sizes[id] = stream.body.size();
    }
    return sizes;
  }

 private:
  struct Stream {
    std::optional<std::uint64_t> length;
    std::string body;
    bool ended = false;
  };

  void expect(bool holds, std::string_view what) {
    if (!holds) {
      broken_ = what;
    }
  }

  void take_events(std::string_view input) {
    for (auto& event : codec_.take_events()) {
      if (event.kind == Http2Codec::Event::Kind::Head) {
        note_head(event);
        continue;
      }
      const auto at = streams_.find(event.stream);
      if (at == streams_.end()) {
        expect(false, "an event of a stream that is not open");
        continue;
      }
      Stream& stream = at->second;
      switch (event.kind) {
        case Http2Codec::Event::Kind::Head:
          break;
        case Http2Codec::Event::Kind::Body:
          expect(!event.body.empty() && event.body.data() >= input.data() &&
                     event.body.data() + event.body.size() <= input.data() + input.size(),
                 "a body that does not lie in the input");
          expect(!stream.ended, "a body after its end");
          stream.body += event.body;
          expect(stream.body.size() <= stream.length.value_or(SIZE_MAX), "more body than announced");
          break;
        case Http2Codec::Event::Kind::End:
          expect(!stream.ended, "two ends");
          stream.ended = true;
          expect(stream.body.size() == stream.length.value_or(stream.body.size()), "less body than announced");
          text_ += fmt::format("end {} {}", event.stream, stream.body);
          note_fields(event.trailers);
          break;
        case Http2Codec::Event::Kind::Closed:
          text_ += fmt::format("closed {}{} {}\n", event.stream, event.answered ? " answered" : "",
                               stream.ended ? "" : stream.body);
          streams_.erase(at);
          break;
      }
    }
  }

  void note_head(const Http2Codec::Event& event) {
    const Http2Request& request = *event.request;
    expect(!streams_.contains(event.stream), "two heads");
    streams_[event.stream].length = request.length;
    expect(streams_.size() <= limits_.streams, "more streams than may be");
    if (request.reason != Reason::Ok) {
      text_ += fmt::format("refused {} {}: {}\n", event.stream, name(request.reason), request.detail);
      return;
    }
    std::size_t size = request.head.method.size() + request.head.target.size();
    for (const Field& field : request.head.fields) {
      size += field.name.size() + field.value.size();
    }
    expect(size <= limits_.head_bytes && request.head.fields.size() <= limits_.fields + 1, "a head over its limits");
    expect(request.head.target.starts_with('/') || request.head.target == "*", "a target that is none");
    expect(request.head.fields.count("host") == 1, "not one host");
    text_ += fmt::format("head {} {} {} {}", event.stream, request.head.method, request.head.target,
                         request.length ? std::to_string(*request.length) : "?");
    note_fields(request.head.fields);
  }

  void note_fields(const Fields& fields) {
    for (const Field& field : fields) {
      text_ += fmt::format(" [{}: {}]", field.name, field.value);
    }
    text_ += '\n';
  }

  const Http2Limits limits_;
  Http2Codec codec_;
  Clock::time_point now_ = Clock::time_point{} + std::chrono::hours(1);
  std::map<StreamId, Stream> streams_;
  std::string text_;
  std::string sent_;
  std::string_view broken_;
  int goaway_ = -1;
};

}  // namespace trilby::http
