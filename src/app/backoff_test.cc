#include "app/backoff.h"

#include <gtest/gtest.h>

namespace trilby::app {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, PausesTwiceAsLongEachTimeUpToTheLongest) {
  Backoff backoff(100ms, 500ms);
  EXPECT_EQ(backoff.next(), 100ms);
  EXPECT_EQ(backoff.next(), 200ms);
  EXPECT_EQ(backoff.next(), 400ms);
  EXPECT_EQ(backoff.next(), 500ms);
  EXPECT_EQ(backoff.next(), 500ms);
}

TEST(Backoff, BeginsAnewAfterwards) {
  Backoff backoff(100ms, 500ms);
  EXPECT_EQ(backoff.next(), 100ms);
  EXPECT_EQ(backoff.next(), 200ms);
  backoff.reset();
  EXPECT_EQ(backoff.next(), 100ms);
}

}  // namespace
}  // namespace trilby::app
