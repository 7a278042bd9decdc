/// \file  Events, whatever protocol brings them: what a function is told of one, and what its sender is told of how
/// that ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "call/call.h"

namespace trilby::triggers {

inline constexpr std::size_t kMaxEventVariables = 100;             ///< of one event
inline constexpr std::size_t kMaxEventVariableBytes = 64U << 10U;  ///< of all their names and values

/// What an event says. Ownership: value.
struct Event {
  std::string data;          ///< in its natural form: what a command reads from its standard input
  std::string content_type;  ///< of `data`; empty when nobody says
  Fields variables;          ///< what a command finds in its environment, each name once

  /// \return Reason::HeadTooLarge over the bounds above; Reason::BadRequest when the value has a null character, or the
  /// name is there already
  [[nodiscard]] Result<void> tell(std::string_view name, std::string_view value);
};

/// "x-My.key" -> "X_MY_KEY": what stands behind a prefix in a variable's name.
[[nodiscard]] std::string variable_suffix(std::string_view name);

/// Puts the event into the call that is made of it.
void give(Event event, Call& call);

/// What becomes of an event, as Dapr has it.
enum class Verdict : std::uint8_t {
  Success,  ///< it is done
  Retry,    ///< it is to be brought again
  Drop,     ///< it is not to be brought again; to the dead letter topic where there is one
};
[[nodiscard]] std::string_view name(Verdict verdict);  ///< "SUCCESS", "RETRY", "DROP"

/// What becomes of an event whose call did not end well.
struct FailureRules {
  Verdict bad_input = Verdict::Drop;  ///< it would end the same way again
  Verdict failure = Verdict::Retry;   ///< trap, limits, overload, deadline, ...
};

/// Whether it is the event's own fault that a call ended so: whoever gets it next will refuse it too.
[[nodiscard]] bool is_bad_input(Reason reason);
/// An answer that a function made itself counts by its status, as Dapr counts it: 404 is Drop, another beside 2xx is
/// Retry.
[[nodiscard]] Verdict judge(const Outcome& outcome, const FailureRules& rules);

}  // namespace trilby::triggers
