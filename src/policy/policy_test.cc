#include "policy/policy.h"

#include <gtest/gtest.h>

namespace trilby::policy {
namespace {

using namespace std::chrono_literals;

TEST(Limits, DefaultsAreValid) {
  EXPECT_TRUE(validate(Limits{}));
}

TEST(Limits, OutOfRangeIsRefusedByName) {
  Limits limits;
  limits.memory = 2_GiB;
  EXPECT_EQ(validate(limits).error().message, "memory must be between 64KiB and 1GiB, not 2GiB");
  limits = {};
  limits.cpu = 0ms;
  EXPECT_NE(validate(limits).error().message.find("cpu"), std::string::npos);
  limits = {};
  limits.concurrency = 0;
  EXPECT_EQ(validate(limits).error().message, "concurrency must be between 1 and 1000, not 0");
}

}  // namespace
}  // namespace trilby::policy
