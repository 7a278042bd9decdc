#include "call/call.h"

#include <utility>

namespace trilby {

void Cancellation::cancel(Reason why) {
  if (std::exchange(cancelled_, true)) {
    return;
  }
  why_ = why;
  if (const auto listener = std::exchange(listener_, nullptr)) {
    listener(why);
  }
}

Outcome refusal(Reason reason, std::string detail) {
  Outcome outcome;
  outcome.reason = reason;
  outcome.status = info(reason).status;
  outcome.detail = std::move(detail);
  return outcome;
}

Outcome refusal(Error error) {
  Outcome outcome = refusal(error.reason);
  outcome.message = std::move(error.message);
  return outcome;
}

}  // namespace trilby
