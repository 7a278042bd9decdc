/// \file  Reading JSON from outside (RFC 8259): a text is checked once as a whole, then walked where it lies, so that
/// what is passed on is passed on as it was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trilby {

inline constexpr std::size_t kMaxJsonDepth = 1000;  ///< of lists and objects in each other

/// A value in a text that parse_json() has checked. Ownership: a view; the text outlives it. Threading: immutable.
class JsonValue {
 public:
  enum class Kind : std::uint8_t { Null, Flag, Number, Text, List, Object };

  [[nodiscard]] Kind kind() const;
  [[nodiscard]] std::string_view raw() const { return raw_; }  ///< as it is written, without blanks around it
  /// Of Kind::Text, decoded. UTF-8; a surrogate without its other half becomes U+FFFD.
  [[nodiscard]] std::string text() const;

 private:
  friend class JsonCursor;
  friend Result<JsonValue> parse_json(std::string_view text);
  explicit JsonValue(std::string_view raw) : raw_(raw) {}

  std::string_view raw_;
};

/// Checks a whole text. Strict: UTF-8 without a byte order mark, nothing behind the value, no more than kMaxJsonDepth
/// deep. Names in an object may repeat; who reads them decides what that means. Cost: linear; no allocation but for the
/// depth.
/// \return Reason::BadRequest with "at byte N: what is wrong"
[[nodiscard]] Result<JsonValue> parse_json(std::string_view text);

/// The last member of that name. \return nothing when there is none, or `value` is no object
[[nodiscard]] std::optional<JsonValue> find_member(const JsonValue& value, std::string_view name);

/// Whether two values mean the same: objects whatever the order of their members, of which the last of a name counts;
/// numbers as doubles, and those that none can hold are like no other. Nor are values that are nested deeper than
/// kMaxComparedDepth.
[[nodiscard]] bool is_same_json(const JsonValue& a, const JsonValue& b);
inline constexpr std::size_t kMaxComparedDepth = 64;

/// Goes through the members of an object or the values of a list, in their order. `while (cursor.next()) ...`
class JsonCursor {
 public:
  explicit JsonCursor(const JsonValue& container) : rest_(container.raw_) {}

  [[nodiscard]] bool next();              ///< \return false at the end
  [[nodiscard]] std::string key() const;  ///< of an object's member, decoded
  [[nodiscard]] JsonValue value() const { return JsonValue(value_); }

 private:
  std::string_view rest_;  // from the bracket or comma before the next one
  bool in_object_ = false;
  std::string_view key_;
  std::string_view value_;
};

}  // namespace trilby
