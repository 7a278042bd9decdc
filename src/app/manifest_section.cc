#include "app/manifest_section.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include <fmt/ranges.h>

#include "base/text.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxProblems = 20;
constexpr std::size_t kMaxProblemBytes = 500;
constexpr std::size_t kMaxNameBytes = 63;

std::string_view describe(DocumentNode::Kind kind) {
  switch (kind) {
    case DocumentNode::Kind::Text:
      return "a text";
    case DocumentNode::Kind::Integer:
      return "a number";
    case DocumentNode::Kind::Real:
      return "a number with a point";
    case DocumentNode::Kind::Flag:
      return "true or false";
    case DocumentNode::Kind::Time:
      return "a date or time";
    case DocumentNode::Kind::List:
      return "a list";
    case DocumentNode::Kind::Table:
      return "a table";
  }
  return "something else";
}

bool is_name(std::string_view text) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= kMaxNameBytes && letter_or_digit(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter_or_digit(c) || c == '-' || c == '_'; });
}

}  // namespace

void Problems::add(std::uint32_t line, std::string_view field, std::string_view message) {
  std::string text = field.empty() ? std::string(message) : fmt::format("{}: {}", field, message);
  found_.push_back({line, printable_line(text, kMaxProblemBytes)});
}

Error Problems::error() const {
  std::vector<const Problem*> order;
  std::transform(found_.begin(), found_.end(), std::back_inserter(order), [](const Problem& p) { return &p; });
  std::sort(order.begin(), order.end(), [](const Problem* a, const Problem* b) {
    return std::tie(a->line, a) < std::tie(b->line, b);  // on one line: in the order they were found
  });
  Error error{Reason::Manifest, {}};
  for (std::size_t i = 0; i < std::min(order.size(), kMaxProblems); ++i) {
    error.message += fmt::format("{}{}:{}: {}", i == 0 ? "" : "\n", file_, order[i]->line, order[i]->text);
  }
  if (order.size() > kMaxProblems) {
    error.message += fmt::format("\n{}: and {} more", file_, order.size() - kMaxProblems);
  }
  return error;
}

std::string Section::full_name(std::string_view field) const {
  return name_.empty() ? std::string(field) : fmt::format("{}.{}", name_, field);
}

const DocumentNode* Section::find(std::string_view field) const {
  const auto found = std::find_if(table_.children.begin(), table_.children.end(),
                                  [&](const DocumentNode& child) { return child.key == field; });
  return found == table_.children.end() ? nullptr : &*found;
}

const DocumentNode* Section::take(std::string_view field, DocumentNode::Kind kind, std::string_view expected) {
  known_.push_back(field);
  const DocumentNode* node = find(field);
  if (node != nullptr && node->kind != kind) {
    problem(field, fmt::format("must be {}, not {}", expected, describe(node->kind)));
    return nullptr;
  }
  if (node != nullptr && kind != DocumentNode::Kind::Table) {
    origins_[full_name(field)] = {Origin::Manifest, {node->line}};
  }
  return node;
}

/// \param most  so many entries
const DocumentNode* Section::take(std::string_view field, DocumentNode::Kind kind, std::string_view expected,
                                  std::size_t most) {
  const DocumentNode* node = take(field, kind, expected);
  if (node != nullptr && node->children.size() > most) {
    problem(field, fmt::format("has {} entries; the most is {}", node->children.size(), most));
    return nullptr;
  }
  return node;
}

const std::string* Section::text(std::string_view field) {
  const DocumentNode* node = take(field, DocumentNode::Kind::Text, "a text in quotes");
  if (node != nullptr && node->text.find('\0') != std::string::npos) {
    problem(field, "must not contain a null character");
    return nullptr;
  }
  return node == nullptr ? nullptr : &node->text;
}

const std::string* Section::required_text(std::string_view field, std::string_view hint) {
  const std::string* value = text(field);
  if (!has(field)) {
    problem(field, fmt::format("is missing; {}", hint));
  } else if (value != nullptr && value->empty()) {
    problem(field, fmt::format("is empty; {}", hint));
    return nullptr;
  }
  return value;
}

std::optional<std::int64_t> Section::integer(std::string_view field, std::int64_t least, std::int64_t most) {
  const DocumentNode* node = take(field, DocumentNode::Kind::Integer, "a whole number");
  if (node == nullptr) {
    return std::nullopt;
  }
  if (node->integer < least || node->integer > most) {
    problem(field, fmt::format("must be between {} and {}, not {}", least, most, node->integer));
    return std::nullopt;
  }
  return node->integer;
}

