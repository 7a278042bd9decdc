#include "invoke/command.h"

#include <algorithm>

#include "base/text.h"
#include "invoke/cgi.h"
#include "invoke/content_type.h"

namespace trilby::invoke {
namespace {

constexpr std::size_t kMaxDetail = 512;

/// What the guest said, as one line for the caller.
std::string detail_from(std::string_view errors) {
  std::string line(errors.substr(0, kMaxDetail + 1));  // one more, so that printable_line sees that there was more
  std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  const std::size_t first = line.find_first_not_of(' ');
  const std::size_t last = line.find_last_not_of(' ');
  return first == std::string::npos
             ? std::string()
             : printable_line(std::string_view(line).substr(first, last - first + 1), kMaxDetail);
}

std::string detail_for(Reason reason, const policy::Limits& limits, const host::Host& host, bool out_of_handles) {
  switch (reason) {
    case Reason::BadInput:
      return detail_from(host.stdio.errors);
    case Reason::LimitMemory:
      return fmt::format("it may use {}", format(limits.memory));
    case Reason::LimitOutput:
      return fmt::format("it may write {}", format(limits.response_body));
    case Reason::LimitCalls:
      return out_of_handles || host.handles_left == 0
                 ? fmt::format("it may hold {} handles", limits.handles)
                 : fmt::format("it may make {} host calls a second", limits.host_calls_per_second);
    case Reason::LimitCpu:
      return fmt::format("it may compute for {}", format(limits.cpu));
    case Reason::LimitWall:
      return fmt::format("it may take {}", format(limits.wall));
    default:
      return {};
  }
}

/// Takes head and body out of what a command wrote; if it is wrong, the function has failed.
void answer_as_cgi(std::string output, BodyBudget::Share share, Outcome& outcome) {
  auto head = parse_cgi_head(output);
  if (!head) {
    outcome.reason = head.error().reason;
    outcome.status = info(outcome.reason).status;
    outcome.message = std::move(head).error().message;
    return;
  }
  outcome.status = head->status;
  outcome.fields = std::move(head->fields);
  output.erase(0, head->size);
  outcome.body = make_body(std::move(output), std::move(share));
}

}  // namespace

Reason judge(const wasm::Ending& ending, std::uint32_t denied_growths, bool denied) {
  using How = wasm::Ending::How;
  if (ending.how == How::Stopped) {
    return ending.reason;
  }
  if (ending.how == How::Returned || (ending.how == How::Exited && ending.exit_code == 0)) {
    return Reason::Ok;
  }
  if (ending.how == How::Exited && ending.exit_code == kExitBadInput) {
    return Reason::BadInput;
  }
  if (denied_growths > 0) {
    return Reason::LimitMemory;
  }
  if (ending.how == How::Failed) {
    return Reason::Internal;
  }
  if (denied) {
    return Reason::Denied;
  }
  return ending.how == How::Exited ? Reason::FunctionFailed : Reason::Trap;
}

Outcome answer_of(const Function& function, wasm::Ending ending, const wasm::Costs& costs, host::Host& host,
                  BodyBudget* answers) {
  const policy::Limits& limits = function.limits();
  Outcome outcome = refusal(judge(ending, costs.denied_growths, host.denials.total() > 0));
  BodyBudget::Share share(answers);
  if (outcome.reason == Reason::Ok && !share.resize(host.stdio.output.capacity())) {
    outcome =
        refusal(Error{Reason::Overloaded, "the answers that wait for their readers take all the memory they may"});
  }
  outcome.record.output = Bytes{host.stdio.output.size()};
  if (outcome.reason == Reason::Ok && function.spec().output == Output::Cgi) {
    answer_as_cgi(std::move(host.stdio.output), std::move(share), outcome);
  } else if (outcome.reason == Reason::Ok) {
    const std::string& type = function.spec().content_type;
    outcome.fields.add("content-type", type == kSniff ? std::string(sniff_content_type(host.stdio.output)) : type);
    outcome.body = make_body(std::move(host.stdio.output), std::move(share));
  } else if (outcome.reason != Reason::Overloaded) {
    outcome.detail = detail_for(outcome.reason, limits, host, ending.out_of_handles);
    outcome.message = ending.how == wasm::Ending::How::Exited ? fmt::format("it exited with {}", ending.exit_code)
                                                              : std::move(ending.message);
  }
  outcome.record.instantiate = costs.instantiate;
  outcome.record.cpu = costs.cpu;
  outcome.record.memory_peak = costs.memory_peak;
  outcome.record.inferences = host.inferences;
  outcome.record.inference = host.inference;
  outcome.record.denials = host.denials;
  return outcome;
}

}  // namespace trilby::invoke
