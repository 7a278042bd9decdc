#include "call/body_budget.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace trilby {
namespace {

TEST(BodyBudget, IsSharedAndGivenBackOnce) {
  BodyBudget budget(Bytes{10'000});
  {
    BodyBudget::Share first(&budget);
    BodyBudget::Share second(&budget);
    EXPECT_TRUE(first.resize(6'000));
    EXPECT_FALSE(second.resize(5'000));
    EXPECT_FALSE(second.has_room(5'000));
    EXPECT_TRUE(first.resize(5'000));
    EXPECT_TRUE(second.has_room(5'000));
    EXPECT_TRUE(second.resize(5'000));
    EXPECT_EQ(budget.in_use(), Bytes{10'000});
    BodyBudget::Share moved = std::move(first);
    first.release();  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move): what was moved holds nothing
    EXPECT_EQ(budget.in_use(), Bytes{10'000});
    second = std::move(moved);
    EXPECT_EQ(budget.in_use(), Bytes{5'000});
  }
  EXPECT_EQ(budget.in_use(), Bytes{0});
}

TEST(BodyBudget, HasRoomForSmallBodiesAlways) {
  BodyBudget budget(Bytes{0});
  BodyBudget::Share share(&budget);
  EXPECT_TRUE(share.resize(BodyBudget::kFree));
  EXPECT_FALSE(share.resize(BodyBudget::kFree + 1));
  EXPECT_FALSE(share.has_room(UINT64_MAX));
}

TEST(BodyBudget, OfNoBudgetEverythingHasRoom) {
  BodyBudget::Share share;
  EXPECT_TRUE(share.has_room(UINT64_MAX));
  EXPECT_TRUE(share.resize(SIZE_MAX));
}

TEST(BodyBudget, IsNeverOverdrawnByThreads) {
  BodyBudget budget(Bytes{50'000});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 20'000; ++turn) {
        BodyBudget::Share share(&budget);
        if (share.resize(20'000)) {
          EXPECT_LE(budget.in_use(), budget.limit());
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(budget.in_use(), Bytes{0});
}

}  // namespace
}  // namespace trilby
