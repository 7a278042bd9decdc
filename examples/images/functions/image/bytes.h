/// \file  Bytes on the heap. A guest has no exceptions, so running out of memory is a value here too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

namespace image {

using Bytes = std::span<const std::uint8_t>;

/// Owns a block from malloc. The bytes start uninitialised, so that memory nobody writes is never touched.
class Buffer {
 public:
  Buffer() = default;

  /// \return a buffer of that size, or one that is false when there is no memory
  [[nodiscard]] static Buffer allocate(std::size_t size) {
    return adopt(static_cast<std::uint8_t*>(std::malloc(size == 0 ? 1 : size)), size);
  }
  /// Takes over a block that malloc gave, or null.
  [[nodiscard]] static Buffer adopt(std::uint8_t* block, std::size_t size) {
    Buffer buffer;
    buffer.block_.reset(block);
    buffer.size_ = block == nullptr ? 0 : size;
    return buffer;
  }

  /// Keeps what is there up to the smaller size. \return false when there is no memory; nothing has changed then
  [[nodiscard]] bool resize(std::size_t size) {
    void* const block = std::realloc(block_.get(), size == 0 ? 1 : size);
    if (block == nullptr) {
      return false;
    }
    static_cast<void>(block_.release());
    block_.reset(static_cast<std::uint8_t*>(block));
    size_ = size;
    return true;
  }

  explicit operator bool() const { return block_ != nullptr; }
  [[nodiscard]] std::uint8_t* data() { return block_.get(); }
  [[nodiscard]] const std::uint8_t* data() const { return block_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  operator Bytes() const {
    return {block_.get(), size_};
  }  // NOLINT(google-explicit-constructor): a buffer is its bytes

 private:
  struct Free {
    void operator()(std::uint8_t* block) const { std::free(block); }
  };
  std::unique_ptr<std::uint8_t, Free> block_;
  std::size_t size_ = 0;
};

}  // namespace image
