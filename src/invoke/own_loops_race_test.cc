// Handing calls over, cancelling and forgetting them at any moment, with calls that follow a script and no guest.
#include <algorithm>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "invoke/own_loops.h"
#include "invoke/sibling_loops.h"

namespace trilby::invoke {
namespace {

/// Runs calls as their input says: "end" at once, "post" in a later turn, "wait" until it is told to.
class Scripted final : public AdmittedInvoker {
 public:
  explicit Scripted(net::Loop& loop) : loop_(loop) {}

  void start(const std::shared_ptr<const Function>& /*function*/, Call /*call*/, OnOutcome done) override {
    done(refusal(Reason::Internal));
  }

  void start_admitted(AdmittedCall call, std::shared_ptr<Cancellation> cancellation, OnOutcome done) override {
    EXPECT_TRUE(loop_.in_loop_thread());
    const auto live = live_.insert(live_.end(), {std::move(call), std::move(cancellation), std::move(done)});
    if (live->call.input == "end") {
      return end(live, Reason::Ok);
    }
    live->cancellation->listen([this, live](Reason why) { end(live, why); });
    if (live->call.input == "post") {
      loop_.post([this, id = live->call.id] {
        const auto found =
            std::find_if(live_.begin(), live_.end(), [&](const Live& each) { return each.call.id == id; });
        if (found != live_.end()) {
          end(found, Reason::Ok);
        }
      });
    }
  }

  [[nodiscard]] std::size_t live() const override { return live_.size(); }
  void cancel_all(Reason why) override {
    while (!live_.empty()) {
      end(live_.begin(), why);
    }
  }

 private:
  struct Live {
    AdmittedCall call;
    std::shared_ptr<Cancellation> cancellation;
    OnOutcome done;
  };
  void end(std::list<Live>::iterator live, Reason reason) {
    live->cancellation->listen(nullptr);
    const OnOutcome done = std::move(live->done);
    Outcome outcome = refusal(reason);
    outcome.call_id = live->call.id;
    live_.erase(live);  // gives the slots back
    done(std::move(outcome));
  }

  net::Loop& loop_;
  std::list<Live> live_;
};

/// A loop that hands calls over.
class Home {
 public:
  using HandOver = std::function<std::unique_ptr<Away>(AdmittedCall call, net::Loop& home, OnOutcome done)>;

  Home(HandOver hand_over, std::shared_ptr<Admission> admission, unsigned number)
      : hand_over_(std::move(hand_over)), admission_(std::move(admission)), number_(number) {}

  /// Hands over one call of each script, cancels some and forgets others, again and again, each in a turn of its own.
  void run(int rounds) {
    loop_.post([this, rounds] { begin(rounds); });
    loop_.run();
  }
  [[nodiscard]] std::size_t handed_over() const { return handed_over_; }
  [[nodiscard]] std::size_t ended() const { return ended_; }
  [[nodiscard]] std::size_t gone() const { return gone_; }
  [[nodiscard]] std::size_t forgotten() const { return forgotten_; }

 private:
  struct Held {
    std::unique_ptr<Away> away;
  };

  void begin(int rounds) {
    for (const char* script : {"end", "post", "wait"}) {
      for (const int fate : {0, 1, 2}) {  // left alone, cancelled, forgotten
        const std::list<Held>::iterator held = held_.emplace(held_.end());
        held->away = hand_over_(call(script), loop_, [this, held](const Outcome& outcome) {
          EXPECT_TRUE(loop_.in_loop_thread());
          EXPECT_FALSE(outcome.reason == Reason::Internal);
          ++ended_;
          held_.erase(held);
          stop_if_done();
        });
        decide(held, fate, std::string_view(script) == "wait");
      }
    }
    if (rounds > 1) {
      loop_.post([this, rounds] { begin(rounds - 1); });
    } else {
      last_ = true;
      loop_.post([this] { stop_if_done(); });
    }
  }

  void decide(std::list<Held>::iterator held, int fate, bool waits) {
    if (fate == 2) {
      if (waits) {
        (void)held->away->cancel(Reason::Draining);  // or nobody ever would
      }
      ++forgotten_;
      held_.erase(held);
    } else if (fate == 1 || waits) {
      cancel(held);
    }
  }