std::optional<bool> Section::flag(std::string_view field) {
  const DocumentNode* node = take(field, DocumentNode::Kind::Flag, "true or false");
  return node == nullptr ? std::nullopt : std::optional(node->flag);
}

template <typename T>
std::optional<T> Section::measure(std::string_view field, Result<T> (*parse)(std::string_view), T least, T most) {
  const std::string* text = this->text(field);
  if (text == nullptr) {
    return std::nullopt;
  }
  const Result<T> value = parse(*text);
  if (!value) {
    problem(field, value.error().message);
    return std::nullopt;
  }
  if (*value < least || *value > most) {
    problem(field, fmt::format("must be between {} and {}, not {}", format(least), format(most), *text));
    return std::nullopt;
  }
  return *value;
}

std::optional<Duration> Section::duration(std::string_view field, Duration least, Duration most) {
  return measure(field, parse_duration, least, most);
}

std::optional<Bytes> Section::size(std::string_view field, Bytes least, Bytes most) {
  return measure(field, parse_bytes, least, most);
}

const DocumentNode* Section::list(std::string_view field, std::size_t most) {
  return take(field, DocumentNode::Kind::List, "a list in brackets", most);
}

void Section::texts(std::string_view field, std::size_t most, std::string_view example,
                    const std::function<void(const std::string&)>& take) {
  const DocumentNode* items = list(field, most);
  for (std::size_t i = 0; items != nullptr && i < items->children.size(); ++i) {
    const DocumentNode& item = items->children[i];
    if (item.kind != DocumentNode::Kind::Text) {
      return problem(field, fmt::format("must be a list of names in quotes, as in [\"{}\"]", example));
    }
    take(item.text);
  }
}

std::optional<Section> Section::table(std::string_view field, std::size_t most) {
  const DocumentNode* node = take(field, DocumentNode::Kind::Table, "a table", most);
  return node == nullptr ? std::nullopt
                         : std::optional<Section>(std::in_place, *node, full_name(field), problems_, origins_);
}

std::vector<Section> Section::named_tables(std::string_view field, std::size_t most) {
  std::vector<Section> out;
  const DocumentNode* node =
      take(field, DocumentNode::Kind::Table, fmt::format("tables, as in [{}.NAME]", field), most);
  if (node == nullptr) {
    return out;
  }
  for (const DocumentNode& child : node->children) {
    const std::string name = fmt::format("{}.{}", full_name(field), child.key);
    if (child.kind != DocumentNode::Kind::Table) {
      problems_.add(child.line, name,
                    fmt::format("must be a table, as in [{}.{}], not {}", field, "NAME", describe(child.kind)));
    } else if (!is_name(child.key)) {
      problems_.add(child.line, name,
                    fmt::format("a name has 1 to {} letters, digits, '-' and '_' and begins with a letter or digit",
                                kMaxNameBytes));
    } else {
      out.emplace_back(child, name, problems_, origins_);
    }
  }
  return out;
}

std::vector<Section> Section::listed_tables(std::string_view field, std::size_t most) {
  std::vector<Section> out;
  const DocumentNode* node = list(field, most);
  for (std::size_t i = 0; node != nullptr && i < node->children.size(); ++i) {
    const DocumentNode& child = node->children[i];
    const std::string name = fmt::format("{}[{}]", full_name(field), i + 1);
    if (child.kind == DocumentNode::Kind::Table) {
      out.emplace_back(child, name, problems_, origins_);
    } else {
      problems_.add(child.line, name,
                    fmt::format("must be a table, as in [[{}]], not {}", full_name(field), describe(child.kind)));
    }
  }
  return out;
}

void Section::problem(std::string_view field, std::string_view message) const {
  const DocumentNode* node = find(field);
  problems_.add(node == nullptr ? table_.line : node->line, full_name(field), message);
}

void Section::finish() const {
  for (const DocumentNode& child : table_.children) {
    if (std::find(known_.begin(), known_.end(), child.key) == known_.end()) {
      problems_.add(child.line, full_name(child.key), "there is no such field" + suggestion(child.key, known_));
    }
  }
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kMostShown = 12;
  if (const auto match = closest_match(word, candidates)) {
    return fmt::format("; did you mean \"{}\"?", *match);
  }
  if (candidates.empty() || candidates.size() > kMostShown) {
    return {};
  }
  return fmt::format("; known: {}", fmt::join(candidates, ", "));
}

}  // namespace trilby::app
