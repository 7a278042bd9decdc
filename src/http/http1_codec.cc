#include "http/http1_codec.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <llhttp.h>

#include "base/text.h"
#include "http/target.h"

namespace trilby::http {
namespace {

// Chunk sizes, extensions and trailers may take so many bytes for each byte of body, beyond what a head may have:
// the smallest honest chunks take five.
constexpr std::size_t kOverheadPerByte = 8;
constexpr std::size_t kUsualFields = 16;

/// What a field means to the connection. All but Plain and Host stay here.
enum class FieldKind : std::uint8_t { Plain, Host, Length, Coding, Connection, Expect, HopByHop };

FieldKind kind_of(std::string_view name) {
  struct Known {
    std::string_view name;
    FieldKind kind;
  };
  static constexpr Known kKnown[] = {
      {"host", FieldKind::Host},
      {"content-length", FieldKind::Length},
      {"transfer-encoding", FieldKind::Coding},
      {"connection", FieldKind::Connection},
      {"expect", FieldKind::Expect},
      {"keep-alive", FieldKind::HopByHop},
      {"proxy-connection", FieldKind::HopByHop},
      {"te", FieldKind::HopByHop},
      {"trailer", FieldKind::HopByHop},
      {"upgrade", FieldKind::HopByHop},
      {"http2-settings", FieldKind::HopByHop},
  };
  for (const Known& known : kKnown) {
    if (name.size() == known.name.size() && equal_ignoring_case(name, known.name)) {
      return known.kind;
    }
  }
  return FieldKind::Plain;
}

/// \return a part of `text`, never a view of nothing
std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

}  // namespace

struct RequestParser::Impl {
  enum class Phase : std::uint8_t { Between, Head, Body, Refused };

  explicit Impl(Limits given) : limits(given) {
    llhttp_init(&parser, HTTP_REQUEST, &settings());
    parser.data = this;
  }

  static const llhttp_settings_t& settings();
  static Impl& of(llhttp_t* parser) { return *static_cast<Impl*>(parser->data); }

  void begin_request();
  int take_version(llhttp_t* source);
  int take_field();
  int take_head();
  int take_connection_options();
  std::string_view check_head();
  Step next(std::string_view input);
  Step after_pause(std::size_t used);
  Step refused();
  Step refuse_length();
  int refuse(Reason why, std::string_view what);

  const Limits limits;
  llhttp_t parser{};
  Phase phase = Phase::Between;
  Event pending = Event::NeedMore;  // set by the callback that paused the parser
  std::size_t overhead = 0;         // bytes that are not body: of the head, then of the chunks' framing

  RequestHead head;
  Framing framing;
  std::string_view body;
  Reason reason = Reason::Ok;
  std::string_view detail;

