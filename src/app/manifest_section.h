/// \file  Reading one table of the manifest, field by field, and gathering everything that is wrong with it.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/manifest.h"
#include "app/manifest_document.h"
#include "base/result.h"
#include "base/units.h"

namespace trilby::app {

inline constexpr std::string_view kNeedsCertificate = "needs a certificate and its key";
inline constexpr std::string_view kTlsExample = R"(tls = { certificate = "certificate.pem", key = "key.pem" })";

/// What is wrong with a manifest, gathered so that a person mends all of it in one go.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  /// \param field its full name, "app.web.port"; empty for the whole file
  void add(std::uint32_t line, std::string_view field, std::string_view message);
  [[nodiscard]] bool empty() const { return found_.empty(); }
  /// One line each, "file:line: field: message", in the order of the file; at most 20, then how many more there are.
  [[nodiscard]] Error error() const;

 private:
  struct Problem {
    std::uint32_t line;
    std::string text;
  };
  std::string file_;
  std::vector<Problem> found_;
};

/// A table of the manifest that is being read. The fields that were asked for are the ones that exist: finish() refuses
/// the others. Each reader gives nothing for a field that is absent or wrong, and notes what is wrong with it.
/// Ownership: refers to the document, the problems and the origins, which outlive it.
class Section {
 public:
  Section(const DocumentNode& table, std::string name, Problems& problems, Origins& origins)
      : table_(table), name_(std::move(name)), problems_(problems), origins_(origins) {}

  [[nodiscard]] const std::string* text(std::string_view field);
  /// Present and not empty, or a problem that ends with `hint`.
  [[nodiscard]] const std::string* required_text(std::string_view field, std::string_view hint);
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view field, std::int64_t least, std::int64_t most);
  [[nodiscard]] std::optional<bool> flag(std::string_view field);
  [[nodiscard]] std::optional<Duration> duration(std::string_view field, Duration least, Duration most);
  [[nodiscard]] std::optional<Bytes> size(std::string_view field, Bytes least, Bytes most);
  [[nodiscard]] const DocumentNode* list(std::string_view field, std::size_t most);
  /// Calls `take` with each text of a list.
  void texts(std::string_view field, std::size_t most, std::string_view example,
             const std::function<void(const std::string&)>& take);
  /// \param most  entries, where their keys may be anything
  [[nodiscard]] std::optional<Section> table(std::string_view field,
                                             std::size_t most = std::numeric_limits<std::size_t>::max());
  /// The tables in a table, as in [function.NAME], each checked to have a usable name.
  [[nodiscard]] std::vector<Section> named_tables(std::string_view field, std::size_t most);
  /// The tables in a list, as in [[route]].
  [[nodiscard]] std::vector<Section> listed_tables(std::string_view field, std::size_t most);

  void problem(std::string_view field, std::string_view message) const;  ///< at the field's own line when it is there
  void problem(std::string_view message) const { problems_.add(table_.line, name_, message); }
  void finish() const;  ///< call when every field was asked for

  [[nodiscard]] bool has(std::string_view field) const { return find(field) != nullptr; }
  [[nodiscard]] const std::string& key() const { return table_.key; }
  [[nodiscard]] std::uint32_t line() const { return table_.line; }
  [[nodiscard]] const std::vector<DocumentNode>& members() const { return table_.children; }
  [[nodiscard]] std::string full_name(std::string_view field) const;

 private:
  [[nodiscard]] const DocumentNode* find(std::string_view field) const;
  const DocumentNode* take(std::string_view field, DocumentNode::Kind kind, std::string_view expected);
  const DocumentNode* take(std::string_view field, DocumentNode::Kind kind, std::string_view expected,
                           std::size_t most);
  template <typename T>
  std::optional<T> measure(std::string_view field, Result<T> (*parse)(std::string_view), T least, T most);

  const DocumentNode& table_;
  std::string name_;
  Problems& problems_;
  Origins& origins_;
  std::vector<std::string_view> known_;
};

/// `; did you mean "x"?` when something is close to `word`; else, if there are any and not too many, `; known are: a,
/// b`.
[[nodiscard]] std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace trilby::app
