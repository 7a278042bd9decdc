#include "base/json_reader.h"

#include <algorithm>
#include <map>
#include <optional>
#include <system_error>

#include "base/number.h"
#include "base/text.h"

namespace trilby {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Walks through a text of which nothing is known. Nesting is a list of open brackets and not recursion: the depth of
/// what others write must not be ours.
class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  /// \return what is wrong, at position(); empty when nothing is
  std::string_view check() {
    for (;;) {
      skip_blanks();
      if (expected_ == Expected::Next && open_.empty()) {
        return at_ == text_.size() ? "" : "something follows the value";
      }
      if (at_ == text_.size()) {
        return "the text ends too early";
      }
      if (const std::string_view wrong = step(); !wrong.empty()) {
        return wrong;
      }
    }
  }
  [[nodiscard]] std::size_t position() const { return at_; }

 private:
  enum class Expected : std::uint8_t { Value, ValueOrEnd, Key, KeyOrEnd, Next };

  std::string_view step() {
    const char c = text_[at_];
    switch (expected_) {
      case Expected::ValueOrEnd:
        if (c == ']') {
          return close();
        }
        [[fallthrough]];
      case Expected::Value:
        return value(c);
      case Expected::KeyOrEnd:
        if (c == '}') {
          return close();
        }
        [[fallthrough]];
      case Expected::Key:
        return key(c);
      case Expected::Next:
        break;
    }
    const bool in_object = open_.back() == '{';
    if (c == ',') {
      ++at_;
      expected_ = in_object ? Expected::Key : Expected::Value;
      return {};
    }
    return c == (in_object ? '}' : ']') ? close() : std::string_view("a comma or the end is missing");
  }

  std::string_view close() {
    ++at_;
    open_.pop_back();
    expected_ = Expected::Next;
    return {};
  }

  std::string_view value(char c) {
    if (c == '{' || c == '[') {
      if (open_.size() == kMaxJsonDepth) {
        return "it is nested too deep";
      }
      ++at_;
      open_ += c;
      expected_ = c == '{' ? Expected::KeyOrEnd : Expected::ValueOrEnd;
      return {};
    }
    expected_ = Expected::Next;
    if (c == '"') {
      return string();
    }
    if (c == '-' || is_digit(c)) {
      return number();
    }
    for (const std::string_view word : {"true", "false", "null"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return {};
      }
    }
    return "this begins no value";
  }

  std::string_view key(char c) {
    if (c != '"') {
      return "a name is missing";
    }
    if (const std::string_view wrong = string(); !wrong.empty()) {
      return wrong;
    }
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != ':') {
      return "a colon is missing";
    }
    ++at_;
    expected_ = Expected::Value;
    return {};
  }

  std::string_view string() {
    for (++at_; at_ < text_.size();) {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte == '"') {
        ++at_;
        return {};
      }
      if (byte == '\\') {
        if (!escape()) {
          return "there is no such escape";
        }
      } else if (byte < 0x20) {
        return "a control character stands in a text";
      } else if (byte < 0x80) {
        ++at_;
      } else if (const std::size_t length = utf8_sequence_length(text_.substr(at_)); length > 0) {
        at_ += length;
      } else {
        return "this is no UTF-8";
      }
    }
    return "a text has no end";
  }

  bool escape() {
    const std::string_view rest = text_.substr(at_ + 1);
    if (rest.empty()) {
      return false;
    }
    if (rest[0] != 'u') {
      at_ += 2;
      return std::string_view("\"\\/bfnrt").find(rest[0]) != std::string_view::npos;
    }
    for (std::size_t i = 1; i <= 4; ++i) {
      if (i >= rest.size() || !hex_digit(rest[i])) {
        return false;
      }
    }
    at_ += 6;
    return true;
  }

  std::string_view number() {
    at_ += text_[at_] == '-' ? 1 : 0;
    const std::size_t whole = digits();
    if (whole == 0 || (whole > 1 && text_[at_ - whole] == '0')) {
      return "this is no number";
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (digits() == 0) {
        return "this is no number";
      }
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      at_ += at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-') ? 1 : 0;
      if (digits() == 0) {
        return "this is no number";
      }
    }
    return {};
  }

  /// \return how many there are
  std::size_t digits() {
    const std::size_t first = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) {
      ++at_;
    }
    return at_ - first;
  }

  void skip_blanks() { at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size()); }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string open_;  // the brackets we are in
  Expected expected_ = Expected::Value;
};

// --- of texts that are checked ---

/// Where the string ends that begins at `at`.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at) {
    at += text[at] == '\\' ? 1 : 0;
  }
  return at + 1;
}

std::size_t end_of_value(std::string_view text, std::size_t at) {
  if (text[at] != '{' && text[at] != '[') {
    return text[at] == '"' ? end_of_string(text, at) : std::min(text.find_first_of(" \t\r\n,]}", at), text.size());
  }
  for (std::size_t depth = 0;;) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return at;
    }
  }
}

unsigned code_unit(std::string_view four_digits) {
  unsigned unit = 0;
  for (const char c : four_digits) {
    unit = unit * 16 + hex_digit(c).value_or(0);
  }
  return unit;
}

void append_utf8(std::string& out, unsigned code) {
  const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  const auto put_rest = [&](unsigned shift) { put(0x80U | ((code >> shift) & 0x3FU)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U));
    put_rest(0);
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put_rest(6);
    put_rest(0);
  } else {
    put(0xF0U | (code >> 18U));
    put_rest(12);
    put_rest(6);
    put_rest(0);
  }
}

