/// \file  Certificates that will soon have expired, or have, as the log tells of them.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "net/loop.h"

namespace trilby::app {

/// A certificate that is served, with those that are sent with it.
struct ServedCertificate {
  std::string app;
  std::string file;
  std::chrono::sys_seconds valid_from;
  std::chrono::sys_seconds valid_until;

  /// Whether callers turn away from it, or will soon: it is in its last week (of less than three: in the last third),
  /// and was not renewed.
  [[nodiscard]] bool is_doubtful(std::chrono::sys_seconds now) const;
  /// Says so in the log, when it is.
  void warn(std::chrono::sys_seconds now) const;
};

/// Warns of doubtful certificates, of each once a day, and when it expires. Of those that are when it is made somebody
/// has been told. Threading: loop-bound; destroyed on the loop's thread or after that has ended.
class ExpiryReminder {
 public:
  using ReadClock = std::function<std::chrono::sys_seconds()>;

  ExpiryReminder(net::Loop& loop, std::vector<ServedCertificate> certificates, ReadClock clock = read_clock,
                 Duration between_looks = std::chrono::hours(1));
  ExpiryReminder(const ExpiryReminder&) = delete;
  ExpiryReminder& operator=(const ExpiryReminder&) = delete;

 private:
  struct Watched {
    ServedCertificate certificate;
    std::optional<std::chrono::sys_seconds> told;
  };

  [[nodiscard]] static std::chrono::sys_seconds read_clock();
  void look_later();
  void look();

  std::vector<Watched> watched_;
  const ReadClock clock_;
  const Duration between_looks_;
  net::Timer next_look_;
};

}  // namespace trilby::app
