/// \file  What a RequestParser makes of bytes, as text. For the codec's unit test and its fuzz target.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "http/http1_codec.h"

namespace trilby::http {

/// Feeds a parser piece by piece, as a connection would, and writes down the events: one line each, bodies joined.
class CodecTranscript {
 public:
  explicit CodecTranscript(RequestParser::Limits limits) : parser_(limits) {}

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
      if (step.event == RequestParser::Event::NeedMore) {
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
  [[nodiscard]] RequestParser& parser() { return parser_; }

 private:
  void note(RequestParser::Event event) {
    switch (event) {
      case RequestParser::Event::NeedMore:
        break;
      case RequestParser::Event::Head:
        note_head();
        break;
      case RequestParser::Event::Body:
        note_body();
        break;
      case RequestParser::Event::End:
        note_end();
        break;
      case RequestParser::Event::Refused:
        flush_body();
        text_ += fmt::format("refused {}\n", name(parser_.reason()));
        refused_ = true;
    }
  }

  void note_head() {
    const RequestHead& head = parser_.head();
    const Framing& framing = parser_.framing();
    text_ += fmt::format("head {} {}{}{}{}", head.method, head.target, framing.http_1_0 ? " 1.0" : "",
                         framing.keep_alive ? "" : " close", framing.content_length ? "" : " chunked");
    for (const Field& field : head.fields) {
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
  }

  void flush_body() {
    if (!body_.empty()) {
      text_ += "body " + body_ + "\n";
      body_.clear();
    }
  }

  RequestParser parser_;
  std::string waiting_;
  std::string text_;
  std::string_view broken_;
  std::string body_;
  std::size_t body_size_ = 0;
  bool refused_ = false;
};

}  // namespace trilby::http