/// Decodes the escape that `rest` begins with. \return how much of `rest` that was
std::size_t append_escape(std::string& out, std::string_view rest) {
  constexpr std::string_view kLetters = "bfnrt";
  constexpr std::string_view kMeant = "\b\f\n\r\t";
  const char c = rest[1];
  if (c != 'u') {
    const std::size_t letter = kLetters.find(c);
    out += letter == std::string_view::npos ? c : kMeant[letter];
    return 2;
  }
  const unsigned first = code_unit(rest.substr(2, 4));
  if (first < 0xD800 || first > 0xDFFF) {
    append_utf8(out, first);
    return 6;
  }
  if (first < 0xDC00 && rest.substr(6, 2) == "\\u") {
    if (const unsigned second = code_unit(rest.substr(8, 4)); second >= 0xDC00 && second <= 0xDFFF) {
      append_utf8(out, 0x10000 + ((first - 0xD800) << 10U) + (second - 0xDC00));
      return 12;
    }
  }
  append_utf8(out, 0xFFFD);
  return 6;
}

/// \param quoted  with its quotes
std::string decode(std::string_view quoted) {
  const std::string_view inside = quoted.substr(1, quoted.size() - 2);
  std::string out;
  out.reserve(inside.size());
  for (std::size_t at = 0; at < inside.size();) {
    const std::size_t escape = std::min(inside.find('\\', at), inside.size());
    out.append(inside.substr(at, escape - at));
    at = escape;
    if (at < inside.size()) {
      at += append_escape(out, inside.substr(at));
    }
  }
  return out;
}

}  // namespace

JsonValue::Kind JsonValue::kind() const {
  switch (raw_.front()) {
    case '{':
      return Kind::Object;
    case '[':
      return Kind::List;
    case '"':
      return Kind::Text;
    case 't':
    case 'f':
      return Kind::Flag;
    case 'n':
      return Kind::Null;
    default:
      return Kind::Number;
  }
}

std::string JsonValue::text() const {
  return kind() == Kind::Text ? decode(raw_) : std::string();
}

Result<JsonValue> parse_json(std::string_view text) {
  Checker checker(text);
  if (const std::string_view wrong = checker.check(); !wrong.empty()) {
    return fail(Reason::BadRequest, "at byte {}: {}", checker.position(), wrong);
  }
  const std::size_t first = text.find_first_not_of(kBlanks);
  return JsonValue(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

bool JsonCursor::next() {
  if (rest_.empty() || (rest_.front() != '{' && rest_.front() != '[' && rest_.front() != ',')) {
    return false;
  }
  const bool first = rest_.front() != ',';
  in_object_ = first ? rest_.front() == '{' : in_object_;
  std::size_t at = rest_.find_first_not_of(kBlanks, 1);
  if (first && (rest_[at] == '}' || rest_[at] == ']')) {
    rest_ = {};
    return false;
  }
  if (in_object_) {
    const std::size_t end = end_of_string(rest_, at);
    key_ = rest_.substr(at, end - at);
    at = rest_.find_first_not_of(kBlanks, rest_.find(':', end) + 1);
  }
  const std::size_t end = end_of_value(rest_, at);
  value_ = rest_.substr(at, end - at);
  rest_.remove_prefix(rest_.find_first_not_of(kBlanks, end));
  return true;
}

std::string JsonCursor::key() const {
  return key_.empty() ? std::string() : decode(key_);
}

namespace {

std::optional<double> number_of(const JsonValue& value) {
  return parse_number<double>(value.raw());
}

bool is_same(const JsonValue& a, const JsonValue& b, std::size_t depth);

bool are_same_lists(const JsonValue& a, const JsonValue& b, std::size_t depth) {
  JsonCursor left(a);
  JsonCursor right(b);
  for (;;) {
    const bool more = left.next();
    if (more != right.next()) {
      return false;
    }
    if (!more) {
      return true;
    }
    if (!is_same(left.value(), right.value(), depth)) {
      return false;
    }
  }
}

bool are_same_objects(const JsonValue& a, const JsonValue& b, std::size_t depth) {
  const auto members_of = [](const JsonValue& object) {
    std::map<std::string, JsonValue> members;
    for (JsonCursor cursor(object); cursor.next();) {
      members.insert_or_assign(cursor.key(), cursor.value());
    }
    return members;
  };
  const auto left = members_of(a);
  const auto right = members_of(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [&](const auto& one, const auto& other) {
    return one.first == other.first && is_same(one.second, other.second, depth);
  });
}

bool is_same(const JsonValue& a, const JsonValue& b, std::size_t depth) {
  if (a.kind() != b.kind() || depth > kMaxComparedDepth) {
    return false;
  }
  switch (a.kind()) {
    case JsonValue::Kind::Text:
      return a.text() == b.text();
    case JsonValue::Kind::Number: {
      const auto number = number_of(a);
      return number && number == number_of(b);
    }
    case JsonValue::Kind::List:
      return are_same_lists(a, b, depth + 1);
    case JsonValue::Kind::Object:
      return are_same_objects(a, b, depth + 1);
    case JsonValue::Kind::Null:
    case JsonValue::Kind::Flag:
      break;
  }
  return a.raw() == b.raw();
}

}  // namespace

std::optional<JsonValue> find_member(const JsonValue& value, std::string_view name) {
  std::optional<JsonValue> found;
  if (value.kind() == JsonValue::Kind::Object) {
    for (JsonCursor member(value); member.next();) {
      if (member.key() == name) {
        found = member.value();
      }
    }
  }
  return found;
}

bool is_same_json(const JsonValue& a, const JsonValue& b) {
  return is_same(a, b, 0);
}

}  // namespace trilby
