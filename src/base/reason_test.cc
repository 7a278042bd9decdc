#include "base/reason.h"

#include <gtest/gtest.h>

namespace trilby {
namespace {

TEST(Reason, EveryNameLeadsBackToItsReason) {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    EXPECT_EQ(reason_from_name(name(reason)), reason);
    EXPECT_FALSE(info(reason).title.empty());
  }
}

TEST(Reason, AnUnknownNameIsNoReason) {
  EXPECT_FALSE(reason_from_name("teapot"));
}

TEST(Reason, OnlyOkExitsWithZero) {
  for (std::size_t i = 1; i < kReasonCount; ++i) {
    EXPECT_NE(info(static_cast<Reason>(i)).exit_code, 0);
  }
}

}  // namespace
}  // namespace trilby
