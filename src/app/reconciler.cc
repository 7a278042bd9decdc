#include "app/reconciler.h"

#include <algorithm>
#include <iterator>
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

void Trouble::tell(const std::string& app) {
  std::map<std::string_view, std::string> news;  // why: what, as "limits, settings"
  for (const auto& [what, why] : of_) {
    const auto before = told_.find(what);
    const bool is_reworded = words_ == Words::EachRefusal && before != told_.end() && before->second != why &&
                             why.starts_with(dapr::kRefusal);
    if (before == told_.end() || is_reworded) {
      std::string& all = news[why];
      all += (all.empty() ? "" : ", ") + what;
    }
  }
  for (const auto& [why, all] : news) {
    log::warn(message_, {{"app", app}, {"of", all}, {"error", why}});
  }
  told_ = of_;
}

Reconciler::Reconciler(net::Loop& loop, dapr::Arrangements& sidecar, std::string app, SidecarNeeds needs,
                       ReconcilerPace pace)
    : sidecar_(sidecar),
      app_(std::move(app)),
      needed_(std::move(needs.subscriptions)),
      pace_(pace),
      timer_(loop),
      looks_left_(pace.farewells) {
  for (ScheduledJob& job : needs.jobs) {
    jobs_.push_back({std::move(job), pace_.unscheduled, {}, {}});
  }
}

void Reconciler::start() {
  if (!stopped_) {
    look();
  }
}

void Reconciler::stop(std::function<void()> settled) {
  stopped_ = true;
  timer_.cancel();
  settled_ = std::move(settled);
  const bool is_reading = busy_ == Busy::ReadingJob || (busy_ == Busy::Looking && !is_note_due_);
  if (is_reading) {
    request_.reset();
    busy_ = Busy::No;
  }
  if (busy_ != Busy::No) {
    return;
  }
  if (is_note_due_) {
    return look();  // once more: the note would lie to a sidecar that is new
  }
  finish();
}

void Reconciler::abandon() {
  settled_ = nullptr;
  request_.reset();
  busy_ = Busy::No;
}

void Reconciler::look() {
  missing_changes_.forget();
  missing_jobs_.forget();
  left_over_.forget();
  began_ = Clock::now();
  busy_ = Busy::Looking;
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
  if (std::exchange(away_since_, std::nullopt)) {
    for (Job& job : jobs_) {  // it may be another one
      job.until = {};
      job.pause.reset();
    }
  }
  compare(noted_subscriptions(*metadata ? (*metadata)->bytes : std::string()));
  go_on();
}

void Reconciler::compare(const std::optional<Subscriptions>& noted) {
  Subscriptions known = noted.value_or(Subscriptions());
  Subscriptions doubtful;
  for (const Subscriptions* mine : {&held_, &stale_, &ending_}) {
    // Where there is no note the sidecar is new, and what was known of went with the one before. Where the note came
    // and was changed by somebody else, what was known of may have ended, and is not to be relied on.
    std::copy_if(mine->begin(), mine->end(), std::back_inserter(is_note_due_ ? known : doubtful),
                 [&](const ConfigurationSubscription& one) { return noted && !has_id(*noted, one); });
  }
  if (!noted) {
    lost_.clear();
  }
  held_.clear();
  missing_.clear();
  ending_.clear();
  failed_.clear();
  is_ending_ = is_note_refused_ = false;
  stale_ = std::move(doubtful);
  const bool is_known_to_all = known.size() + stale_.size() == noted.value_or(Subscriptions()).size();
  for (ConfigurationSubscription& one : known) {
    (is_among(needed_, one) && !is_among(held_, one) ? held_ : stale_).push_back(std::move(one));
  }
  std::copy_if(needed_.begin(), needed_.end(), std::back_inserter(missing_),
               [&](const ConfigurationSubscription& one) { return !is_among(held_, one); });
  is_note_due_ = noted ? !is_known_to_all : !missing_.empty();
}

/// Does the next thing that is to be done.
void Reconciler::go_on() {
  if (is_note_due_ && !is_note_refused_) {
    return leave_note();
  }
  if (stopped_) {
    return finish();
  }
  if (!is_note_refused_ && begin_next_subscription()) {
    return;
  }
  if (!look_at_next_job()) {
    finish();
  }
}

/// What is missing is made before what is stale ends, so that a key that both have is listened to all the time.
/// \return false when there is nothing to do
bool Reconciler::begin_next_subscription() {
  while (!missing_.empty()) {
    ConfigurationSubscription one = std::move(missing_.front());
    missing_.pop_front();
    const auto lost = lost_.find(one.store);
    if (lost == lost_.end() || Clock::now() >= lost->second.until) {
      make_one(std::move(one));
      return true;
    }
    missing_changes_.note(one.store, lost->second.why);
    failed_.insert(one.store);
  }
  if (!std::exchange(is_ending_, true)) {
    const auto kept = std::partition(stale_.begin(), stale_.end(),
                                     [&](const ConfigurationSubscription& one) { return failed_.contains(one.store); });
    ending_.assign(std::make_move_iterator(kept), std::make_move_iterator(stale_.end()));
    stale_.erase(kept, stale_.end());
    if (!ending_.empty()) {
      leave_note();
      return true;
    }
  }
  if (!ending_.empty()) {
    end_one();
    return true;
  }
  return false;
}

