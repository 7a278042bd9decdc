#include "http/http1_codec.h"

#include <string>
#include <utility>

#include "base/text.h"
#include "http/http1_message.h"
#include "http/target.h"

namespace trilby::http {

struct RequestParser::Impl final : MessageParser {
  explicit Impl(Limits limits)
      : MessageParser(HTTP_REQUEST, limits, {.malformed = Reason::BadRequest, .too_large = Reason::HeadTooLarge}) {}

  void begin_head() override {
    head.method.clear();
    head.target.clear();
    host_count = 0;
  }
  Fields& fields() override { return head.fields; }
  void take_target(std::string_view part) override { head.target += part; }
  Verdict judge(FieldKind kind, std::string_view content) override;
  std::string_view check_head() override;
  [[nodiscard]] bool is_interim() const override { return false; }

  RequestHead head;
  std::uint32_t host_count = 0;
};

MessageParser::Verdict RequestParser::Impl::judge(FieldKind kind, std::string_view content) {
  if (kind == FieldKind::Host) {
    ++host_count;
    if (!is_host(content)) {
      refuse(Reason::BadRequest, "Invalid Host");
      return Verdict::Refuse;
    }
  }
  if (kind == FieldKind::Expect) {
    Expectation& expectation = framing_.expectation;
    expectation = equal_ignoring_case(content, "100-continue") && expectation != Expectation::Other
                      ? Expectation::Continue
                      : Expectation::Other;
    return Verdict::Drop;
  }
  return Verdict::Keep;
}

std::string_view RequestParser::Impl::check_head() {
  head.method = llhttp_method_name(static_cast<llhttp_method_t>(wire().method));
  if (wire().method == HTTP_CONNECT) {
    return "CONNECT is not served here";
  }
  if (host_count > 1 || (host_count == 0 && !framing_.http_1_0)) {
    return host_count == 0 ? "Missing Host" : "More than one Host";
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

RequestParser::RequestParser(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::Step RequestParser::next(std::string_view input) {
  return impl_->next(input);
}
RequestHead& RequestParser::head() {
  return impl_->head;
}
const Framing& RequestParser::framing() const {
  return impl_->framing();
}
const std::string& RequestParser::h2c_settings() const {
  return impl_->h2c_settings();
}
std::string_view RequestParser::body() const {
  return impl_->body();
}
bool RequestParser::is_refused() const {
  return impl_->phase() == MessageParser::Phase::Refused;
}
Reason RequestParser::reason() const {
  return impl_->reason();
}
std::string_view RequestParser::detail() const {
  return impl_->detail();
}
bool RequestParser::between_requests() const {
  return impl_->phase() == MessageParser::Phase::Between;
}

}  // namespace trilby::http
