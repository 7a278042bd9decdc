#include "base/text_template.h"

#include <algorithm>

#include "base/text.h"

namespace trilby {
namespace {

constexpr std::size_t kMaxName = 100;
constexpr std::size_t kMaxKeyValue = 256;
constexpr std::size_t kMaxTextValue = 1024;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

/// \return what is wrong with a value; empty when nothing is
std::string_view value_defect(TextTemplate::Use use, std::string_view value) {
  if (use == TextTemplate::Use::Text) {
    const bool is_plain = is_utf8(value) && !has_control_characters(value);
    return !is_plain                      ? "has control characters, or is no UTF-8"
           : value.size() > kMaxTextValue ? "has more than 1024 bytes"
                                          : "";
  }
  if (value.empty()) {
    return "is empty";
  }
  if (value.size() > kMaxKeyValue) {
    return "has more than 256 bytes";
  }
  return !std::all_of(value.begin(), value.end(), is_key_character)
             ? "has something else than letters, digits and -._~:@+=,"
             : (value.find("..") != std::string_view::npos ? "has two points in a row" : "");
}

/// Whether a value brings a second point to one that is there, as "." does in ".{CE_ID}".
bool meet(std::string_view before, std::string_view value) {
  return before.ends_with('.') && value.starts_with('.');
}

}  // namespace

Result<TextTemplate> TextTemplate::parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return fail(Reason::Manifest, "has {} bytes; the most is {}", text.size(), kMaxBytes);
  }
  TextTemplate made;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      made.texts_.back() += c;
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == c) {
      made.texts_.back() += c;
      ++at;
      continue;
    }
    const std::size_t end = c == '{' ? text.find('}', at) : std::string_view::npos;
    const std::string_view name =
        end == std::string_view::npos ? std::string_view() : text.substr(at + 1, end - at - 1);
    if (!is_name(name)) {
      return fail(Reason::Manifest,
                  "\"{}\" has a brace that belongs to no name; write names as in {{CE_ID}}, and a brace itself twice",
                  text);
    }
    if (made.names_.size() == kMaxNames) {
      return fail(Reason::Manifest, "has more than {} names", kMaxNames);
    }
    made.names_.emplace_back(name);
    made.texts_.emplace_back();
    at = end;
  }
  return made;
}

Result<std::string> TextTemplate::fill(Use use,
                                       const std::function<const std::string*(std::string_view)>& value_of) const {
  std::string out = texts_.front();
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::string* value = value_of(names_[i]);
    if (value == nullptr) {
      return fail(Reason::BadRequest, "{} is needed, and the event has none", names_[i]);
    }
    if (const std::string_view defect = value_defect(use, *value); !defect.empty()) {
      return fail(Reason::BadRequest, "{} {}", names_[i], defect);
    }
    if (use == Use::Key && (meet(out, *value) || meet(*value, texts_[i + 1]))) {
      return fail(Reason::BadRequest, "{} makes two points in a row", names_[i]);
    }
    out += *value;
    out += texts_[i + 1];
  }
  return out;
}

}  // namespace trilby
