#include "http/http1_message.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace trilby::http {
namespace {

// Chunk sizes, extensions and trailers may take so many bytes for each byte of body, beyond what a head may have:
// the smallest honest chunks take five.
constexpr std::size_t kOverheadPerByte = 8;
constexpr std::size_t kUsualFields = 16;
constexpr std::string_view kH2cSettings = "http2-settings";

}  // namespace

MessageParser::MessageParser(llhttp_type_t type, ParserLimits limits, Reasons reasons)
    : limits_(limits), reasons_(reasons) {
  llhttp_init(&parser_, type, &settings());
  parser_.data = this;
}

void MessageParser::begin() {
  begin_head();
  fields().clear();
  fields().reserve(kUsualFields);
  framing_ = {};
  name_.clear();
  value_.clear();
  field_count_ = 0;
  is_http_ = has_coding_ = has_foreign_coding_ = false;
  offer_ = {};
  h2c_settings_.clear();
  dropped_.clear();
}

int MessageParser::refuse(Reason why, std::string_view what) {
  reason_ = why;
  detail_ = what;
  return HPE_USER;
}

int MessageParser::take_field() {
  const std::string_view content = trimmed(value_);
  switch (const FieldKind kind = kind_of(name_)) {
    case FieldKind::Host:
    case FieldKind::Expect:
    case FieldKind::Plain:
      if (const Verdict verdict = judge(kind, content); verdict != Verdict::Keep) {
        if (verdict == Verdict::Refuse) {
          return HPE_USER;
        }
        break;
      }
      if (content.size() != value_.size()) {
        value_ = std::string(content);
      }
      fields().add(std::move(name_), std::move(value_));
      break;
    case FieldKind::Coding:
      has_foreign_coding_ = has_foreign_coding_ || has_coding_ || !equal_ignoring_case(content, "chunked");
      has_coding_ = true;
      break;
    case FieldKind::Connection:
      if (const int error = take_connection_options(); error != 0) {
        return error;
      }
      break;
    case FieldKind::HopByHop:
      note_offer(content);
      break;
    case FieldKind::Length:
      break;
  }
  name_.clear();
  value_.clear();
  return 0;
}

/// A field that may be part of an offer to go on in HTTP/2.
void MessageParser::note_offer(std::string_view content) {
  if (equal_ignoring_case(name_, "upgrade")) {
    offer_.has_h2c = offer_.has_h2c || equal_ignoring_case(content, "h2c");
  } else if (equal_ignoring_case(name_, kH2cSettings)) {
    ++offer_.settings_count;
    h2c_settings_ = content;
  }
}

