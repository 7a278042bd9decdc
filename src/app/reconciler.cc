#include "app/reconciler.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace trilby::app {
namespace {

constexpr Bytes kMostMetadata{4U << 20U};  // all components and subscriptions of a sidecar are in it
constexpr Bytes kMostAnswer{64U << 10U};
constexpr const char* kSidecarItself = "the sidecar";

using Subscriptions = std::vector<ConfigurationSubscription>;

bool has_id(const Subscriptions& subscriptions, const ConfigurationSubscription& wanted) {
  return std::any_of(subscriptions.begin(), subscriptions.end(), [&](const ConfigurationSubscription& one) {
    return one.store == wanted.store && one.id == wanted.id;
  });
}

bool is_among(const Subscriptions& subscriptions, const ConfigurationSubscription& wanted) {
  return std::any_of(subscriptions.begin(), subscriptions.end(),
                     [&](const ConfigurationSubscription& one) { return one.is_about_the_same(wanted); });
}

}  // namespace

Reconciler::Reconciler(net::Loop& loop, dapr::Arrangements& sidecar, std::string app,
                       std::vector<ConfigurationSubscription> needed, ReconcilerPace pace)
    : sidecar_(sidecar), app_(std::move(app)), needed_(std::move(needed)), pace_(pace), timer_(loop) {}

void Reconciler::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Reconciler::look() {
  failing_.clear();
  why_.clear();
  request_ = sidecar_.read_metadata({}, {kMostMetadata},
                                    [this](const Result<std::optional<WholeBody>>& metadata) { take(metadata); });
}

void Reconciler::take(const Result<std::optional<WholeBody>>& metadata) {
  if (!metadata) {
    away_since_ = away_since_.value_or(Clock::now());
    note_failure(kSidecarItself, metadata.error());
    return finish();
  }
  away_since_.reset();
  compare(noted_subscriptions(*metadata ? (*metadata)->bytes : std::string()));
  go_on();
}

void Reconciler::compare(Subscriptions noted) {
  stale_.clear();
  missing_.clear();
  // Of a look that could not leave its note.
  std::copy_if(held_.begin(), held_.end(), std::back_inserter(stale_),
               [&](const ConfigurationSubscription& one) { return !has_id(noted, one); });
  held_.clear();
  for (ConfigurationSubscription& one : noted) {
    if (is_among(needed_, one) && !is_among(held_, one)) {
      held_.push_back(std::move(one));
    } else {
      stale_.push_back(std::move(one));
    }
  }
  std::copy_if(needed_.begin(), needed_.end(), std::back_inserter(missing_),
               [&](const ConfigurationSubscription& one) { return !is_among(held_, one); });
  is_note_due_ = !stale_.empty();
}

/// Does the next thing that is to be done.
void Reconciler::go_on() {
  if (!stale_.empty()) {
    const ConfigurationSubscription one = std::move(stale_.front());
    stale_.pop_front();
    return end_one(one);
  }
  if (!missing_.empty()) {
    ConfigurationSubscription one = std::move(missing_.front());
    missing_.pop_front();
    return make_one(std::move(one));
  }
  if (std::exchange(is_note_due_, false)) {
    return leave_note();
  }
  finish();
}

/// A sidecar that does not know it has ended it already.
void Reconciler::end_one(const ConfigurationSubscription& stale) {
  request_ =
      sidecar_.unsubscribe_configuration(stale.store, stale.id, {}, [this](const Result<void>& /*done*/) { go_on(); });
}

void Reconciler::make_one(ConfigurationSubscription missing) {
  const std::string store = missing.store;
  const std::vector<std::string> keys = missing.keys;
  request_ = sidecar_.subscribe_configuration(
      store, keys, {}, {kMostAnswer},
      [this, made = std::move(missing)](const Result<std::optional<WholeBody>>& answer) mutable {
        auto id = answer && *answer ? subscription_id((*answer)->bytes) : std::nullopt;
        if (id) {
          made.id = std::move(*id);
          held_.push_back(std::move(made));
          is_note_due_ = true;
        } else {
          note_failure(made.store, answer ? Error{Reason::UpstreamFailed, "its answer has no id"} : answer.error());
        }
        go_on();
      });
}

void Reconciler::leave_note() {
  const auto note = std::make_shared<const std::string>(subscriptions_note(held_));
  request_ = sidecar_.set_metadata(kSubscriptionsNote, note, {}, [this](const Result<void>& left) {
    if (!left) {
      note_failure(kSidecarItself, left.error());
    }
    finish();
  });
}

void Reconciler::note_failure(const std::string& what, const Error& error) {
  if (failing_ != what && !failing_.ends_with(", " + what)) {
    failing_ += (failing_.empty() ? "" : ", ") + what;
  }
  why_ = why_.empty() ? error.message : why_;
}

void Reconciler::finish() {
  report();
  if (stopped_ || needed_.empty()) {
    return;
  }
  Duration pause = pace_.look;
  if (failing_.empty()) {
    pace_.failing.reset();
  } else {
    pause = pace_.failing.next();
  }
  timer_.start(pause, [this] { look(); });
}

void Reconciler::report() {
  if (failing_.empty()) {
    said_failing_.clear();
    if (!std::exchange(said_standing_, true) && !needed_.empty()) {
      log::info("changes of configuration are subscribed to", {{"app", app_}, {"subscriptions", held_.size()}});
    }
    return;
  }
  // One that is not there yet, or is being replaced, is no news.
  const bool is_soon = away_since_ && Clock::now() - *away_since_ < pace_.patience;
  if (needed_.empty() || is_soon || failing_ == said_failing_) {
    return;
  }
  said_failing_ = failing_;
  said_standing_ = false;
  log::warn("changes of configuration are not brought", {{"app", app_}, {"of", failing_}, {"error", why_}});
}

}  // namespace trilby::app
