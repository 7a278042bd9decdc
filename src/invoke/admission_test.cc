#include "invoke/admission.h"

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace trilby::invoke {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<Admission> make(std::uint32_t concurrency, std::uint32_t queue) {
  return std::make_shared<Admission>(Admission::Limits{concurrency, queue, 1min});
}

TEST(Slots, AreAsManyAsAllowed) {
  const auto admission = make(2, 0);
  Admission::Slot first = admission->try_enter();
  Admission::Slot second = admission->try_enter();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(admission->try_enter());
  second.release();
  EXPECT_TRUE(admission->try_enter());
  EXPECT_EQ(admission->running(), 1U);
}

TEST(Slots, MoveWithoutBeingGivenUp) {
  const auto admission = make(1, 0);
  Admission::Slot first = admission->try_enter();
  Admission::Slot second = std::move(first);
  EXPECT_EQ(admission->running(), 1U);
  second = Admission::Slot();
  EXPECT_EQ(admission->running(), 0U);
}

TEST(Slots, PassByNobodyWhoWaits) {
  const auto admission = make(1, 1);
  net::Loop loop;
  Admission::Slot held = admission->try_enter();
  Admission::Slot passed;
  const auto waiter = admission->wait(loop, [&](Result<Admission::Slot> slot) {
    passed = std::move(slot).value();
    loop.stop();
  });
  ASSERT_TRUE(waiter);
  held.release();
  EXPECT_FALSE(admission->try_enter()) << "it belongs to the waiter";
  loop.run();
  EXPECT_TRUE(passed);
  EXPECT_EQ(admission->running(), 1U);
}

TEST(Slots, OnTheirWayOutliveTheFunction) {
  auto admission = make(1, 1);
  const std::weak_ptr<Admission> watched = admission;
  auto loop = std::make_unique<net::Loop>();
  Admission::Slot held = admission->try_enter();
  auto waiter = admission->wait(*loop, [](const Result<Admission::Slot>&) {}).value();
  held.release();
  waiter.reset();
  admission.reset();
  EXPECT_FALSE(watched.expired());
  loop.reset();  // drops the message that carries the slot
  EXPECT_TRUE(watched.expired());
}

TEST(Queue, HasAnEnd) {
  const auto admission = make(1, 1);
  net::Loop loop;
  const Admission::Slot held = admission->try_enter();
  const auto first = admission->wait(loop, [](const Result<Admission::Slot>&) {});
  const auto second = admission->wait(loop, [](const Result<Admission::Slot>&) {});
  EXPECT_TRUE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::Overloaded);
}

/// A loop on a thread of its own, whose calls take a slot, hold it for some turns, and count.
struct Worker {
  Worker(Admission& shared, std::atomic<int>& running, int calls) : admission(shared), now(running), left(calls) {
    thread = std::thread([this] {
      loop.post([this] { next(); });
      loop.run();
    });
  }
  ~Worker() {
    if (thread.joinable()) {
      thread.join();
    }
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void next() {
    waiter.reset();
    if (left-- == 0) {
      return loop.stop();
    }
    if (Admission::Slot slot = admission.try_enter()) {
      return hold(std::move(slot));
    }
    waiter = admission.wait(loop, [this](Result<Admission::Slot> slot) { hold(std::move(slot).value()); }).value();
    if (left % 3 == 0) {  // leaves at once, perhaps with a slot on its way
      loop.post([this] { next(); });
      waiter.reset();
    }
  }
  void hold(Admission::Slot slot) {
    most = std::max(most, ++now);
    loop.post([this, held = std::make_shared<Admission::Slot>(std::move(slot))] {
      --now;
      held->release();
      next();
    });
  }

  Admission& admission;
  std::atomic<int>& now;
  int left;
  int most = 0;
  net::Loop loop;
  std::unique_ptr<Admission::Waiter> waiter;
  std::thread thread;
};

TEST(Slots, AreSharedByAllLoops) {
  const auto admission = make(2, 100);
  std::atomic<int> running{0};
  int most = 0;
  {
    std::deque<Worker> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back(*admission, running, 2000);
    }
    for (Worker& worker : workers) {
      worker.thread.join();
      most = std::max(most, worker.most);
    }
  }
  EXPECT_LE(most, 2);
  EXPECT_GE(most, 1);
  EXPECT_EQ(admission->running(), 0U);
  EXPECT_EQ(admission->waiting(), 0U);
}

}  // namespace
}  // namespace trilby::invoke
