/// \file  Which of some files have changed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "net/socket.h"

namespace trilby::app {

/// Watches files by their folders, and those of links on the way to them, so that a file that is renamed over another,
/// comes into being, or is reached through a link that changes is seen too. What happens in these folders only makes it
/// look: a file counts as changed when its identity, size or times have. Threading: not thread-safe. Cost: one inotify
/// watch for each such folder; a stat() of each file for each burst of events.
class FileWatch {
 public:
  /// \return Reason::Internal when the system gives no inotify descriptor
  static Result<FileWatch> create();

  /// Watches these and no others. Of those watched before, changes that were not taken yet are kept; the rest counts
  /// from now on. Folders that cannot be watched are named in the log.
  void watch(const std::vector<std::filesystem::path>& files);
  /// Changes up to now do not count. \return whether there were any that nobody has taken
  bool forget_changes();

  [[nodiscard]] int descriptor() const { return inotify_.get(); }
  /// To be called when the descriptor can be read.
  void on_events(Clock::time_point now);
  /// When to call take_change(): once it has been quiet for 100 ms, at most 1 s after the first event. Nothing: there
  /// is no reason to.
  [[nodiscard]] std::optional<Clock::time_point> due() const { return due_; }
  /// \return a file that has changed, which then counts as known, as all others
  [[nodiscard]] std::optional<std::filesystem::path> take_change();

 private:
  /// What tells a file from what it was. All zero: there is none.
  struct Fingerprint {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Fingerprint&) const = default;
  };
  static Fingerprint look(const std::filesystem::path& file);
  void watch_folders();

  net::Socket inotify_;
  std::map<std::filesystem::path, Fingerprint> files_;
  std::map<std::filesystem::path, int> folders_;  // each with the number of its watch; -1: it has none
  std::optional<Clock::time_point> first_event_;
  std::optional<Clock::time_point> due_;
};

}  // namespace trilby::app
