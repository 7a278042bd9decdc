#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace trilby {
namespace {

using namespace std::chrono_literals;

/// How many of `wanted` it gives at `now`.
int taken(TokenBucket& bucket, Clock::time_point now, int wanted) {
  int got = 0;
  while (wanted-- > 0 && bucket.take(now)) {
    ++got;
  }
  return got;
}

const Clock::time_point kStart = Clock::time_point{} + 1000h;

TEST(TokenBucket, GivesASecondsWorthAtOnce) {
  TokenBucket bucket(10);
  EXPECT_EQ(taken(bucket, kStart, 100), 10);
  EXPECT_EQ(taken(bucket, kStart, 100), 0);
}

TEST(TokenBucket, GivesAsMuchAsTimeBrings) {
  TokenBucket bucket(10);
  ASSERT_EQ(taken(bucket, kStart, 100), 10);
  EXPECT_EQ(taken(bucket, kStart + 99ms, 100), 0);
  EXPECT_EQ(taken(bucket, kStart + 300ms, 100), 3);
  int all = 0;
  for (int i = 301; i <= 10'300; ++i) {
    all += taken(bucket, kStart + i * 1ms, 100);
  }
  EXPECT_NEAR(all, 100, 1);
}

TEST(TokenBucket, SavesNoMoreThanASecond) {
  TokenBucket bucket(10);
  ASSERT_EQ(taken(bucket, kStart, 100), 10);
  EXPECT_EQ(taken(bucket, kStart + 1h, 100), 10);
  EXPECT_EQ(taken(bucket, kStart + 2h, 5), 5);
  EXPECT_LE(taken(bucket, kStart + 3h, 100), 15);
}

TEST(TokenBucket, ForbidsAllWhenItIsEmptyByItsLimit) {
  TokenBucket bucket(0);
  EXPECT_FALSE(bucket.take(kStart));
  EXPECT_FALSE(bucket.take(kStart + 1h));
}

TEST(TokenBucket, DoesNotOverflow) {
  TokenBucket bucket(UINT32_MAX);
  EXPECT_TRUE(bucket.take(kStart));
  TokenBucket slow(1);
  EXPECT_TRUE(slow.take(kStart));
  EXPECT_TRUE(slow.take(Clock::time_point::max()));
}

}  // namespace
}  // namespace trilby