  // The head under way.
  std::string name;
  std::string value;
  std::uint32_t field_count = 0;
  std::uint32_t host_count = 0;
  bool is_http = false;
  bool has_coding = false;
  bool has_foreign_coding = false;
  std::vector<std::string> dropped;  // fields that Connection names
};

void RequestParser::Impl::begin_request() {
  phase = Phase::Head;
  overhead = 0;
  head.method.clear();
  head.target.clear();
  head.fields.clear();
  head.fields.reserve(kUsualFields);
  framing = {};
  name.clear();
  value.clear();
  field_count = host_count = 0;
  is_http = has_coding = has_foreign_coding = false;
  dropped.clear();
}

int RequestParser::Impl::refuse(Reason why, std::string_view what) {
  reason = why;
  detail = what;
  return HPE_USER;
}

int RequestParser::Impl::take_field() {
  const std::string_view content = trimmed(value);
  switch (kind_of(name)) {
    case FieldKind::Host:
      ++host_count;
      if (!is_host(content)) {
        return refuse(Reason::BadRequest, "Invalid Host");
      }
      [[fallthrough]];
    case FieldKind::Plain:
      if (content.size() != value.size()) {
        value = std::string(content);
      }
      head.fields.add(std::move(name), std::move(value));
      break;
    case FieldKind::Coding:
      has_foreign_coding = has_foreign_coding || has_coding || !equal_ignoring_case(content, "chunked");
      has_coding = true;
      break;
    case FieldKind::Expect:
      framing.expectation = equal_ignoring_case(content, "100-continue") && framing.expectation != Expectation::Other
                                ? Expectation::Continue
                                : Expectation::Other;
      break;
    case FieldKind::Connection:
      if (const int error = take_connection_options(); error != 0) {
        return error;
      }
      break;
    case FieldKind::Length:
    case FieldKind::HopByHop:
      break;
  }
  name.clear();
  value.clear();
  return 0;
}

int RequestParser::Impl::take_connection_options() {
  for (std::string_view rest = value; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view option = trimmed(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    // Host says where the request goes; nobody on the way may take it off.
    if (option.empty() || kind_of(option) != FieldKind::Plain || equal_ignoring_case(option, "close")) {
      continue;
    }
    if (dropped.size() >= limits.fields) {
      return refuse(Reason::HeadTooLarge, "Too many connection options");
    }
    dropped.emplace_back(option);
  }
  return 0;
}

/// What is wrong with the head as a whole; empty: nothing.
std::string_view RequestParser::Impl::check_head() {
  if (!is_http || parser.http_major != 1 || parser.http_minor > 1) {
    return "Unsupported version: HTTP/1.1 and HTTP/1.0 are served here";
  }
  framing.http_1_0 = parser.http_minor == 0;
  if (parser.method == HTTP_CONNECT) {
    return "CONNECT is not served here";
  }
  if (host_count > 1 || (host_count == 0 && !framing.http_1_0)) {
    return host_count == 0 ? "Missing Host" : "More than one Host";
  }
  if (has_coding && framing.http_1_0) {
    return "Transfer-Encoding in HTTP/1.0";
  }
  if (has_foreign_coding) {
    return "Unknown Transfer-Encoding: only chunked is served here";
  }
  auto authority = reduce_target(head.target, head.method);
  if (!authority) {
    return "Invalid request target";
  }
  if (!authority->empty()) {
    head.fields.set("host", std::move(*authority));
  }
  return {};
}

int RequestParser::Impl::take_head() {
  head.method = llhttp_method_name(static_cast<llhttp_method_t>(parser.method));
  if (const auto wrong = check_head(); !wrong.empty()) {
    return refuse(Reason::BadRequest, wrong);
  }
  for (const std::string& option : dropped) {
    head.fields.remove(option);
  }
  framing.keep_alive = !framing.http_1_0 && llhttp_should_keep_alive(&parser) == 1;
  framing.content_length = has_coding ? std::nullopt : std::optional(parser.content_length);
  parser.upgrade = 0;  // an offer to change the protocol is not taken up: the request is one like any other
  pending = Event::Head;
  return HPE_PAUSED;
}

const llhttp_settings_t& RequestParser::Impl::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t made;
    llhttp_settings_init(&made);
    made.on_protocol = [](llhttp_t* parser, const char* at, std::size_t length) {
      // Cut protocols are put together in `name`, which no field uses yet.
      of(parser).name.append(at, length);
      return 0;
    };
    made.on_protocol_complete = [](llhttp_t* parser) {
      of(parser).is_http = std::exchange(of(parser).name, {}) == "HTTP";
      return 0;
    };
    made.on_url = [](llhttp_t* parser, const char* at, std::size_t length) {
      of(parser).head.target.append(at, length);
      return 0;
    };
    made.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      if (of(parser).phase == Phase::Head) {  // else a trailer, which nobody reads
        of(parser).name.append(at, length);
      }
      return 0;
    };
    made.on_header_field_complete = [](llhttp_t* parser) {
      Impl& self = of(parser);
      return self.phase == Phase::Head && ++self.field_count > self.limits.fields
                 ? self.refuse(Reason::HeadTooLarge, "Too many header fields")
                 : 0;
    };
    made.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      if (of(parser).phase == Phase::Head) {
        of(parser).value.append(at, length);
      }
      return 0;
    };
    made.on_header_value_complete = [](llhttp_t* parser) {
      return of(parser).phase == Phase::Head ? of(parser).take_field() : 0;
    };
    made.on_headers_complete = [](llhttp_t* parser) { return of(parser).take_head(); };
    made.on_body = [](llhttp_t* parser, const char* at, std::size_t length) {
      if (length == 0) {
        return 0;
      }
      of(parser).body = {at, length};
      of(parser).pending = Event::Body;
      return static_cast<int>(HPE_PAUSED);
    };
    made.on_message_complete = [](llhttp_t* parser) {
      of(parser).pending = Event::End;
      return static_cast<int>(HPE_PAUSED);
    };
    return made;
  }();
  return kSettings;
}

RequestParser::Step RequestParser::Impl::next(std::string_view input) {
  if (phase == Phase::Refused) {
    return {Event::Refused, 0};
  }
  if (phase == Phase::Between) {
    if (input.empty()) {
      return {Event::NeedMore, 0};
    }
    begin_request();
  }
  if (phase == Phase::Head) {
    input = input.substr(0, limits.head_bytes - overhead + 1);
  }
  llhttp_resume(&parser);
  pending = Event::NeedMore;
  const llhttp_errno_t error = llhttp_execute(&parser, input.data(), input.size());
  if (error == HPE_PAUSED) {
    return after_pause(static_cast<std::size_t>(llhttp_get_error_pos(&parser) - input.data()));
  }
  if (error != HPE_OK) {
    if (reason == Reason::Ok) {
      refuse(Reason::BadRequest, llhttp_get_error_reason(&parser));
    }
    return refused();
  }
  overhead += input.size();
  return overhead > limits.head_bytes ? refuse_length() : Step{Event::NeedMore, input.size()};
}

RequestParser::Step RequestParser::Impl::after_pause(std::size_t used) {
  overhead += used - (pending == Event::Body ? body.size() : 0);
  if (overhead > limits.head_bytes) {
    return refuse_length();
  }
  switch (pending) {
    case Event::Head:
      phase = Phase::Body;
      overhead = 0;
      break;
    case Event::Body:
      overhead -= std::min(overhead, body.size() * kOverheadPerByte);
      break;
    default:
      phase = Phase::Between;
  }
  return {pending, used};
}

RequestParser::Step RequestParser::Impl::refuse_length() {
  if (phase == Phase::Head) {
    refuse(Reason::HeadTooLarge, "The request line and header fields are too large");
  } else {
    refuse(Reason::BadRequest, "Too much between the chunks");
  }
  return refused();
}

RequestParser::Step RequestParser::Impl::refused() {
  phase = Phase::Refused;
  return {Event::Refused, 0};
}

RequestParser::RequestParser(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::Step RequestParser::next(std::string_view input) {
  return impl_->next(input);
}
RequestHead& RequestParser::head() {
  return impl_->head;
}
const Framing& RequestParser::framing() const {
  return impl_->framing;
}
std::string_view RequestParser::body() const {
  return impl_->body;
}
bool RequestParser::is_refused() const {
  return impl_->phase == Impl::Phase::Refused;
}
Reason RequestParser::reason() const {
  return impl_->reason;
}
std::string_view RequestParser::detail() const {
  return impl_->detail;
}
bool RequestParser::between_requests() const {
  return impl_->phase == Impl::Phase::Between;
}

}  // namespace trilby::http
