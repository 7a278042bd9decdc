/// \file  What a parser makes of bytes, as text. For the codec's unit tests and its fuzz targets.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "http/http1_codec.h"

namespace trilby::http {

/// Feeds a parser piece by piece, as a connection would, and writes down the events: one line each, bodies joined.
template <typename Parser>
class Transcript {
 public:
  explicit Transcript(ParserLimits limits) : parser_(limits) {}

  void feed(std::string_view piece) {
    waiting_ += piece;
    while (!refused_) {
      const auto step = parser_.next(waiting_);
      if (step.used > waiting_.size()) {
        broken_ = "used more than there is";
        return;
      }
      note(step.event);
      waiting_.erase(0, step.used);
      if (step.event == ParserEvent::NeedMore) {
        if (!waiting_.empty()) {
          broken_ = "wants more but left some";
        }
        return;
      }
    }
  }

  [[nodiscard]] std::string text() const { return text_ + (body_.empty() ? "" : "body " + body_ + "\n"); }
  /// What a parser must never do and this one did; empty: nothing.
  [[nodiscard]] std::string_view broken() const { return broken_; }
  [[nodiscard]] Parser& parser() { return parser_; }

 protected:
  ~Transcript() = default;

  virtual std::string first_line() = 0;
  virtual void ended() {}

  void note(ParserEvent event) {
    switch (event) {
      case ParserEvent::NeedMore:
        break;
      case ParserEvent::Head:
        note_head();
        break;
      case ParserEvent::Body:
        note_body();
        break;
      case ParserEvent::End:
        note_end();
        break;
      case ParserEvent::Refused:
        flush_body();
        text_ += fmt::format("refused {}\n", name(parser_.reason()));
        refused_ = true;
    }
  }

 private:
  void note_head() {
    const Framing& framing = parser_.framing();
    const std::string_view unknown = framing.until_close ? " until-close" : " chunked";
    text_ += fmt::format("head {}{}{}{}", first_line(), framing.http_1_0 ? " 1.0" : "",
                         framing.keep_alive ? "" : " close", framing.content_length ? "" : unknown);
    for (const Field& field : parser_.head().fields) {
      text_ += fmt::format(" [{}: {}]", field.name, field.value);
    }
    text_ += '\n';
    body_size_ = 0;
  }

  void note_body() {
    body_ += parser_.body();
    body_size_ += parser_.body().size();
    if (parser_.body().empty()) {
      broken_ = "empty body event";
    }
    if (body_size_ > parser_.framing().content_length.value_or(body_size_)) {
      broken_ = "more body than announced";
    }
  }

  void note_end() {
    flush_body();
    if (body_size_ != parser_.framing().content_length.value_or(body_size_)) {
      broken_ = "less body than announced";
    }
    text_ += "end\n";
    ended();
  }

  void flush_body() {
    if (!body_.empty()) {
      text_ += "body " + body_ + "\n";
      body_.clear();
    }
  }

  Parser parser_;
  std::string waiting_;
  std::string text_;
  std::string_view broken_;
  std::string body_;
  std::size_t body_size_ = 0;
  bool refused_ = false;
};

class CodecTranscript final : public Transcript<RequestParser> {
 public:
  using Transcript::Transcript;

 private:
  std::string first_line() override {
    const std::string& settings = parser().h2c_settings();
    return parser().head().method + " " + parser().head().target + (settings.empty() ? "" : " h2c " + settings);
  }
};

/// Every response answers `method`.
class ResponseTranscript final : public Transcript<ResponseParser> {
 public:
  ResponseTranscript(ParserLimits limits, std::string_view method) : Transcript(limits), method_(method) {
    parser().expect(method_);
  }
  void end_of_input() {
    if (!parser().is_refused()) {
      note(parser().end_of_input().event);
    }
  }

 private:
  std::string first_line() override { return std::to_string(parser().head().status); }
  void ended() override { parser().expect(method_); }

  const std::string_view method_;
};

}  // namespace trilby::http
