#include "call/body.h"

#include <deque>
#include <optional>

#include <gtest/gtest.h>

namespace trilby {
namespace {

/// Gives scripted chunks, at once or when told to.
class ScriptedBody final : public BodySource {
 public:
  explicit ScriptedBody(std::deque<Result<Chunk>> chunks, bool at_once = true,
                        std::optional<std::uint64_t> length = std::nullopt)
      : chunks_(std::move(chunks)), at_once_(at_once), length_(length) {}
  void read(OnChunk on_chunk) override {
    pending_ = std::move(on_chunk);
    if (at_once_) {
      deliver();
    }
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }
  void deliver() {
    auto chunk = std::move(chunks_.front());
    chunks_.pop_front();
    std::exchange(pending_, nullptr)(std::move(chunk));
  }

 private:
  std::deque<Result<Chunk>> chunks_;
  OnChunk pending_;
  bool at_once_;
  std::optional<std::uint64_t> length_;
};

std::unique_ptr<ScriptedBody> scripted(std::deque<Result<BodySource::Chunk>> chunks, bool at_once = true) {
  return std::make_unique<ScriptedBody>(std::move(chunks), at_once);
}

Result<std::string> collect(std::unique_ptr<BodySource> body, Bytes limit) {
  std::optional<Result<std::string>> got;
  const auto handle = read_all(std::move(body), limit, [&](Result<std::string> result) { got = std::move(result); });
  return got.value();
}

TEST(ReadAll, JoinsChunks) {
  EXPECT_EQ(collect(scripted({BodySource::Chunk{"ab", false}, BodySource::Chunk{"c", true}}), Bytes{3}).value(), "abc");
  EXPECT_EQ(collect(make_body(""), Bytes{0}).value(), "");
}

TEST(ReadAll, StopsAtTheFirstByteOverTheLimit) {
  EXPECT_EQ(
      collect(scripted({BodySource::Chunk{"ab", false}, BodySource::Chunk{"cd", false}}), Bytes{3}).error().reason,
      Reason::BodyTooLarge);
}

TEST(ReadAll, RefusesAKnownLengthBeforeReading) {
  EXPECT_EQ(collect(make_body("abcd"), Bytes{3}).error().reason, Reason::BodyTooLarge);
}

TEST(ReadAll, PassesTheSendersErrorOn) {
  EXPECT_EQ(collect(scripted({BodySource::Chunk{"ab", false}, fail(Reason::RequestTimeout, "slow")}), Bytes{9})
                .error()
                .reason,
            Reason::RequestTimeout);
}

TEST(ReadAll, DoesNotDeepenTheStackWithEveryChunk) {
  std::deque<Result<BodySource::Chunk>> chunks;
  for (int i = 0; i < 200'000; ++i) {
    chunks.emplace_back(BodySource::Chunk{"x", false});
  }
  chunks.emplace_back(BodySource::Chunk{"", true});
  EXPECT_EQ(collect(scripted(std::move(chunks)), Bytes{1'000'000}).value().size(), 200'000U);
}

TEST(ReadAll, IsSilentAfterItsHandleIsGone) {
  auto body = scripted({BodySource::Chunk{"ab", true}}, false);
  bool called = false;
  auto handle = read_all(std::move(body), Bytes{9}, [&](const Result<std::string>&) { called = true; });
  handle.reset();
  EXPECT_FALSE(called);
}

TEST(MakeBody, GivesALargeBodyInPieces) {
  const auto body = make_body(std::string(1'000'000, 'x'));
  std::size_t got = 0;
  int pieces = 0;
  for (bool last = false; !last; ++pieces) {
    body->read([&](Result<BodySource::Chunk> chunk) {
      got += chunk->bytes.size();
      last = chunk->last;
    });
  }
  EXPECT_EQ(got, 1'000'000U);
  EXPECT_GT(pieces, 2);
  EXPECT_EQ(make_body(std::string(1'000'000, 'x'))->take_ready().value().size(), 1'000'000U);
}

constexpr std::size_t kPiece = 10'000;

std::deque<Result<BodySource::Chunk>> pieces(int count) {
  std::deque<Result<BodySource::Chunk>> chunks;
  for (int i = 0; i < count; ++i) {
    chunks.emplace_back(BodySource::Chunk{std::string(kPiece, 'x'), i + 1 == count});
  }
  return chunks;
}

struct Reading {
  Reading(BodyBudget& budget, std::unique_ptr<BodySource> body)
      : handle(read_all(std::move(body), Bytes{1'000'000}, BodyBudget::Share(&budget),
                        [this](Result<WholeBody> whole) { result = std::move(whole); })) {}
  [[nodiscard]] Reason reason() const { return result ? result->error().reason : Reason::Ok; }
  std::optional<Result<WholeBody>> result;  // before the reading, which may end at once
  std::shared_ptr<void> handle;
};

TEST(ReadAll, TakesItsMemoryFromTheBudgetUntilTheBodyIsGone) {
  BodyBudget budget(Bytes{100'000});
  Reading reading(budget, scripted(pieces(3)));
  reading.handle.reset();
  ASSERT_TRUE(reading.result && *reading.result);
  EXPECT_EQ((*reading.result)->bytes.size(), 3 * kPiece);
  EXPECT_EQ(budget.in_use().count, (*reading.result)->bytes.capacity());
  reading.result.reset();
  EXPECT_EQ(budget.in_use(), Bytes{0});
}

TEST(ReadAll, OfABodyOfKnownLengthTakesNoMoreThanThat) {
  BodyBudget budget(Bytes{100'000});
  const Reading reading(budget, std::make_unique<ScriptedBody>(pieces(3), true, 3 * kPiece));
  EXPECT_EQ(budget.in_use().count, 3 * kPiece);
}

TEST(ReadAll, IsOverloadedWhenTheBudgetHasNoRoomForTheNextPiece) {
  BodyBudget budget(Bytes{25'000});
  Reading reading(budget, scripted(pieces(3)));
  EXPECT_EQ(reading.reason(), Reason::Overloaded);
  reading.handle.reset();
  EXPECT_EQ(budget.in_use(), Bytes{0});
}

TEST(ReadAll, RefusesAnAnnouncedLengthThatHasNoRoomBeforeReading) {
  BodyBudget budget(Bytes{25'000});
  const Reading reading(budget, std::make_unique<ScriptedBody>(std::deque<Result<BodySource::Chunk>>(), true, 25'001));
  EXPECT_EQ(reading.reason(), Reason::Overloaded);
}

TEST(ReadAll, OnlyWhatHasComeIsTaken) {
  BodyBudget budget(Bytes{25'000});
  auto body = std::make_unique<ScriptedBody>(pieces(2), false, 2 * kPiece);
  ScriptedBody& sender = *body;
  Reading slow(budget, std::move(body));
  EXPECT_EQ(budget.in_use(), Bytes{0}) << "an announcement is not a body";
  sender.deliver();
  EXPECT_EQ(budget.in_use().count, kPiece);
  slow.handle.reset();
  EXPECT_EQ(budget.in_use(), Bytes{0}) << "an abandoned body gives back what it took";
}

}  // namespace
}  // namespace trilby
