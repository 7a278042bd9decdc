/// \file  Bodies that behave as a test says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "call/body.h"
#include "net/loop.h"

namespace trilby::http {

/// A body that gives scripted pieces, each on a later turn of the loop; then an end, or an error.
class ScriptedBody final : public BodySource {
 public:
  struct Script {
    std::deque<std::string> pieces{};
    std::optional<std::uint64_t> length{};
    bool fails = false;
  };
  ScriptedBody(net::Loop& loop, Script script) : loop_(loop), script_(std::move(script)) {}

  void read(OnChunk on_chunk) override {
    loop_.post([this, alive = std::weak_ptr(alive_), on_chunk = std::move(on_chunk)] {
      if (alive.expired()) {
        return;
      }
      if (script_.pieces.empty()) {
        return script_.fails ? on_chunk(fail(Reason::Internal, "scripted")) : on_chunk(Chunk{"", true});
      }
      std::string piece = std::move(script_.pieces.front());
      script_.pieces.pop_front();
      on_chunk(Chunk{std::move(piece), false});
    });
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return script_.length; }

 private:
  net::Loop& loop_;
  Script script_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

/// A body without end.
class EndlessBody final : public BodySource {
 public:
  void read(OnChunk on_chunk) override { on_chunk(Chunk{std::string(100'000, 'x'), false}); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }
};

/// The same, and says how much of it was asked for.
class CountingBody final : public BodySource {
 public:
  explicit CountingBody(std::size_t& given) : given_(given) {}
  void read(OnChunk on_chunk) override {
    constexpr std::size_t kPiece = 100'000;
    given_ += kPiece;
    on_chunk(Chunk{std::string(kPiece, 'x'), false});
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  std::size_t& given_;
};

/// 16 MiB in small pieces that are there at once. Says how much of them the first turn of the loop asked for.
class PiecesOfOneTurn final : public BodySource {
 public:
  static constexpr std::size_t kSize = std::size_t{16} << 20U;
  PiecesOfOneTurn(net::Loop& loop, std::size_t& first_turn) : loop_(loop), first_turn_(first_turn) {}
  void read(OnChunk on_chunk) override {
    constexpr std::size_t kPiece = std::size_t{16} << 10U;
    if (given_ == 0) {
      loop_.post([counting = std::weak_ptr(counting_)] {
        if (const auto here = counting.lock()) {
          *here = false;
        }
      });
    }
    given_ += kPiece;
    if (*counting_) {
      first_turn_ = given_;
    }
    on_chunk(Chunk{std::string(kPiece, 'x'), given_ == kSize});
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return kSize; }

 private:
  net::Loop& loop_;
  std::size_t& first_turn_;
  std::size_t given_ = 0;
  std::shared_ptr<bool> counting_ = std::make_shared<bool>(true);
};

}  // namespace trilby::http
