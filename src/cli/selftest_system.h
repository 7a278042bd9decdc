/// \file  A real system of this very program, for `trilby selftest`: supervisor and worker, in a folder of its own.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>
#include <tl/expected.hpp>

#include "app/manifest.h"
#include "base/result.h"
#include "net/socket.h"

namespace trilby::cli {

/// Notes SIGINT, SIGTERM and SIGHUP from now on instead of ending at once, so that what was started can be stopped and
/// what was written be removed.
void notice_interruptions();
[[nodiscard]] bool interrupted();

/// A new folder that only this user can enter, removed with everything in it.
class PrivateFolder {
 public:
  /// In $TMPDIR, or else /tmp. \return Reason::Internal when it cannot be made
  static Result<PrivateFolder> create();
  PrivateFolder(PrivateFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PrivateFolder& operator=(PrivateFolder&&) = delete;
  ~PrivateFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes a file, in place of one of that name. \return Reason::Internal when it cannot be written
  [[nodiscard]] Result<void> write(const std::string& name, std::string_view content) const;

 private:
  explicit PrivateFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// The content of a file; empty when it cannot be read.
[[nodiscard]] std::string content_of(const std::filesystem::path& path);

/// Why there is no system.
struct StartFailure {
  int exit_code = -1;  ///< of the supervisor; -1: it did not exit by itself
  std::string said;    ///< what it wrote to standard error, or why it could not be started
};

/// Ownership: destroying it stops the system, with force if need be. Threading: this process has no other thread.
class TestedSystem {
 public:
  using Started = tl::expected<std::unique_ptr<TestedSystem>, StartFailure>;

  /// Starts `trilby up FOLDER/MANIFEST`, with standard error in `log` and compiled code in `aot` of that folder,
  /// without the settings of whoever runs this, and waits until it serves.
  /// \param secret  stands in its environment as HOST_SECRET, where no guest may find it
  static Started start(const std::filesystem::path& folder, const std::string& manifest, const std::string& secret);
  TestedSystem(const TestedSystem&) = delete;
  TestedSystem& operator=(const TestedSystem&) = delete;
  ~TestedSystem();

  /// Where the app named "selftest" serves its routes.
  [[nodiscard]] const app::Address& address() const { return address_; }
  /// Whether the worker that it began with still runs.
  [[nodiscard]] bool has_same_worker() const;
  /// Asks it to drain, and waits until both processes have ended. \return the exit code; -1: it had to be killed
  int stop();

 private:
  TestedSystem(pid_t supervisor, net::Socket output) : supervisor_(supervisor), output_(std::move(output)) {}
  [[nodiscard]] bool read_addresses();
  int wait_for_end(std::chrono::milliseconds patience);

  pid_t supervisor_;    // 0: waited for
  net::Socket output_;  // of both processes, so it ends when both have
  pid_t worker_ = 0;
  app::Address address_;
};

}  // namespace trilby::cli
