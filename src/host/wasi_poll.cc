#include "host/wasi_poll.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "host/host.h"
#include "host/wasi_state.h"

namespace trilby::host {
namespace {

using wasm::Guest;

constexpr std::uint32_t kMaxSubscriptions = 256;
// No call lives longer, so a later moment is as good as never; and sums with it fit.
constexpr std::uint64_t kLongestWait = 24ULL * 3600 * 1'000'000'000;

/// Nanoseconds until the clock subscription is due; zero when it is. Nothing when it is no clock we have.
std::optional<std::uint64_t> time_left(const GuestClock& clock, const Subscription& wanted, std::uint64_t waited) {
  if (wanted.id > kMonotonic) {
    return std::nullopt;
  }
  const bool moment = (wanted.clock_flags & 1U) != 0;
  const std::uint64_t since = moment ? clock.peek(static_cast<ClockId>(wanted.id)) : waited;
  return std::min(wanted.timeout > since ? wanted.timeout - since : 0, kLongestWait);
}

/// The event for a subscription, if it has happened.
std::optional<Event> event_for(const Guest& guest, const Subscription& wanted, std::uint64_t waited) {
  const auto type = static_cast<std::uint8_t>(wanted.tag);
  Event event{.userdata = wanted.userdata, .type = type};
  if (type == kClock) {
    const auto left = time_left(guest.host<Host>().clock, wanted, waited);
    event.error = left ? kSuccess : kNotsup;
    return left.value_or(0) == 0 ? std::optional(event) : std::nullopt;
  }
  const Stdio& stdio = guest.host<Host>().stdio;
  if (wanted.id > 2 && type <= kFdWrite && !guest.host<Host>().grants.directories.empty()) {
    event.bytes = 65536;  // a file, which is always ready, or nothing at all, as reading it will say
    return event;
  }
  const bool right_way = type == kFdRead ? wanted.id == 0 : type == kFdWrite && (wanted.id == 1 || wanted.id == 2);
  if (!right_way || !stdio.open[wanted.id]) {
    event.error = type > kFdWrite ? kInval : kBadf;
  } else {
    event.bytes = type == kFdRead ? stdio.input.size() - stdio.input_at : 65536;
  }
  return event;
}

/// Writes what has happened. \return whether anything has
bool report(Guest& guest, const Poll& poll, std::uint64_t waited) {
  std::uint32_t events = 0;
  for (const Subscription& wanted : poll.subscriptions) {
    if (const auto event = event_for(guest, wanted, waited)) {
      std::ignore =
          guest.memory().store(poll.events_at + std::uint64_t{events} * sizeof(Event), *event);  // checked before
      ++events;
    }
  }
  std::ignore = guest.memory().store(poll.count_at, events);
  return events > 0;
}

/// Until the first clock is due.
std::uint64_t shortest_wait(const Guest& guest, const Poll& poll, std::uint64_t waited) {
  std::uint64_t shortest = kLongestWait;
  for (const Subscription& wanted : poll.subscriptions) {
    shortest = std::min(shortest, time_left(guest.host<Host>().clock, wanted, waited).value_or(0));
  }
  return shortest;
}

/// Sleeps until the first clock is due, then answers.
void sleep(Guest& guest, Poll& poll, Clock::time_point began) {
  const std::uint64_t shortest = shortest_wait(guest, poll, static_cast<std::uint64_t>((Clock::now() - began).count()));
  poll.timer.start(Duration(shortest), [ticket = guest.ticket(), &poll, began] {
    Guest* sleeper = ticket.redeem();
    if (sleeper == nullptr) {
      return;
    }
    // The clock may have been set back, or the longest wait be over: then it goes on.
    if (!report(*sleeper, poll, static_cast<std::uint64_t>((Clock::now() - began).count()))) {
      return sleep(*sleeper, poll, began);
    }
    sleeper->complete(kSuccess);
  });
}

}  // namespace

void poll_oneoff(Guest& guest, std::uint32_t subscriptions_at, std::uint32_t events_at, std::uint32_t count,
                 std::uint32_t count_at) {
  if (count == 0 || count > kMaxSubscriptions) {
    return guest.complete(kInval);
  }
  const auto& memory = guest.memory();
  const auto wanted = memory.slice(subscriptions_at, std::uint64_t{count} * sizeof(Subscription));
  if (!wanted || !memory.slice(events_at, std::uint64_t{count} * sizeof(Event)) || !memory.slice(count_at, 4)) {
    return guest.complete(kFault);
  }
  auto& poll = guest.host<Host>().poll;
  if (!poll) {
    poll = std::make_unique<Poll>(guest.loop());
  }
  poll->subscriptions.resize(count);
  std::memcpy(poll->subscriptions.data(), wanted->data(), wanted->size());
  poll->events_at = events_at;
  poll->count_at = count_at;
  if (!guest.charge(count)) {
    return;
  }
  if (report(guest, *poll, 0)) {
    return guest.complete(kSuccess);
  }
  if (GuestClock& clock = guest.host<Host>().clock; clock.fixed()) {
    const std::uint64_t shortest = shortest_wait(guest, *poll, 0);
    clock.advance(shortest);
    if (!report(guest, *poll, shortest)) {
      return guest.unwind(Reason::LimitWall);  // it waits for longer than any call lives
    }
    return guest.complete(kSuccess);
  }
  guest.wait();
  sleep(guest, *poll, Clock::now());
}

}  // namespace trilby::host