int MessageParser::take_connection_options() {
  for (std::string_view rest = value_; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view option = trimmed(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    offer_.names_settings = offer_.names_settings || equal_ignoring_case(option, kH2cSettings);
    // Host says where the request goes; nobody on the way may take it off.
    if (option.empty() || kind_of(option) != FieldKind::Plain || equal_ignoring_case(option, "close")) {
      continue;
    }
    if (dropped_.size() >= limits_.fields) {
      return refuse(reasons_.too_large, "Too many connection options");
    }
    dropped_.emplace_back(option);
  }
  return 0;
}

/// What is wrong with the version and the framing; empty: nothing.
std::string_view MessageParser::check_framing() {
  if (!is_http_ || parser_.http_major != 1 || parser_.http_minor > 1) {
    return "Unsupported version: HTTP/1.1 and HTTP/1.0 are understood here";
  }
  framing_.http_1_0 = parser_.http_minor == 0;
  if (has_coding_ && framing_.http_1_0) {
    return "Transfer-Encoding in HTTP/1.0";
  }
  if (has_foreign_coding_) {
    return "Unknown Transfer-Encoding: only chunked is understood here";
  }
  framing_.content_length = has_coding_ ? std::nullopt : std::optional(parser_.content_length);
  return {};
}

int MessageParser::take_head() {
  std::string_view wrong = check_framing();
  if (wrong.empty()) {
    wrong = check_head();
  }
  if (!wrong.empty()) {
    return refuse(reasons_.malformed, wrong);
  }
  if (is_interim()) {
    return 0;
  }
  const bool has_upgrade = std::exchange(parser_.upgrade, 0) != 0;  // for llhttp the message is one like any other
  if (!has_upgrade || !offer_.has_h2c || !offer_.names_settings || offer_.settings_count != 1) {
    h2c_settings_.clear();  // RFC 7540 section 3.2
  }
  for (const std::string& option : dropped_) {
    fields().remove(option);
  }
  framing_.keep_alive = !framing_.http_1_0 && llhttp_should_keep_alive(&parser_) == 1;
  pending_ = ParserEvent::Head;
  return HPE_PAUSED;
}

int MessageParser::take_end() {
  if (is_interim()) {
    begin();
    return 0;
  }
  pending_ = ParserEvent::End;
  return HPE_PAUSED;
}

const llhttp_settings_t& MessageParser::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_protocol = [](llhttp_t* parser, const char* at, std::size_t length) {
      // Cut protocols are put together in `name_`, which no field uses yet.
      of(parser).name_.append(at, length);
      return 0;
    };
    made.on_protocol_complete = [](llhttp_t* parser) {
      of(parser).is_http_ = std::exchange(of(parser).name_, {}) == "HTTP";
      return 0;
    };
    made.on_url = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).take_target({at, length});
      return 0;
    };
    made.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      if (of(parser).phase_ == Phase::Head) {  // else a trailer, which nobody reads
        of(parser).name_.append(at, length);
      }
      return 0;
    };
    made.on_header_field_complete = [](llhttp_t* parser) {
      MessageParser& self = of(parser);
      return self.phase_ == Phase::Head && ++self.field_count_ > self.limits_.fields
                 ? self.refuse(self.reasons_.too_large, "Too many header fields")
                 : 0;
    };
    made.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      if (of(parser).phase_ == Phase::Head) {
        of(parser).value_.append(at, length);
      }
      return 0;
    };
    made.on_header_value_complete = [](llhttp_t* parser) {
      return of(parser).phase_ == Phase::Head ? of(parser).take_field() : 0;
    };
    made.on_headers_complete = [](llhttp_t* parser) { return of(parser).take_head(); };
    made.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
      if (length == 0) {
        return 0;
      }
      of(parser).body_ = {at, length};
      of(parser).pending_ = ParserEvent::Body;
      return static_cast<int>(HPE_PAUSED);
    };
    made.on_message_complete = [](llhttp_t* parser) { return of(parser).take_end(); };
    return made;
  }();
  return kSettings;
}

ParserStep MessageParser::next(std::string_view input) {
  if (phase_ == Phase::Refused) {
    return {ParserEvent::Refused, 0};
  }
  if (phase_ == Phase::Between) {
    if (input.empty()) {
      return {ParserEvent::NeedMore, 0};
    }
    phase_ = Phase::Head;
    overhead_ = 0;
    begin();
  }
  if (phase_ == Phase::Head) {
    input = input.substr(0, limits_.head_bytes - overhead_ + 1);
  }
  llhttp_resume(&parser_);
  pending_ = ParserEvent::NeedMore;
  const llhttp_errno_t error = llhttp_execute(&parser_, input.data(), input.size());
  if (error == HPE_PAUSED) {
    return after_pause(static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - input.data()));
  }
  if (error != HPE_OK) {
    if (reason_ == Reason::Ok) {
      refuse(reasons_.malformed, llhttp_get_error_reason(&parser_));
    }
    return refused();
  }
  overhead_ += input.size();
  return overhead_ > limits_.head_bytes ? refuse_length() : ParserStep{ParserEvent::NeedMore, input.size()};
}

ParserStep MessageParser::after_pause(std::size_t used) {
  overhead_ += used - (pending_ == ParserEvent::Body ? body_.size() : 0);
  if (overhead_ > limits_.head_bytes) {
    return refuse_length();
  }
  switch (pending_) {
    case ParserEvent::Head:
      phase_ = Phase::Body;
      overhead_ = 0;
      break;
    case ParserEvent::Body:
      overhead_ -= std::min(overhead_, body_.size() * kOverheadPerByte);
      break;
    default:
      phase_ = Phase::Between;
  }
  return {pending_, used};
}

ParserStep MessageParser::refuse_length() {
  if (phase_ == Phase::Head) {
    refuse(reasons_.too_large, parser_.type == HTTP_REQUEST ? "The request line and header fields are too large"
                                                            : "The status line and header fields are too large");
  } else {
    refuse(reasons_.malformed, "Too much between the chunks");
  }
  return refused();
}

ParserStep MessageParser::ended() {
  phase_ = Phase::Between;
  return {ParserEvent::End, 0};
}

ParserStep MessageParser::refused() {
  phase_ = Phase::Refused;
  return {ParserEvent::Refused, 0};
}

}  // namespace trilby::http
