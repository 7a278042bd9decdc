#include "triggers/event.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace trilby::triggers {
namespace {

constexpr std::size_t kMaxSuffix = 100;

}  // namespace

Result<void> Event::tell(std::string_view name, std::string_view value) {
  std::size_t bytes = name.size() + value.size();
  for (const Field& told : variables) {
    bytes += told.name.size() + told.value.size();
  }
  if (variables.size() >= kMaxEventVariables || bytes > kMaxEventVariableBytes) {
    return fail(Reason::HeadTooLarge, "an event may have {} attributes of {} KiB together", kMaxEventVariables,
                kMaxEventVariableBytes >> 10U);
  }
  if (value.find('\0') != std::string_view::npos) {
    return fail(Reason::BadRequest, "the attribute for {} has a null character", name);
  }
  if (variables.find(name) != nullptr) {
    return fail(Reason::BadRequest, "the attribute for {} is there twice", name);
  }
  variables.add(std::string(name), std::string(value));
  return {};
}

std::string variable_suffix(std::string_view name) {
  std::string suffix;
  std::transform(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(std::min(name.size(), kMaxSuffix)),
                 std::back_inserter(suffix), [](char c) {
                   if (c >= 'a' && c <= 'z') {
                     return static_cast<char>(c - 'a' + 'A');
                   }
                   return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
                 });
  return suffix;
}

void give(Event event, Call& call) {
  if (!event.content_type.empty()) {
    call.fields.set("content-type", std::move(event.content_type));
  }
  call.variables = std::move(event.variables);
  call.body = make_body(std::move(event.data));
}

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::Success:
      return "SUCCESS";
    case Verdict::Retry:
      return "RETRY";
    case Verdict::Drop:
      return "DROP";
  }
  return "";
}

bool is_bad_input(Reason reason) {
  return reason == Reason::BadInput || reason == Reason::BadRequest || reason == Reason::BodyTooLarge ||
         reason == Reason::HeadTooLarge;
}

Verdict judge(const Outcome& outcome, const FailureRules& rules) {
  if (outcome.reason == Reason::Ok) {
    return outcome.status / 100 == 2 ? Verdict::Success : outcome.status == 404 ? Verdict::Drop : Verdict::Retry;
  }
  return is_bad_input(outcome.reason) ? rules.bad_input : rules.failure;
}

}  // namespace trilby::triggers
