/// \file  A value, or the words that say why there is none.
#pragma once
#include <string>
#include <utility>
#include <variant>

namespace image {

/// Why a picture is refused: one sentence, without a full stop, for the person who sent it.
struct Refusal {
  std::string words;
};

inline Refusal out_of_memory() {
  return {"the picture is too large for the memory that this function may use"};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}            // NOLINT(google-explicit-constructor): return value;
  Result(Refusal refusal) : content_(std::move(refusal)) {}  // NOLINT(google-explicit-constructor): return refusal;

  explicit operator bool() const { return content_.index() == 0; }
  /// Only when the result is true.
  T& operator*() { return *std::get_if<T>(&content_); }
  const T& operator*() const { return *std::get_if<T>(&content_); }
  T* operator->() { return std::get_if<T>(&content_); }
  const T* operator->() const { return std::get_if<T>(&content_); }
  /// Only when the result is false.
  [[nodiscard]] const Refusal& refusal() const { return *std::get_if<Refusal>(&content_); }

 private:
  std::variant<T, Refusal> content_;
};

/// The value of what either worked or was refused.
using Done = std::monostate;

}  // namespace image
