#include "observe/sampler.h"

#include <gtest/gtest.h>

namespace trilby::observe {
namespace {

using Root = Sampler::Root;

TEST(Sampler, FollowsTheParentOrItsOwnRule) {
  EXPECT_TRUE(Sampler().samples(0, std::nullopt));
  EXPECT_TRUE(Sampler(Root::AlwaysOff).samples(0, true));
  EXPECT_FALSE(Sampler(Root::AlwaysOff).samples(0, std::nullopt));
  EXPECT_FALSE(Sampler(Root::AlwaysOn).samples(0, false));
  EXPECT_TRUE(Sampler(Root::AlwaysOn, false).samples(0, false));
  EXPECT_FALSE(Sampler(Root::AlwaysOff, false).samples(0, true));
}

TEST(Sampler, TakesItsShareOfTraces) {
  const Sampler quarter(Root::Ratio, true, 0.25);
  EXPECT_TRUE(quarter.samples(UINT64_MAX / 4 - 1, std::nullopt));
  EXPECT_FALSE(quarter.samples(UINT64_MAX / 4 + 2, std::nullopt));
  EXPECT_TRUE(quarter.samples(UINT64_MAX, true));
  EXPECT_FALSE(quarter.samples(0, false));
  EXPECT_TRUE(Sampler(Root::Ratio, true, 1).samples(UINT64_MAX, std::nullopt));
  EXPECT_FALSE(Sampler(Root::Ratio, true, 0).samples(0, std::nullopt));
}

}  // namespace
}  // namespace trilby::observe
