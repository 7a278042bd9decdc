#include "http/pace.h"

#include <limits>

#include <gtest/gtest.h>

namespace trilby::http {
namespace {

using namespace std::chrono_literals;

TEST(Pace, WhatAPeerMovesEarnsTime) {
  Pace pace(10s, Bytes{100});
  pace.waited(4s);
  EXPECT_EQ(pace.left(), 6s);
  pace.moved(100);
  EXPECT_EQ(pace.left(), 7s);
  pace.moved(50);
  EXPECT_EQ(pace.left(), 7500ms);
}

TEST(Pace, NoPauseIsLongerThanTheSlackWhateverCameBefore) {
  Pace pace(10s, Bytes{100});
  pace.moved(std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(pace.left(), 10s);
  pace.waited(3s);
  pace.moved(std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(pace.left(), 10s);
}

TEST(Pace, TimeThatIsUsedUpIsNotOwed) {
  Pace pace(10s, Bytes{100});
  pace.waited(24h);
  EXPECT_EQ(pace.left(), 0s);
  pace.moved(100);
  EXPECT_EQ(pace.left(), 1s);
  pace.restart();
  EXPECT_EQ(pace.left(), 10s);
}

TEST(Pace, ABodyTakesNoLongerThanItsSizeAllows) {
  Pace pace(10s, Bytes{100});
  Duration whole{};
  for (int sent = 0; sent < 10'000 && pace.left() > 0s; ++sent) {  // a byte each second, at a hundredth of the rate
    const Duration pause = std::min<Duration>(pace.left(), 1s);
    pace.waited(pause);
    whole += pause;
    pace.moved(1);
    if (pause < 1s) {
      break;
    }
  }
  EXPECT_LE(whole, 10s + 200ms);
}

}  // namespace
}  // namespace trilby::http
