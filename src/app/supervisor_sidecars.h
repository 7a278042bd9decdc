/// \file  The sidecars that a supervisor starts itself: one daprd beside each app.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>
#include <sys/types.h>

#include "app/manifest.h"
#include "app/ready_file.h"
#include "base/result.h"
#include "base/units.h"

namespace trilby::app {

/// Where sidecars listen of which the manifest does not say it: from here on, each at the first port that no other has.
inline constexpr std::uint16_t kFirstSidecarPort = 3500;

/// What all sidecars of a system have in common.
struct SidecarProgram {
  std::filesystem::path daprd;         ///< a program that can be run
  std::vector<std::string> arguments;  ///< for each, behind ours: resources, configuration
  std::uint16_t first_port = kFirstSidecarPort;
};

/// The sidecar of one app: what makes it another one when it changes.
struct SidecarPlan {
  std::string app;
  std::uint16_t app_port = 0;
  Protocol app_protocol = Protocol::Http;
  std::uint16_t http = 0;  ///< its HTTP API's port on 127.0.0.1, never 0
  Bytes max_body;
  bool any_port = false;  ///< `http` was chosen, for nobody said which
  std::string told;       ///< what its app answers when it starts and asks (told_at_start())
  bool operator==(const SidecarPlan&) const = default;
};

/// Starts sidecars, tells their logs apart, replaces those that die (after 100 ms to 5 s), and stops them. All of them
/// die with this process, and Ctrl-C in a terminal does not reach them. Threading: not thread-safe; never waits but for
/// kill_all() and the destructor, which wait for what they killed.
class Sidecars {
 public:
  explicit Sidecars(SidecarProgram program);
  ~Sidecars();  ///< kill_all()
  Sidecars(const Sidecars&) = delete;
  Sidecars& operator=(const Sidecars&) = delete;

  /// The sidecars that the apps of a manifest want. Those that run already keep their ports, unless the
  /// manifest says another.
  /// \param addresses  where the apps listen
  /// \return Reason::Manifest when a port is in use by somebody else, with the field, the owner and the mend
  [[nodiscard]] Result<std::vector<SidecarPlan>> plan(const Manifest& manifest,
                                                      std::span<const BoundAddress> addresses) const;
  /// Makes it so: starts those that are new, and replaces those that have changed. Those that are gone run on until
  /// stop_gone(), for calls that began before may need them; they are not replaced when they die.
  void set(std::vector<SidecarPlan> plans, Clock::time_point now);
  void stop_gone(Clock::time_point now);  ///< asks those to stop that the last set() did not name

  void append_polled(std::vector<pollfd>& polled) const;
  /// When to call advance() at the latest.
  [[nodiscard]] std::optional<Clock::time_point> due() const;
  /// Call whenever something may have happened.
  void advance(Clock::time_point now);
  /// \param awaited  nothing is served yet
  /// \return whether `pid` was one of them
  [[nodiscard]] bool on_exit(pid_t pid, int status, Clock::time_point now, bool awaited);

  [[nodiscard]] bool all_ready() const;  ///< each can be used, or could once and is being replaced
  /// Why there will be no sidecar for an app: of those that were set first, one ended by itself with an error, within
  /// ten seconds, or later but before it could be used and while it was awaited.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

  void stop(Clock::time_point now);  ///< asks all to stop; who does not in time is killed
  void kill_all();
  [[nodiscard]] bool empty() const { return running_.empty(); }

 private:
  class One;

  [[nodiscard]] std::set<std::uint16_t> ports() const;  // that those which run listen on, or will

  SidecarProgram program_;
  std::vector<std::unique_ptr<One>> running_;  // and those that stop, or wait to be started again
  bool first_set_ = true;                      // what runs was set when nothing ran
  std::optional<Error> failure_;
};

/// Where daprd is: `given` when that is not empty; else in the cache that `make dapr` fills, or in PATH. \return
/// Reason::Manifest when there is none that can be run, with where it was looked for
[[nodiscard]] Result<std::filesystem::path> find_daprd(const std::filesystem::path& given);

}  // namespace trilby::app
