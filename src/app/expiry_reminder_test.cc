#include "app/expiry_reminder.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr sys_seconds kMade = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
constexpr auto kDay = hours(24);

ServedCertificate certificate(seconds valid_for) {
  return {"web", "/etc/web.pem", kMade, kMade + valid_for};
}

std::size_t count(const std::string& text, const std::string& words) {
  std::size_t found = 0;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    ++found;
  }
  return found;
}

TEST(ServedCertificate, IsDoubtfulInItsLastWeek) {
  const ServedCertificate one = certificate(90 * kDay);
  EXPECT_TRUE(one.is_doubtful(kMade - seconds(1))) << "not valid yet";
  EXPECT_FALSE(one.is_doubtful(kMade));
  EXPECT_FALSE(one.is_doubtful(kMade + 83 * kDay - seconds(1)));
  EXPECT_TRUE(one.is_doubtful(kMade + 83 * kDay));
  EXPECT_TRUE(one.is_doubtful(kMade + 91 * kDay));
}

TEST(ServedCertificate, OfAFewDaysIsDoubtfulInItsLastThird) {
  const ServedCertificate one = certificate(6 * kDay);
  EXPECT_FALSE(one.is_doubtful(kMade + 4 * kDay - seconds(1)));
  EXPECT_TRUE(one.is_doubtful(kMade + 4 * kDay));
}

TEST(ServedCertificate, IsNotDoubtfulForEver) {
  const sys_seconds end = std::chrono::sys_days(std::chrono::year(9999) / 12 / 31);
  const ServedCertificate one{"web", "/etc/web.pem", kMade, end};
  EXPECT_FALSE(one.is_doubtful(kMade + 10'000 * kDay));
  EXPECT_TRUE(one.is_doubtful(end));
}

TEST(ServedCertificate, WhoseDatesContradictEachOtherHasExpired) {
  const ServedCertificate one{"web", "/etc/web.pem", kMade + kDay, kMade};  // those of a chain may
  EXPECT_TRUE(one.is_doubtful(kMade + 2 * kDay));
  testing::internal::CaptureStderr();
  one.warn(kMade + 2 * kDay);
  EXPECT_EQ(count(testing::internal::GetCapturedStderr(), "has expired"), 1U);
}

/// What is said when somebody looks at these moments, of which the first is that of the start.
std::string said_at(const std::vector<sys_seconds>& moments, seconds valid_for = 90 * kDay) {
  testing::internal::CaptureStderr();
  net::Loop loop;
  std::size_t looks = 0;
  const ExpiryReminder reminder(
      loop, {certificate(valid_for)},
      [&] {
        if (looks + 1 == moments.size()) {
          loop.stop();
        }
        return moments.at(looks++);
      },
      std::chrono::milliseconds(1));
  loop.run();
  return testing::internal::GetCapturedStderr();
}

TEST(ExpiryReminder, WarnsOnceADay) {
  const sys_seconds last_week = kMade + 83 * kDay;
  const std::string said = said_at({last_week - hours(2), last_week - hours(1), last_week, last_week + hours(1),
                                    last_week + hours(23), last_week + hours(24), last_week + hours(25)});
  EXPECT_EQ(count(said, "the certificate expires soon"), 2U) << said;
  EXPECT_EQ(count(said, "2026-04-01 00:00:00 UTC"), 2U) << said;
  EXPECT_EQ(count(said, "/etc/web.pem"), 2U) << said;
}

TEST(ExpiryReminder, SaysThatItHasExpired) {
  const sys_seconds end = kMade + 90 * kDay;
  const std::string said = said_at({kMade, end - hours(1), end - seconds(1), end, end + hours(1), end + hours(23)});
  EXPECT_EQ(count(said, "the certificate expires soon"), 1U) << said;
  EXPECT_EQ(count(said, "the certificate has expired"), 1U) << said;
  const std::string at_once = said_at({kMade, end - hours(1), end - seconds(1), end, end + hours(1)});
  EXPECT_EQ(count(at_once, "the certificate has expired"), 1U) << "not a day after it was said to expire soon";
  EXPECT_EQ(count(said_at({kMade, end, end + hours(23), end + hours(24)}), "the certificate has expired"), 2U);
}

TEST(ServedCertificate, MayHaveDatesThatAreFarAway) {
  const auto year = [](int number) { return sys_seconds(std::chrono::sys_days(std::chrono::year(number) / 2 / 3)); };
  testing::internal::CaptureStderr();
  ServedCertificate{"web", "/etc/web.pem", year(2300), year(9999)}.warn(kMade);
  ServedCertificate{"web", "/etc/web.pem", year(1000), year(1600)}.warn(kMade);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count(said, "2300-02-03 00:00:00 UTC"), 1U) << said;
  EXPECT_EQ(count(said, "1600-02-03 00:00:00 UTC"), 1U) << said;
}

TEST(ExpiryReminder, DoesNotRepeatWhatWasSaidAtTheStart) {
  const sys_seconds last_day = kMade + 89 * kDay;
  EXPECT_EQ(said_at({last_day, last_day + hours(1), last_day + hours(2)}), "");
}

TEST(ExpiryReminder, IsSilentOfWhatIsInOrder) {
  EXPECT_EQ(said_at({kMade, kMade + hours(1), kMade + 40 * kDay}), "");
}

}  // namespace
}  // namespace trilby::app
