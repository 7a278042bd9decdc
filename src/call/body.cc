#include "call/body.h"

#include <utility>

namespace trilby {
namespace {

class BufferedBody final : public BodySource {
 public:
  explicit BufferedBody(std::string bytes) : bytes_(std::move(bytes)), length_(bytes_.size()) {}

  void read(OnChunk on_chunk) override { on_chunk(Chunk{std::move(bytes_), true}); }
  [[nodiscard]] std::optional<std::string> take_ready() override { return std::move(bytes_); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  std::string bytes_;
  std::uint64_t length_;
};

/// Collects chunks. Sources may answer inside read(), so it loops instead of recursing: a long buffered body must not
/// deepen the stack.
class Collector final : public std::enable_shared_from_this<Collector> {
 public:
  Collector(std::unique_ptr<BodySource> body, Bytes limit, std::function<void(Result<std::string>)> done)
      : body_(std::move(body)), limit_(limit), done_(std::move(done)) {}

  void start() {
    if (body_->length().value_or(0) > limit_.count) {
      return finish(too_large());
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
    if (collected_.empty()) {
      collected_ = std::move(chunk->bytes);
    } else {
      collected_ += chunk->bytes;
    }
    if (chunk->last) {
      return finish(std::move(collected_));
    }
    arrived_ = true;
    if (!inside_read_) {
      pull();
    }
  }

  [[nodiscard]] Result<std::string> too_large() const {
    return fail(Reason::BodyTooLarge, "the body is over its limit of {}", format(limit_));
  }

  void finish(Result<std::string> result) { std::exchange(done_, nullptr)(std::move(result)); }

  std::unique_ptr<BodySource> body_;
  Bytes limit_;
  std::function<void(Result<std::string>)> done_;
  std::string collected_;
  bool inside_read_ = false;
  bool arrived_ = false;
};

}  // namespace

std::unique_ptr<BodySource> make_body(std::string bytes) {
  return std::make_unique<BufferedBody>(std::move(bytes));
}

std::shared_ptr<void> read_all(std::unique_ptr<BodySource> body, Bytes limit,
                               std::function<void(Result<std::string>)> done) {
  auto collector = std::make_shared<Collector>(std::move(body), limit, std::move(done));
  collector->start();
  return collector;
}

}  // namespace trilby
