#include "app/expiry_reminder.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/chrono.h>

#include "base/log.h"

namespace trilby::app {
namespace {

using std::chrono::sys_seconds;

constexpr std::chrono::seconds kLastWeek = std::chrono::hours(24 * 7);
constexpr std::chrono::seconds kBetweenWarnings = std::chrono::hours(24);

/// Not by way of system_clock, whose nanoseconds end in the year 2262.
std::string day(sys_seconds time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(static_cast<std::time_t>(time.time_since_epoch().count())));
}

}  // namespace

bool ServedCertificate::is_doubtful(sys_seconds now) const {
  return now < valid_from || now >= valid_until - std::min(kLastWeek, (valid_until - valid_from) / 3);
}

void ServedCertificate::warn(sys_seconds now) const {
  if (now >= valid_until) {
    log::warn("the certificate has expired: callers that verify it turn away",
              {{"app", app}, {"certificate", file}, {"expired", day(valid_until)}});
  } else if (now < valid_from) {
    log::warn("the certificate is not valid yet: callers that verify it turn away",
              {{"app", app}, {"certificate", file}, {"valid_from", day(valid_from)}});
  } else if (is_doubtful(now)) {
    log::warn("the certificate expires soon, and was not renewed",
              {{"app", app}, {"certificate", file}, {"expires", day(valid_until)}});
  }
}

ExpiryReminder::ExpiryReminder(net::Loop& loop, std::vector<ServedCertificate> certificates, ReadClock clock,
                               Duration between_looks)
    : clock_(std::move(clock)), between_looks_(between_looks), next_look_(loop) {
  const sys_seconds now = clock_();
  for (ServedCertificate& certificate : certificates) {
    const bool told = certificate.is_doubtful(now);
    watched_.push_back({std::move(certificate), told ? std::optional(now) : std::nullopt});
  }
  look_later();
}

sys_seconds ExpiryReminder::read_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

void ExpiryReminder::look_later() {
  if (!watched_.empty()) {
    next_look_.start(between_looks_, [this] { look(); });
  }
}

void ExpiryReminder::look() {
  const sys_seconds now = clock_();
  for (Watched& one : watched_) {
    const bool is_news = !one.told || (*one.told < one.certificate.valid_until && now >= one.certificate.valid_until);
    if (one.certificate.is_doubtful(now) && (is_news || now - *one.told >= kBetweenWarnings)) {
      one.certificate.warn(now);
      one.told = now;
    }
  }
  look_later();
}

}  // namespace trilby::app
