#include "app/manifest_document.h"

#define TOML_MAX_NESTED_VALUES 16
#include <algorithm>
#include <optional>
#include <tuple>

#include <toml++/toml.h>

#include "base/text.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxTextBytes = 1U << 20U;
constexpr std::size_t kMaxKeyParts = 8;

struct Defect {
  std::size_t at;  // byte of the text
  std::string_view message;
};

/// Looks for what the library does not survive: it bounds how deep values nest but not the parts of a dotted key, over
/// which its destructor recurses; and it runs into undefined behaviour on letters that are not ASCII where only ASCII
/// may stand (toml++ 3.3, is_non_ascii_horizontal_whitespace). Both stop at the first error, and agree on everything
/// before it.
class Guard {
 public:
  explicit Guard(std::string_view text) : text_(text), at_(text.starts_with("\xEF\xBB\xBF") ? 3 : 0) {}

  std::optional<Defect> find() {
    // A quote that follows anything else is an error, and the library looks past it for the end of the value.
    constexpr std::string_view kBeforeString = "\n=,[{.";
    char previous = '\n';
    std::size_t dots = 0;
    while (at_ < text_.size() && !defect_) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        if (kBeforeString.find(previous) == std::string_view::npos) {
          refuse("a quote may not stand here");
        }
        previous = c;
        skip_string(c);
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      if (!ascii(at_)) {
        refuse("letters other than ASCII belong in quotes");
      }
      constexpr std::string_view kBetweenKeys = "\n=,{}[]";
      dots = kBetweenKeys.find(c) != std::string_view::npos ? 0 : dots + (c == '.' ? 1 : 0);
      if (dots >= kMaxKeyParts) {
        refuse("a key has too many parts; the most is 8");
      }
      if (c != ' ' && c != '\t' && c != '\r') {
        previous = c;
      }
      ++at_;
    }
    return defect_;
  }

 private:
  [[nodiscard]] bool ascii(std::size_t at) const { return static_cast<unsigned char>(text_[at]) < 0x80; }
  void refuse(std::string_view message) {
    if (!defect_) {
      defect_ = Defect{at_, message};
    }
  }

  void skip_string(char quote) {
    const std::string_view fence = quote == '"' ? R"(""")" : "'''";
    const bool multi_line = text_.substr(at_, 3) == fence;
    at_ += multi_line ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        skip_escape(multi_line);
      } else if (multi_line && text_.substr(at_, 3) == fence) {
        at_ += 3;
        // Up to two quotes may stand before the closing three.
        for (int more = 0; more < 2 && at_ < text_.size() && text_[at_] == quote; ++more) {
          ++at_;
        }
        return;
      } else if (!multi_line && (text_[at_] == quote || text_[at_] == '\n')) {
        at_ += text_[at_] == quote ? 1 : 0;
        return;
      } else {
        ++at_;
      }
    }
  }

  void skip_escape(bool multi_line) {
    const std::size_t after = at_ + 1;
    const std::size_t next = multi_line ? std::min(text_.find_first_not_of(" \t\r\n", after), text_.size()) : after;
    if (multi_line && next < text_.size() && !ascii(next)) {
      refuse("a letter other than ASCII may not follow a line-ending backslash");
    }
    at_ = next > after ? next : std::min(after + 1, text_.size());
  }

  std::string_view text_;
  std::size_t at_;
  std::optional<Defect> defect_;
};

DocumentNode convert(const toml::node& node, std::string_view key) {
  using Kind = DocumentNode::Kind;
  DocumentNode out;
  out.key = key;
  out.line = node.source().begin.line;
  if (const auto* text = node.as_string()) {
    out.kind = Kind::Text;
    out.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = Kind::Integer;
    out.integer = integer->get();
  } else if (const auto* flag = node.as_boolean()) {
    out.kind = Kind::Flag;
    out.flag = flag->get();
  } else if (const auto* list = node.as_array()) {
    out.kind = Kind::List;
    for (const toml::node& item : *list) {
      out.children.push_back(convert(item, {}));
    }
  } else if (const auto* table = node.as_table()) {
    out.kind = Kind::Table;
    for (auto&& [name, value] : *table) {
      out.children.push_back(convert(value, name.str()));
      if (out.children.back().line == 0) {
        out.children.back().line = name.source().begin.line;
      }
    }
    std::sort(out.children.begin(), out.children.end(), [](const DocumentNode& a, const DocumentNode& b) {
      return std::tie(a.line, a.key) < std::tie(b.line, b.key);
    });
  } else {
    out.kind = node.is_floating_point() ? Kind::Real : Kind::Time;
  }
  return out;
}

}  // namespace

Result<DocumentNode> parse_document(std::string_view text, std::string_view file) {
  if (text.size() > kMaxTextBytes) {
    return fail(Reason::Manifest, "{}: {} bytes are too much for a manifest; the most is 1MiB", file, text.size());
  }
  if (const auto defect = Guard(text).find()) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(defect->at);
    return fail(Reason::Manifest, "{}:{}: {}", file, 1 + std::count(text.begin(), end, '\n'), defect->message);
  }
  try {
    return convert(toml::parse(text), {});
  } catch (const toml::parse_error& error) {
    return fail(Reason::Manifest, "{}:{}: {}", file, error.source().begin.line,
                printable_line(error.description(), 300));
  }
}

}  // namespace trilby::app
