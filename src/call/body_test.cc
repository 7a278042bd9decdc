#include "call/body.h"

#include <deque>
#include <optional>

#include <gtest/gtest.h>

namespace trilby {
namespace {

/// Gives scripted chunks, at once or when told to.
class ScriptedBody final : public BodySource {
 public:
  explicit ScriptedBody(std::deque<Result<Chunk>> chunks, bool at_once = true)
      : chunks_(std::move(chunks)), at_once_(at_once) {}
  void read(OnChunk on_chunk) override {
    pending_ = std::move(on_chunk);
    if (at_once_) {
      deliver();
    }
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }
  void deliver() {
    auto chunk = std::move(chunks_.front());
    chunks_.pop_front();
    std::exchange(pending_, nullptr)(std::move(chunk));
  }

 private:
  std::deque<Result<Chunk>> chunks_;
  OnChunk pending_;
  bool at_once_;
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

}  // namespace
}  // namespace trilby
