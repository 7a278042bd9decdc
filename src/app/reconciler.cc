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

SidecarNeeds needs_of(const App& app) {
  return {needed_subscriptions(app), scheduled_jobs(app)};
}

void Trouble::forget() {
  of_.clear();
  why_.clear();
}

void Trouble::note(const std::string& what, const Error& error) {
  if (of_ != what && !of_.ends_with(", " + what)) {
    of_ += (of_.empty() ? "" : ", ") + what;
  }
  why_ = why_.empty() ? error.message : why_;
}

void Trouble::tell(const std::string& app) {
  if (of_ != told_) {
    told_ = of_;
    log::warn(message_, {{"app", app}, {"of", of_}, {"error", why_}});
  }
}

Reconciler::Reconciler(net::Loop& loop, dapr::Arrangements& sidecar, std::string app, SidecarNeeds needs,
                       ReconcilerPace pace)
    : sidecar_(sidecar),
      app_(std::move(app)),
      needed_(std::move(needs.subscriptions)),
      pace_(pace),
      timer_(loop),
      jobs_(std::move(needs.jobs)) {}

void Reconciler::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Reconciler::look() {
  missing_changes_.forget();
  missing_jobs_.forget();
  began_ = Clock::now();
  next_job_ = 0;
  request_ = sidecar_.read_metadata({}, {kMostMetadata},
                                    [this](const Result<std::optional<WholeBody>>& metadata) { take(metadata); });
}

void Reconciler::take(const Result<std::optional<WholeBody>>& metadata) {
  if (!metadata) {
    away_since_ = away_since_.value_or(Clock::now());
    if (!needed_.empty()) {
      missing_changes_.note(kSidecarItself, metadata.error());
    }
    if (!jobs_.empty()) {
      missing_jobs_.note(kSidecarItself, metadata.error());
    }
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
  // With a scheduler that does not answer, each job would take its time, and changes of configuration would wait.
  const bool is_long = missing_jobs_.any() && Clock::now() - began_ > pace_.long_look;
  if (next_job_ < jobs_.size() && !is_long && !stopped_) {
    return look_at_job();
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
          missing_changes_.note(made.store,
                                answer ? Error{Reason::UpstreamFailed, "its answer has no id"} : answer.error());
        }
        go_on();
      });
}

void Reconciler::leave_note() {
  const auto note = std::make_shared<const std::string>(subscriptions_note(held_));
  request_ = sidecar_.set_metadata(kSubscriptionsNote, note, {}, [this](const Result<void>& left) {
    if (!left) {
      missing_changes_.note(kSidecarItself, left.error());
    }
    go_on();
  });
}

void Reconciler::look_at_job() {
  request_ = sidecar_.read_job(jobs_[next_job_].name, {}, {kMostAnswer},
                               [this](const Result<std::optional<WholeBody>>& answer) { take_job(answer); });
}

/// What the scheduler does not say, for it has no such job or cannot be asked, is never overwritten: that would begin
/// the job's schedule anew.
void Reconciler::take_job(const Result<std::optional<WholeBody>>& answer) {
  const bool is_there = answer && *answer;
  if (is_there && is_scheduled_so((*answer)->bytes, jobs_[next_job_])) {
    jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(next_job_));
    return go_on();
  }
  schedule(is_there);
}

void Reconciler::schedule(bool overwrite) {
  const ScheduledJob& job = jobs_[next_job_];
  const auto document = std::make_shared<const std::string>(job_document(job, overwrite));
  request_ = sidecar_.set_job(job.name, document, {}, [this](const Result<dapr::Change>& done) {
    const ScheduledJob& asked = jobs_[next_job_];
    if (done && *done == dapr::Change::Made) {
      log::info("a job is scheduled", {{"app", app_}, {"job", asked.name}, {"schedule", asked.schedule}});
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(next_job_));
    } else {
      missing_jobs_.note(asked.name,
                         done ? Error{Reason::UpstreamFailed, "there is one that cannot be read"} : done.error());
      ++next_job_;
    }
    go_on();
  });
}

void Reconciler::finish() {
  report();
  if (stopped_ || (needed_.empty() && jobs_.empty())) {
    return;
  }
  Duration pause = pace_.look;
  if (missing_changes_.any() || missing_jobs_.any()) {
    pause = pace_.failing.next();
  } else {
    pace_.failing.reset();
  }
  timer_.start(pause, [this] { look(); });
}

void Reconciler::report() {
  // One that is not there yet, or is being replaced, is no news.
  const bool is_soon = away_since_ && Clock::now() - *away_since_ < pace_.patience;
  for (Trouble* trouble : {&missing_changes_, &missing_jobs_}) {
    if (!trouble->any()) {
      trouble->over();
    } else if (!is_soon) {
      trouble->tell(app_);
    }
  }
  if (missing_changes_.any()) {
    said_standing_ = said_standing_ && is_soon;
  } else if (!needed_.empty() && !std::exchange(said_standing_, true)) {
    log::info("changes of configuration are subscribed to", {{"app", app_}, {"subscriptions", held_.size()}});
  }
}

}  // namespace trilby::app
