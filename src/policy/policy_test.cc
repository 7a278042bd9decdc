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

TEST(Limits, BothEndsOfARangeAreInIt) {
  Limits least;
  least.memory = 64_KiB;
  least.table_elements = 0;
  least.stack = 64_KiB;
  least.log_line_length = Bytes{16};
  least.log_lines_per_second = least.handles = least.host_calls_per_second = least.queue = 0;
  EXPECT_TRUE(validate(least));
  Limits most;
  most.memory = 1_GiB;
  most.table_elements = 1'000'000;
  most.stack = 8_MiB;
  most.log_line_length = 4_KiB;
  most.log_lines_per_second = 100'000;
  most.handles = 1000;
  most.host_calls_per_second = 1'000'000;
  EXPECT_TRUE(validate(most));
}

TEST(Limits, OneBeyondARangeIsNot) {
  const auto refused = [](auto member, auto value) {
    Limits limits;
    limits.*member = value;
    return validate(limits).error().message;
  };
  EXPECT_EQ(refused(&Limits::table_elements, 1'000'001U), "table_elements must be between 0 and 1000000, not 1000001");
  EXPECT_EQ(refused(&Limits::stack, Bytes{65'535}), "stack must be between 64KiB and 8MiB, not 65535B");
  EXPECT_EQ(refused(&Limits::stack, 9_MiB), "stack must be between 64KiB and 8MiB, not 9MiB");
  EXPECT_EQ(refused(&Limits::log_line_length, Bytes{15}), "log_line_length must be between 16B and 4KiB, not 15B");
  EXPECT_EQ(refused(&Limits::log_lines_per_second, 100'001U),
            "log_lines_per_second must be between 0 and 100000, not 100001");
  EXPECT_EQ(refused(&Limits::handles, 1001U), "handles must be between 0 and 1000, not 1001");
  EXPECT_EQ(refused(&Limits::host_calls_per_second, 1'000'001U),
            "host_calls_per_second must be between 0 and 1000000, not 1000001");
}

TEST(AppLimits, HaveRangesToo) {
  EXPECT_TRUE(validate(AppLimits{}));
  AppLimits limits;
  limits.concurrency = 0;
  EXPECT_EQ(validate(limits).error().message, "concurrency must be between 1 and 4000, not 0");
  limits = {};
  limits.queue = 100'001;
  EXPECT_EQ(validate(limits).error().message, "queue must be between 0 and 100000, not 100001");
  limits = {};
  limits.queue_wait = 61s;
  EXPECT_NE(validate(limits).error().message.find("queue_wait must be between 0s and 1m"), std::string::npos);
}

TEST(OwnLoop, IsForFilesAndForMuchMemory) {
  Policy policy;
  policy.limits.memory = 128_MiB;
  EXPECT_FALSE(needs_own_loop(policy));
  policy.limits.memory = 129_MiB;
  EXPECT_TRUE(needs_own_loop(policy));
  policy = {};
  policy.grants.directories.push_back({"/srv", "/data", false});
  EXPECT_TRUE(needs_own_loop(policy));
}

}  // namespace
}  // namespace trilby::policy
