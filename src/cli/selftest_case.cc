#include "cli/selftest_case.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "app/manifest_section.h"
#include "base/units.h"
#include "wasm/text_format.h"

namespace trilby::cli {
namespace {

using namespace trilby::literals;

constexpr std::size_t kMaxCases = 1000;
constexpr std::size_t kMaxAttempts = 100;
constexpr Bytes kMaxZeros = 64_MiB;

/// Pairs of digits; white space between digits does not count.
std::optional<std::string> from_hex(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  std::optional<std::size_t> first;
  for (const char c : text) {
    if (c == ' ' || c == '\n') {
      continue;
    }
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    if (first) {
      out += static_cast<char>(*first * kDigits.size() + digit);
      first.reset();
    } else {
      first = digit;
    }
  }
  return first ? std::nullopt : std::optional(std::move(out));
}

Result<std::string> assemble(std::string_view text) {
  TRILBY_ASSIGN(const std::vector<std::byte> module, wasm::module_from_text(text));
  return std::string(reinterpret_cast<const char*>(module.data()), module.size());
}

bool is_case_name(std::string_view name) {
  return !name.empty() && name.front() != '-' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

/// Reads the cases of one file.
class Reader {
 public:
  Reader(const app::DocumentNode& root, std::string_view file)
      : problems_(std::string(file)), root_(root, {}, problems_, origins_) {}

  Result<std::vector<Case>> read() {
    const std::string* row = root_.required_text("row", "give the row of docs/security.md, as in row = \"Memory\"");
    for (app::Section& section : root_.listed_tables("case", kMaxCases)) {
      out_.push_back(read_case(section));
      out_.back().row = row == nullptr ? "" : *row;
    }
    root_.finish();
    if (!problems_.empty()) {
      return fail(problems_.error());
    }
    return std::move(out_);
  }

 private:
  static Case read_case(app::Section& section) {
    Case made;
    made.name = text(section, "name");
    if (!is_case_name(made.name)) {
      section.problem("name", "is made of lower-case letters, digits and '-'");
    }
    if (const auto* about = section.required_text("about", "say in one sentence what is tried")) {
      made.about = *about;
    }
    made.module = read_module(section);
    made.function = text(section, "function");
    made.needs = text(section, "needs");
    if (!made.needs.empty() && made.needs != "openvino") {
      section.problem("needs", "can be \"openvino\" and nothing else");
    }
    made.times = static_cast<std::size_t>(section.integer("times", 1, 1000).value_or(1));
    if (section.has("refused")) {
      made.refused = text(section, "refused");
    } else {
      made.attempts.push_back(read_attempt(section));
      for (app::Section& next : section.listed_tables("then", kMaxAttempts)) {
        made.attempts.push_back(read_attempt(next));
        next.finish();
      }
    }
    section.finish();
    return made;
  }

  /// One of: a guest by name, text, and bytes in hexadecimal digits.
  static std::string read_module(app::Section& section) {
    const std::string* guest = section.text("guest");
    const std::string* source = section.text("wat");
    const std::string* bytes = section.text("module");
    if ((guest != nullptr) + (source != nullptr) + (bytes != nullptr) != 1) {
      section.problem("needs one of guest, wat and module");
      return {};
    }
    if (bytes != nullptr) {
      return hex(section, "module", *bytes);
    }
    const auto module = source != nullptr ? assemble(*source) : embedded_guest(*guest);
    if (!module) {
      section.problem(source != nullptr ? "wat" : "guest", module.error().message);
    }
    return module.value_or("");
  }

  static Attempt read_attempt(app::Section& section) {
    Attempt made;
    if (const auto* method = section.text("method")) {
      made.method = *method;
    }
    made.query = text(section, "query");
    made.fields = text(section, "fields");
    made.body = text(section, "body");
    if (const auto* bytes = section.text("body_hex")) {
      made.body = hex(section, "body_hex", *bytes);
    }
    if (const auto* size = section.text("body_zeros")) {
      const auto bytes = parse_bytes(*size);
      if (!bytes || *bytes > kMaxZeros) {
        section.problem("body_zeros", "must be a size of at most 64MiB");
      } else {
        made.body.assign(bytes->count, '\0');
      }
    }
    made.raw = text(section, "raw");
    if (const auto* bytes = section.text("raw_hex")) {
      made.raw = hex(section, "raw_hex", *bytes);
    }
    if (const auto* reason = section.required_text("reason", "say how it has to end, as in reason = \"limit-cpu\"")) {
      const auto known = reason_from_name(*reason);
      made.reason = known.value_or(Reason::Internal);
      if (!known) {
        section.problem("reason", "is none of the closed table");
      }
    }
    made.status = static_cast<int>(section.integer("status", 100, 599).value_or(0));
    if (const auto* answer = section.text("answer")) {
      made.answer = *answer;
    }
    if (const auto* bytes = section.text("answer_hex")) {
      made.answer = hex(section, "answer_hex", *bytes);
    }
    return made;
  }

  static std::string text(app::Section& section, std::string_view field) {
    const std::string* value = section.text(field);
    return value == nullptr ? std::string() : *value;
  }

  static std::string hex(const app::Section& section, std::string_view field, std::string_view digits) {
    const auto bytes = from_hex(digits);
    if (!bytes) {
      section.problem(field, "must be pairs of the digits 0 to 9 and a to f");
    }
    return bytes.value_or("");
  }

  app::Problems problems_;
  app::Origins origins_;
  app::Section root_;
  std::vector<Case> out_;
};

Result<std::vector<Case>> with_names_of_their_own(std::vector<Case> cases) {
  std::set<std::string_view> names = {kHonestFunction};
  for (const Case& each : cases) {
    if (!names.insert(each.name).second) {
      return fail(Reason::Manifest, "two cases are named {}, or one is named {}", each.name, kHonestFunction);
    }
  }
  return cases;
}

}  // namespace

Result<std::vector<Case>> parse_cases(std::string_view text, std::string_view file) {
  TRILBY_ASSIGN(const app::DocumentNode document, app::parse_document(text, file));
  TRILBY_ASSIGN(std::vector<Case> cases, Reader(document, file).read());
  return with_names_of_their_own(std::move(cases));
}

Result<std::string> embedded_guest(std::string_view name) {
  const std::vector<EmbeddedFile> files = embedded_files();
  const auto found = std::find_if(files.begin(), files.end(), [&](const EmbeddedFile& file) {
    return file.name.ends_with(".wat") && file.name.substr(0, file.name.size() - 4) == name;
  });
  return found == files.end() ? fail(Reason::Manifest, "there is no guest \"{}\"", name) : assemble(found->text);
}

Result<std::vector<Case>> embedded_cases() {
  std::vector<Case> out;
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.name.ends_with(".toml")) {
      TRILBY_ASSIGN(std::vector<Case> cases, parse_cases(file.text, file.name));
      std::move(cases.begin(), cases.end(), std::back_inserter(out));
    }
  }
  return with_names_of_their_own(std::move(out));
}

}  // namespace trilby::cli
