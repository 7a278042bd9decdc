/// \file  Writing JSON: problem documents, log lines, `-o json`. Reading it: json_reader.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace trilby {

/// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD, so that the result is
/// always valid.
void append_json_string(std::string& out, std::string_view text);

/// Writes one JSON value into a string, front to back; commas are its business, balance is the caller's.
/// Cost: no allocation beyond the string's growth.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& open_object() { return open('{'); }
  JsonWriter& close_object() { return close('}'); }
  JsonWriter& open_array() { return open('['); }
  JsonWriter& close_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(double number);  ///< NaN and infinities become null
  JsonWriter& value(std::signed_integral auto number) { return integer(static_cast<std::int64_t>(number)); }
  JsonWriter& value(std::unsigned_integral auto number) { return natural(static_cast<std::uint64_t>(number)); }
  JsonWriter& null();

  template <typename T>
  JsonWriter& member(std::string_view name, const T& content) {
    key(name);
    return value(content);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& integer(std::int64_t number);
  JsonWriter& natural(std::uint64_t number);
  void separate();

  std::string& out_;
  bool first_ = true;  // nothing written yet at this level, or a key was just written
};

}  // namespace trilby
