#include "call/shared_body.h"

#include <utility>

namespace trilby {
namespace {

constexpr std::size_t kPiece = 64U << 10U;

class SharedBody final : public BodySource {
 public:
  explicit SharedBody(SharedBytes bytes) : bytes_(std::move(bytes)) {}

  void read(OnChunk on_chunk) override {
    Chunk piece{bytes_->substr(given_, kPiece), false};
    given_ += piece.bytes.size();
    piece.last = given_ == bytes_->size();
    on_chunk(std::move(piece));
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return bytes_->size(); }

 private:
  SharedBytes bytes_;
  std::size_t given_ = 0;
};

}  // namespace

std::unique_ptr<BodySource> make_shared_body(SharedBytes bytes) {
  return std::make_unique<SharedBody>(std::move(bytes));
}

}  // namespace trilby
