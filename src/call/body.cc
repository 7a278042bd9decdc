#include "call/body.h"

#include <algorithm>
#include <utility>

namespace trilby {
namespace {

/// Gives a large body in pieces, so that who measures them knows how far it came. A small one is not copied.
class BufferedBody final : public BodySource {
  static constexpr std::size_t kPiece = 256 * 1024;

 public:
  BufferedBody(std::string bytes, BodyBudget::Share share)
      : bytes_(std::move(bytes)), length_(bytes_.size()), share_(std::move(share)) {}

  void read(OnChunk on_chunk) override {
    if (length_ <= kPiece) {
      return on_chunk(Chunk{std::move(bytes_), true});
    }
    Chunk piece{bytes_.substr(given_, kPiece), false};
    given_ += piece.bytes.size();
    piece.last = given_ == length_;
    on_chunk(std::move(piece));
  }
  [[nodiscard]] std::optional<std::string> take_ready() override { return std::move(bytes_); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  std::string bytes_;
  std::uint64_t length_;
  std::size_t given_ = 0;
  BodyBudget::Share share_;  // whoever took the bytes keeps the body until it is done with them
};

/// Collects chunks. Sources may answer inside read(), so it loops instead of recursing: a long buffered body must not
/// deepen the stack.
class Collector final : public std::enable_shared_from_this<Collector> {
 public:
  Collector(std::unique_ptr<BodySource> body, Bytes limit, BodyBudget::Share share,
            std::function<void(Result<WholeBody>)> done)
      : body_(std::move(body)), limit_(limit), share_(std::move(share)), done_(std::move(done)) {}

  void start() {
    const std::uint64_t announced = body_->length().value_or(0);
    if (announced > limit_.count) {
      return finish(too_large());
    }
    if (!share_.has_room(announced)) {
      return finish(no_room());
    }
    pull();
  }

 private:
  void pull() {
    const std::shared_ptr<Collector> self = shared_from_this();  // `done` may drop the last handle
    do {
      arrived_ = false;
      inside_read_ = true;
      body_->read([weak = weak_from_this()](Result<BodySource::Chunk> chunk) {
        if (const auto collector = weak.lock()) {
          collector->take(std::move(chunk));
        }
      });
      inside_read_ = false;
    } while (arrived_ && done_);
  }

  void take(Result<BodySource::Chunk> chunk) {
    if (!chunk) {
      return finish(fail(std::move(chunk).error()));
    }
    if (chunk->bytes.size() > limit_.count - collected_.size()) {
      return finish(too_large());
    }
    if (!append(std::move(chunk->bytes))) {
      return finish(no_room());
    }
    if (chunk->last) {
      return finish(WholeBody{std::move(collected_), std::move(share_)});
    }
    arrived_ = true;
    if (!inside_read_) {
      pull();
    }
  }

  /// \return false when there is no room
  [[nodiscard]] bool append(std::string bytes) {
    if (collected_.empty()) {
      collected_ = std::move(bytes);
      return share_.resize(collected_.capacity());
    }
    const std::size_t held = collected_.capacity();
    const std::size_t needed = collected_.size() + bytes.size();
    if (needed > held) {
      // Doubled, so that a body is copied twice on the whole; but not beyond what can still come.
      const std::uint64_t most = std::max<std::uint64_t>(body_->length().value_or(limit_.count), needed);
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(needed, 2 * held), most));
      if (!share_.resize(held + wanted)) {  // both are there while it is copied
        return false;
      }
      std::string larger;  // a string that grows by itself takes as much as it likes
      larger.reserve(wanted);
      larger += collected_;
      collected_ = std::move(larger);
    }
    collected_ += bytes;
    return share_.resize(collected_.capacity());
  }

  [[nodiscard]] Result<WholeBody> too_large() const {
    return fail(Reason::BodyTooLarge, "the body is over its limit of {}", format(limit_));
  }
  [[nodiscard]] static Result<WholeBody> no_room() {
    return fail(Reason::Overloaded, "the bodies that are being read take all the memory they may");
  }

  void finish(Result<WholeBody> result) { std::exchange(done_, nullptr)(std::move(result)); }

  std::unique_ptr<BodySource> body_;
  Bytes limit_;
  BodyBudget::Share share_;
  std::function<void(Result<WholeBody>)> done_;
  std::string collected_;
  bool inside_read_ = false;
  bool arrived_ = false;
};

}  // namespace

std::unique_ptr<BodySource> make_body(std::string bytes, BodyBudget::Share share) {
  return std::make_unique<BufferedBody>(std::move(bytes), std::move(share));
}

std::shared_ptr<void> read_all(std::unique_ptr<BodySource> body, Bytes limit, BodyBudget::Share share,
                               std::function<void(Result<WholeBody>)> done) {
  auto collector = std::make_shared<Collector>(std::move(body), limit, std::move(share), std::move(done));
  collector->start();
  return collector;
}

std::shared_ptr<void> read_all(std::unique_ptr<BodySource> body, Bytes limit,
                               std::function<void(Result<std::string>)> done) {
  return read_all(std::move(body), limit, BodyBudget::Share(), [done = std::move(done)](Result<WholeBody> whole) {
    done(std::move(whole).map([](WholeBody&& read) { return std::move(read.bytes); }));
  });
}

}  // namespace trilby
