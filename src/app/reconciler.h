/// \file  Sees to it that a sidecar has what its app's triggers need of it and it does not ask for itself.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
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
};

struct SidecarNeeds {
  std::vector<ConfigurationSubscription> subscriptions;
  std::vector<ScheduledJob> jobs;
};
[[nodiscard]] SidecarNeeds needs_of(const App& app);

/// What goes wrong again and again. Threading: not thread-safe.
class Trouble {
 public:
  explicit Trouble(std::string_view message) : message_(message) {}

  void forget();  ///< before another try. What the log was told is not forgotten
  void note(const std::string& what, const Error& error);
  [[nodiscard]] bool any() const { return !of_.empty(); }
  /// Tells the log what has been noted, unless it was told the same before and all went wrong since.
  void tell(const std::string& app);
  void over() { told_.clear(); }  ///< all goes well

 private:
  std::string_view message_;
  std::string of_;   // what went wrong, as "settings, limits"
  std::string why_;  // in the sidecar's words
  std::string told_;
};

/// Of one app: looks again and again at which subscriptions to configuration its sidecar has, by the note that is left
/// with it (configuration_subscriptions.h), makes those that are missing and ends those that nobody needs. So it does
/// not matter which of the two ended, or was replaced, or when: a sidecar that is new has no note, and a worker that is
/// new goes on with what the one before had. Jobs, which the scheduler keeps, are looked at until each is as it is to
/// be, and then no more. One request at a time. What goes wrong is told the log once, and tried again; nothing else
/// waits for it.
/// Threading: loop-bound. Ownership: what it is made with outlives it.
class Reconciler {
 public:
  /// \param needs  nothing: one look is enough, which ends what is left of an earlier manifest
  Reconciler(net::Loop& loop, dapr::Arrangements& sidecar, std::string app, SidecarNeeds needs,
             ReconcilerPace pace = {});
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  void start() { look(); }
  void stop();  ///< what has been begun goes on to its end, and then nothing begins any more

 private:
  void look();
  void take(const Result<std::optional<WholeBody>>& metadata);
  void compare(std::vector<ConfigurationSubscription> noted);
  void go_on();
  void end_one(const ConfigurationSubscription& stale);
  void make_one(ConfigurationSubscription missing);
  void leave_note();
  void look_at_job();
  void take_job(const Result<std::optional<WholeBody>>& answer);
  void schedule(bool overwrite);
  void finish();
  void report();

  dapr::Arrangements& sidecar_;
  const std::string app_;
  const std::vector<ConfigurationSubscription> needed_;
  ReconcilerPace pace_;
  net::Timer timer_;
  std::shared_ptr<void> request_;
  bool stopped_ = false;

  // Of this look:
  std::deque<ConfigurationSubscription> stale_;    // still to be ended
  std::deque<ConfigurationSubscription> missing_;  // still to be made
  std::vector<ConfigurationSubscription> held_;    // stand. Also after it: those that this process knows of
  bool is_note_due_ = false;

  Clock::time_point began_;
  std::size_t next_job_ = 0;

  std::vector<ScheduledJob> jobs_;  // that are not known to be as they are to be
  Trouble missing_changes_{"changes of configuration are not brought"};
  Trouble missing_jobs_{"jobs are not scheduled"};
  std::optional<Clock::time_point> away_since_;
  bool said_standing_ = false;
};

}  // namespace trilby::app
