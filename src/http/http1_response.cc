#include <string>

#include "http/http1_codec.h"
#include "http/http1_message.h"

namespace trilby::http {
namespace {

constexpr int kFirstFinal = 200;
constexpr int kLastStatus = 599;
constexpr int kSwitchingProtocols = 101;
constexpr int kNoContent = 204;

}  // namespace

struct ResponseParser::Impl final : MessageParser {
  explicit Impl(Limits limits)
      : MessageParser(HTTP_RESPONSE, limits,
                      {.malformed = Reason::UpstreamFailed, .too_large = Reason::UpstreamFailed}) {}

  void begin_head() override { head.status = 0; }
  Fields& fields() override { return head.fields; }
  void take_target(std::string_view /*part*/) override {}
  Verdict judge(FieldKind /*kind*/, std::string_view /*content*/) override { return Verdict::Keep; }
  std::string_view check_head() override;
  [[nodiscard]] bool is_interim() const override { return head.status != 0 && head.status < kFirstFinal; }

  Step refuse_here(std::string_view what) {
    refuse(Reason::UpstreamFailed, what);
    return refused();
  }
  Step end_of_input();

  ResponseHead head;
  std::uint32_t interim_count = 0;
  bool to_head = false;
  bool expected = false;    // a request waits for its response
  bool last_ended = false;  // with the connection: no other can come
};

std::string_view ResponseParser::Impl::check_head() {
  head.status = wire().status_code;
  const bool has_length = (wire().flags & F_CONTENT_LENGTH) != 0;
  if (head.status < 100 || head.status > kLastStatus) {
    return "Invalid status";
  }
  // RFC 9112 section 6.3 gives these no body, whatever they say; who believes what they say reads one.
  if ((is_interim() || head.status == kNoContent) && (has_coding() || wire().content_length > 0)) {
    return "A body is announced where there is none";
  }
  if (head.status == kSwitchingProtocols) {
    return "The protocol is changed, which nobody asked for";
  }
  if (is_interim()) {
    return ++interim_count > kMaxInterim ? "Too many interim responses" : "";
  }
  if (to_head) {
    wire().flags = static_cast<std::uint16_t>(wire().flags | F_SKIPBODY);
  }
  framing_.until_close = llhttp_message_needs_eof(&wire()) == 1;
  if (to_head || head.status == 304) {
    if (has_length) {
      head.fields.add("content-length", std::to_string(wire().content_length));
    }
    framing_.content_length = 0;
  } else if (framing_.until_close) {
    framing_.content_length = std::nullopt;
  }
  return {};
}

ResponseParser::Step ResponseParser::Impl::end_of_input() {
  switch (phase()) {
    case Phase::Refused:
      return {Event::Refused, 0};
    case Phase::Body:
      if (framing_.until_close) {
        expected = false;
        last_ended = true;
        return ended();
      }
      return refuse_here("The connection ended in the body of the response");
    case Phase::Head:
      return refuse_here("The connection ended in the head of the response");
    case Phase::Between:
      break;
  }
  return expected ? refuse_here("The connection ended before the response") : Step{Event::NeedMore, 0};
}

ResponseParser::ResponseParser(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
ResponseParser::~ResponseParser() = default;

void ResponseParser::expect(std::string_view method) {
  impl_->expected = !impl_->last_ended;
  impl_->to_head = method == "HEAD";
  impl_->interim_count = 0;
}

ResponseParser::Step ResponseParser::next(std::string_view input) {
  if (impl_->phase() == MessageParser::Phase::Between && !impl_->expected && !input.empty()) {
    return impl_->refuse_here("A response that nobody waits for");
  }
  const Step step = impl_->next(input);
  impl_->expected = impl_->expected && step.event != Event::End;
  return step;
}

ResponseParser::Step ResponseParser::end_of_input() {
  return impl_->end_of_input();
}

ResponseHead& ResponseParser::head() {
  return impl_->head;
}
const Framing& ResponseParser::framing() const {
  return impl_->framing();
}
std::string_view ResponseParser::body() const {
  return impl_->body();
}
bool ResponseParser::is_refused() const {
  return impl_->phase() == MessageParser::Phase::Refused;
}
Reason ResponseParser::reason() const {
  return impl_->reason();
}
std::string_view ResponseParser::detail() const {
  return impl_->detail();
}

}  // namespace trilby::http