/// The note has ceased to say it, for whoever reads there of one that has ended takes it for standing. One that could
/// not be ended comes back into it.
void Reconciler::end_one() {
  const ConfigurationSubscription& one = ending_.back();
  busy_ = Busy::Changing;
  request_ = sidecar_.unsubscribe_configuration(one.store, one.id, {}, [this](const Result<void>& done) {
    if (!done) {
      left_over_.note(ending_.back().store, done.error());
      stale_.push_back(std::move(ending_.back()));
      is_note_due_ = true;
    }
    ending_.pop_back();
    go_on();
  });
}

void Reconciler::make_one(ConfigurationSubscription missing) {
  const ConfigurationSubscription asked = missing;
  busy_ = Busy::Changing;
  request_ = sidecar_.subscribe_configuration(
      asked.store, asked.keys, {asked.metadata.begin(), asked.metadata.end()}, {}, {kMostAnswer},
      [this, made = std::move(missing)](const Result<std::optional<WholeBody>>& answer) mutable {
        auto id = answer && *answer ? subscription_id((*answer)->bytes) : std::nullopt;
        if (id) {
          lost_.erase(made.store);
          made.id = std::move(*id);
          held_.push_back(std::move(made));
          is_note_due_ = true;
        } else {
          not_made(made.store, answer ? Error{Reason::UpstreamFailed, "its answer has no id"} : answer.error());
        }
        go_on();
      });
}

void Reconciler::not_made(const std::string& store, const Error& error) {
  missing_changes_.note(store, error);
  failed_.insert(store);
  if (!error.message.starts_with(dapr::kRefusal)) {
    Lost& lost = lost_.try_emplace(store, Lost{pace_.lost, {}, {}}).first->second;
    lost.until = Clock::now() + lost.pause.next();
    lost.why = error;
  }
}

void Reconciler::leave_note() {
  Subscriptions all = held_;
  all.insert(all.end(), stale_.begin(), stale_.end());
  const auto note = std::make_shared<const std::string>(subscriptions_note(all));
  busy_ = Busy::Changing;
  is_note_due_ = true;
  request_ = sidecar_.set_metadata(kSubscriptionsNote, note, {}, [this](const Result<void>& left) {
    if (left) {
      is_note_due_ = false;
    } else {
      is_note_refused_ = true;
      if (!needed_.empty()) {
        missing_changes_.note(kSidecarItself, left.error());
      }
    }
    go_on();
  });
}

/// Each at most once in a look.
/// \return false when none is due
bool Reconciler::look_at_next_job() {
  const auto next =
      std::min_element(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) { return a.until < b.until; });
  if (next == jobs_.end() || next->until > began_) {
    return false;
  }
  job_ = static_cast<std::size_t>(next - jobs_.begin());
  busy_ = Busy::ReadingJob;
  request_ = sidecar_.read_job(next->what.name, {}, {kMostAnswer},
                               [this](const Result<std::optional<WholeBody>>& answer) { take_job(answer); });
  return true;
}

/// What the scheduler does not say, for it has no such job or cannot be asked, is never overwritten: that would begin
/// the job's schedule anew.
void Reconciler::take_job(const Result<std::optional<WholeBody>>& answer) {
  const bool is_there = answer && *answer;
  if (is_there && is_scheduled_so((*answer)->bytes, jobs_[job_].what)) {
    jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(job_));
    return go_on();
  }
  schedule(is_there);
}

void Reconciler::schedule(bool overwrite) {
  const ScheduledJob& job = jobs_[job_].what;
  const auto document = std::make_shared<const std::string>(job_document(job, overwrite));
  busy_ = Busy::Changing;
  request_ = sidecar_.set_job(job.name, document, {}, [this](const Result<dapr::Change>& done) {
    if (!done || *done != dapr::Change::Made) {
      return not_scheduled(done ? Error{Reason::UpstreamFailed, "there is one that cannot be read"} : done.error());
    }
    const ScheduledJob& asked = jobs_[job_].what;
    log::info("a job is scheduled", {{"app", app_}, {"job", asked.name}, {"schedule", asked.schedule}});
    jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(job_));
    go_on();
  });
}

void Reconciler::not_scheduled(Error error) {
  Job& job = jobs_[job_];
  job.until = Clock::now() + job.pause.next();
  job.why = std::move(error);
  // With a scheduler that does not answer, each job would take its time, and changes of configuration would wait. Those
  // that are left are the first ones of the next look.
  Clock::now() - began_ > pace_.long_look ? finish() : go_on();
}

void Reconciler::finish() {
  busy_ = Busy::No;
  if (stopped_) {
    if (const auto settled = std::exchange(settled_, nullptr)) {
      settled();
    }
    return;
  }
  for (const Job& job : jobs_) {
    if (job.why) {
      missing_jobs_.note(job.what.name, *job.why);
    }
  }
  report();
  const bool is_needed = !needed_.empty() || !jobs_.empty();
  if (!is_needed && (is_all_done() || --looks_left_ <= 0)) {
    return;
  }
  Duration pause = pace_.look;
  if (missing_changes_.any() || missing_jobs_.any() || !is_needed) {
    pause = pace_.failing.next();
  } else {
    pace_.failing.reset();
  }
  timer_.start(pause, [this] { look(); });
}

/// Where nothing is needed.
bool Reconciler::is_all_done() const {
  return !away_since_ && stale_.empty() && !is_note_refused_;
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
  if (stale_.empty()) {
    left_over_.over();
  } else if (left_over_.any()) {  // otherwise none was tried
    left_over_.tell(app_);
  }
  if (missing_changes_.any()) {
    said_standing_ = said_standing_ && is_soon;
  } else if (!needed_.empty() && !std::exchange(said_standing_, true)) {
    log::info("changes of configuration are subscribed to", {{"app", app_}, {"subscriptions", held_.size()}});
  }
}

}  // namespace trilby::app