  void cancel(std::list<Held>::iterator held) {
    if (!held->away->cancel(Reason::Cancelled)) {
      ++gone_;
      held_.erase(held);
    }
  }

  AdmittedCall call(const char* script) {
    AdmittedCall made{};
    made.id = fmt::format("{}-{}", number_, handed_over_++);
    made.input = script;
    made.app = admission_;
    made.slots[0] = admission_->try_enter();
    EXPECT_TRUE(made.slots[0]);
    return made;
  }

  void stop_if_done() {
    if (last_ && held_.empty()) {
      loop_.stop();
    }
  }

  const HandOver hand_over_;
  const std::shared_ptr<Admission> admission_;
  const unsigned number_;
  net::Loop loop_;
  std::list<Held> held_;
  std::size_t handed_over_ = 0;
  std::size_t ended_ = 0;
  std::size_t gone_ = 0;
  std::size_t forgotten_ = 0;
  bool last_ = false;
};

OwnLoops::MakeInvoker scripted() {
  return [](net::Loop& loop) { return std::make_unique<Scripted>(loop); };
}

Home::HandOver to(OwnLoops& own) {
  return [&own](AdmittedCall call, net::Loop& home, OnOutcome done) {
    return own.hand_over(std::move(call), home, std::move(done));
  };
}

TEST(HandOver, EndsEachCallOnceWhateverBecomesOfIt) {
  const auto admission = std::make_shared<Admission>(Admission::Limits{.concurrency = 100'000});
  std::list<Home> homes;  // outlive what posts to them
  OwnLoops own(3, scripted());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i) {
    threads.emplace_back([&home = homes.emplace_back(to(own), admission, i)] { home.run(300); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Home& home : homes) {
    EXPECT_EQ(home.handed_over(), 2700U);
    EXPECT_EQ(home.ended() + home.gone() + home.forgotten(), home.handed_over());
    EXPECT_EQ(home.forgotten(), 900U);
  }
  own.stop();
  EXPECT_EQ(own.live(), 0U);
  EXPECT_EQ(admission->running(), 0U) << "every slot was given back";
}

TEST(HandOver, MayStopWhileCallsComeAndGo) {
  for (int round = 0; round < 20; ++round) {
    const auto admission = std::make_shared<Admission>(Admission::Limits{.concurrency = 100'000});
    std::list<Home> homes;
    OwnLoops own(2, scripted());
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 2; ++i) {
      threads.emplace_back([&home = homes.emplace_back(to(own), admission, i)] { home.run(30); });
    }
    own.stop();  // what is handed over later ends at once
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_EQ(own.live(), 0U);
    EXPECT_EQ(admission->running(), 0U);
  }
}

TEST(SiblingLoops, EndEachCallOnceWhateverBecomesOfIt) {
  struct Place {
    net::Loop loop;
    Scripted invoker{loop};
    std::thread thread{[this] { loop.run(); }};
  };
  const auto admission = std::make_shared<Admission>(Admission::Limits{.concurrency = 100'000});
  std::list<Home> homes;
  SiblingLoops siblings;
  std::list<Place> places(2);
  for (Place& place : places) {
    siblings.add(place.loop, place.invoker);
  }
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i) {
    const auto hand_over = [&siblings, i](AdmittedCall call, net::Loop& home, OnOutcome done) {
      const std::size_t place = siblings.choose(i % 2);
      call.load = siblings.load(place);
      return siblings.hand_over(place, std::move(call), home, std::move(done));
    };
    threads.emplace_back([&home = homes.emplace_back(hand_over, admission, i)] { home.run(300); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Home& home : homes) {
    EXPECT_EQ(home.ended() + home.forgotten(), 2700U);
  }
  for (Place& place : places) {
    place.loop.post([&] { place.loop.stop(); });  // behind what was handed over
    place.thread.join();
  }
  EXPECT_EQ(admission->running(), 0U) << "every slot was given back";
  EXPECT_EQ(siblings.calls(0) + siblings.calls(1), 0U);
}

}  // namespace
}  // namespace trilby::invoke
