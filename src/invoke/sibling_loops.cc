#include "invoke/sibling_loops.h"

#include <utility>

namespace trilby::invoke {

class SiblingLoops::There final : public Away {
 public:
  There(net::Loop& loop, net::Loop& home, OnOutcome done)
      : loop_(loop), handed_(std::make_shared<HandedCall>(home, std::move(done))) {}
  There(const There&) = delete;
  There& operator=(const There&) = delete;
  ~There() override { There::forget(); }

  void start(AdmittedInvoker& invoker, AdmittedCall call) const {
    // In a shared_ptr, for what is posted can be copied.
    loop_.post([&invoker, handed = handed_, call = std::make_shared<AdmittedCall>(std::move(call))] {
      invoker.start_admitted(std::move(*call), handed->cancellation,
                             [handed](Outcome outcome) { send_home(handed, std::move(outcome)); });
    });
  }

  void forget() override { handed_->done = nullptr; }

  bool cancel(Reason why) override {
    loop_.post([handed = handed_, why] { handed->cancellation->cancel(why); });
    return true;
  }

  bool interrupt() override { return false; }  // nothing that runs there waits in the kernel

 private:
  net::Loop& loop_;
  const std::shared_ptr<HandedCall> handed_;
};

std::size_t SiblingLoops::add(net::Loop& loop, AdmittedInvoker& invoker) {
  places_.emplace_back(loop, invoker);
  return places_.size() - 1;
}

/// Two that choose at once may choose the same: then one of them waits a little longer than it had to.
std::size_t SiblingLoops::choose(std::size_t home) const {
  std::size_t best = home;
  std::uint32_t fewest = calls(home);
  for (std::size_t i = 0; i < places_.size() && fewest > 0; ++i) {
    if (const std::uint32_t there = calls(i); there < fewest) {
      best = i;
      fewest = there;
    }
  }
  return best;
}

std::unique_ptr<Away> SiblingLoops::hand_over(std::size_t to, AdmittedCall call, net::Loop& home, OnOutcome done) {
  Place& place = places_[to];
  auto there = std::make_unique<There>(place.loop, home, std::move(done));
  there->start(place.invoker, std::move(call));
  return there;
}

}  // namespace trilby::invoke
