#include "triggers/retry_counts.h"

#include <utility>

#include <fmt/format.h>

#include "base/name_part.h"
#include "base/number.h"

namespace trilby::triggers {
namespace {

constexpr const char* kSecondsKept = "86400";

/// What a sidecar gives back of a number that was saved.
Result<std::uint32_t> parse_count(std::string_view text) {
  const auto count = text.empty() ? std::optional(0U) : parse_number<std::uint32_t>(text);
  if (!count) {
    return fail(Reason::UpstreamFailed, "what is saved as the count is no number");
  }
  return *count;
}

}  // namespace

bool counts_against_event(Reason reason) {
  return reason != Reason::Overloaded && reason != Reason::Draining && reason != Reason::Cancelled &&
         reason != Reason::UpstreamFailed;
}

/// One event that is being counted: its count is read, and then written.
class RetryCounts::Counting : public std::enable_shared_from_this<Counting> {
 public:
  Counting(RetryCounts& owner, const RetryLimit& limit, std::string key, TraceContext trace, OnCounted done)
      : owner_(owner), limit_(limit), key_(std::move(key)), trace_(std::move(trace)), done_(std::move(done)) {}

  void start() {
    asking_ = owner_.blocks_->get_state({limit_.store, key_}, terms(), [this](Result<std::string> saved) {
      auto before = saved ? parse_count(*saved) : Result<std::uint32_t>(fail(std::move(saved).error()));
      if (!before || *before >= limit_.most) {
        return finish(std::move(before));
      }
      write(*before);
    });
  }

  std::list<std::shared_ptr<Counting>>::iterator place;

 private:
  [[nodiscard]] dapr::Terms terms() const { return {Clock::time_point::max(), trace_}; }

  void write(std::uint32_t before) {
    const dapr::StateEntry entry{limit_.store,
                                 key_,
                                 {{"ttlInSeconds", kSecondsKept}},
                                 {std::make_shared<const std::string>(std::to_string(before + 1)), "application/json"}};
    asking_ = owner_.blocks_->save_state(entry, terms(), [this, before](Result<void> saved) {
      finish(saved ? Result<std::uint32_t>(before) : Result<std::uint32_t>(fail(std::move(saved).error())));
    });
  }

  void finish(Result<std::uint32_t> before) {
    const auto self = shared_from_this();
    owner_.live_.erase(place);
    std::exchange(done_, nullptr)(std::move(before));
  }

  RetryCounts& owner_;
  const RetryLimit& limit_;
  const std::string key_;
  const TraceContext trace_;
  OnCounted done_;
  std::shared_ptr<void> asking_;
};

RetryCounts::~RetryCounts() = default;

void RetryCounts::count(const RetryLimit& limit, std::string_view trigger, std::string_view event_id,
                        const TraceContext& trace, OnCounted done) {
  if (blocks_ == nullptr) {
    return done(fail(Reason::UpstreamFailed, "the app has no sidecar"));
  }
  // '~' stands in no part, so no other trigger and event give the same key.
  const auto counting = std::make_shared<Counting>(
      *this, limit, fmt::format("trilby-retries~{}~{}", name_part(trigger), name_part(event_id)), trace,
      std::move(done));
  counting->place = live_.insert(live_.end(), counting);
  counting->start();
}

}  // namespace trilby::triggers
