/// \file  Sees to it that a sidecar has what its app's triggers need of it and it does not ask for itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/backoff.h"
#include "app/configuration_subscriptions.h"
#include "app/scheduled_job.h"
#include "base/result.h"
#include "base/units.h"
#include "dapr/arrangements.h"
#include "net/loop.h"

namespace trilby::app {

struct ReconcilerPace {
  Duration look = std::chrono::seconds(5);  ///< from one look at a sidecar that has everything to the next
  Backoff failing{std::chrono::milliseconds(100), std::chrono::seconds(5)};
  Duration patience = std::chrono::seconds(10);  ///< so long a sidecar may be away before the log is told
  Duration long_look = std::chrono::seconds(5);  ///< one that takes longer ends with the first job that fails
  /// After a job that could not be scheduled, until that one is tried again.
  Backoff unscheduled{std::chrono::milliseconds(100), std::chrono::minutes(5)};
  /// After a subscription of which nobody knows whether it was made: each may be one more that nobody can end.
  Backoff lost{std::chrono::seconds(5), std::chrono::minutes(5)};
  int farewells = 20;  ///< looks at most, where nothing is needed and what is left has not ended
};

struct SidecarNeeds {
  std::vector<ConfigurationSubscription> subscriptions;
  std::vector<ScheduledJob> jobs;
};
[[nodiscard]] SidecarNeeds needs_of(const App& app);

/// What goes wrong again and again. Threading: not thread-safe.
class Trouble {
 public:
  enum class Words : std::uint8_t { First, EachRefusal };
  /// \param told  of one thing that goes on to go wrong
  explicit Trouble(std::string_view message, Words told = Words::First) : message_(message), words_(told) {}

  void forget() { of_.clear(); }  ///< before another try. What the log was told is not forgotten
  void note(const std::string& what, const Error& error) { of_.try_emplace(what, error.message); }
  [[nodiscard]] bool any() const { return !of_.empty(); }
  /// Tells the log what has been noted and is news: a line for all of which the same is said.
  void tell(const std::string& app);
  void over() { told_.clear(); }  ///< all goes well

 private:
  std::string_view message_;
  Words words_;
  std::map<std::string, std::string> of_;    // what went wrong: why, in the sidecar's words
  std::map<std::string, std::string> told_;  // the same, when the log was last told
};

/// Of one app: looks again and again at which subscriptions to configuration its sidecar has, by the note that is left
/// with it (configuration_subscriptions.h), makes those that are missing and then ends those that nobody needs. So it
/// does not matter which of the two ended, or was replaced, or when: a sidecar that is new has no note, and a worker
/// that is new goes on with what the one before had. The note is left before the first subscription is made, so where
/// there is none nobody has made any. Jobs, which the scheduler keeps, are looked at until each is as it is to be, and
/// then no more; the one that waited longest first. One request at a time. What goes wrong is told the log once, and
/// tried again; nothing else waits for it. Of one sidecar one Reconciler may be at work at a time.
/// Threading: loop-bound. Ownership: what it is made with outlives it.
class Reconciler {
 public:
  /// \param needs  nothing: it looks until nothing is left of an earlier manifest, and then no more
  Reconciler(net::Loop& loop, dapr::Arrangements& sidecar, std::string app, SidecarNeeds needs,
             ReconcilerPace pace = {});
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  void start();  ///< nothing once it is stopped
  /// Begins nothing more, except that the note comes to say what has been made.
  /// \param settled  is told once nothing is on its way any more, at once or later; it may not destroy this
  void stop(std::function<void()> settled);
  void abandon();  ///< what is on its way, if anything; stop() has been called

 private:
  void look();
  void take(const Result<std::optional<WholeBody>>& metadata);
  void compare(const std::optional<std::vector<ConfigurationSubscription>>& noted);
  void go_on();
  bool begin_next_subscription();
  void end_one();
  void make_one(ConfigurationSubscription missing);
  void not_made(const std::string& store, const Error& error);
  void leave_note();
  bool look_at_next_job();
  void take_job(const Result<std::optional<WholeBody>>& answer);
  void schedule(bool overwrite);
  void not_scheduled(Error error);
  void finish();
  [[nodiscard]] bool is_all_done() const;
  void report();

  dapr::Arrangements& sidecar_;
  const std::string app_;
  const std::vector<ConfigurationSubscription> needed_;
  ReconcilerPace pace_;
  net::Timer timer_;
  std::shared_ptr<void> request_;
  enum class Busy : std::uint8_t { No, Looking, ReadingJob, Changing } busy_ = Busy::No;
  bool stopped_ = false;
  std::function<void()> settled_;

  std::vector<ConfigurationSubscription> held_;   // stand, and are needed
  std::vector<ConfigurationSubscription> stale_;  // stand, and are to be ended
  bool is_note_due_ = false;                      // it does not say what has been made, or what stays

  /// Of a store whose sidecar did not answer.
  struct Lost {
    Backoff pause;
    Clock::time_point until;  // nothing is made again before
    Error why;
  };
  std::map<std::string, Lost> lost_;

  // Of this look:
  std::deque<ConfigurationSubscription> missing_;  // still to be made
  std::set<std::string> failed_;                   // stores of which one could not be made: none of theirs is ended
  std::vector<ConfigurationSubscription> ending_;  // stand, and are being ended; not in the note any more
  bool is_ending_ = false;                         // these have been chosen
  bool is_note_refused_ = false;                   // then nothing is made, or ended, for nobody would know

  Clock::time_point began_;
  std::size_t job_ = 0;  // that is being looked at

  struct Job {
    ScheduledJob what;
    Backoff pause;
    Clock::time_point until;   // it is not tried again before
    std::optional<Error> why;  // it could not be scheduled
  };
  std::vector<Job> jobs_;  // that are not known to be as they are to be
  Trouble missing_changes_{"changes of configuration are not brought"};
  Trouble missing_jobs_{"jobs are not scheduled", Trouble::Words::EachRefusal};
  Trouble left_over_{"subscriptions to changes of configuration are not ended"};
  std::optional<Clock::time_point> away_since_;  // the last look did not reach it
  bool said_standing_ = false;
  int looks_left_;  // where nothing is needed
};

}  // namespace trilby::app
