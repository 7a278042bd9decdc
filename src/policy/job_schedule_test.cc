#include "policy/job_schedule.h"

#include <string>

#include <gtest/gtest.h>

namespace trilby::policy {
namespace {

TEST(Schedule, IsAPeriodANameOrSixFields) {
  for (const char* text : {"@every 1s",      "@every 1h30m",
                           "@every 1.5s",    "@every 1000ms",
                           "@every 87840h",  "@daily",
                           "@annually",      "@hourly",
                           "@midnight",      "@monthly",
                           "@weekly",        "@yearly",
                           "0 30 3 * * *",   "*/5 0-30/2 1,2 ? JAN mon-FRI",
                           "0 0 0 29 2 *",   "59 59 23 31 12 6",
                           "5/20 * * * * *", "0 0 0 30 2,3 ?",
                           "0 0 0 31 2 mon", "0 0 0 31 4 */2"}) {
    EXPECT_EQ(schedule_defect(text), "") << text;
  }
}

TEST(Schedule, IsNothingElse) {
  for (const char* text : {"",
                           " ",
                           "@",
                           "@every",
                           "@every ",
                           "@every 1",
                           "@every s",
                           "@every -1s",
                           "@every 0s",
                           "@every 999ms",
                           "@every 1s ",
                           "@every 1d",
                           "@every 1e9h",
                           "@every nan",
                           "@every infs",
                           "@every 87841h",
                           "@Daily",
                           "@daily ",
                           "@reboot",
                           "0 30 3 * *",
                           "0 30 3 * * * *",
                           "0 30 3 * *  *",
                           " 0 30 3 * * *",
                           "0 30 3 * * * ",
                           "0 30 3 * * \n",
                           "0 30 3 * * $",
                           "TZ=UTC 0 30 3 * * *",
                           "60 * * * * *",
                           "* 60 * * * *",
                           "* * 24 * * *",
                           "* * * 0 * *",
                           "* * * 32 * *",
                           "* * * * 13 *",
                           "* * * * * 7",
                           "* * * * mon *",
                           "* * * * * january",
                           "30-20 * * * * *",
                           "1-2-3 * * * * *",
                           "*/0 * * * * *",
                           "1/2/3 * * * * *",
                           "*/ * * * * *",
                           ", * * * * *",
                           "1,,2 * * * * *",
                           "-1 * * * * *",
                           "+1 * * * * *",
                           "99999999999999999999 * * * * *",
                           "*/99999999999999999999 * * * * *",
                           "0 0 0 30 2 *",
                           "0 0 0 31 2,4,6,9,11 ?",
                           "0 0 0 31 4 */1"}) {
    EXPECT_NE(schedule_defect(text), "") << text;
  }
  EXPECT_EQ(schedule_defect("@every " + std::string(122, '1')), "has at most 128 bytes");
}

}  // namespace
}  // namespace trilby::policy
