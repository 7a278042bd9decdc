/// \file  The cases of the hostile suite: what is tried, and how it has to end. tests/hostile/cases/ has them, a file
/// for each row of docs/security.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/reason.h"
#include "base/result.h"

namespace trilby::cli {

/// One request to a case's function, and the answer that it must get.
struct Attempt {
  std::string method = "POST";
  std::string query;                  ///< after the function's path: "?a=b"; empty: none
  std::string fields;                 ///< whole lines, each with its CR LF
  std::string body;                   ///< any bytes
  std::string raw;                    ///< sent in place of all of these, as it is
  Reason reason = Reason::Ok;         ///< of the answer
  int status = 0;                     ///< of the answer; 0: the one that the table has for the reason
  std::optional<std::string> answer;  ///< its body, to the byte; nothing: any
};

/// The function that every system under test has beside those of the cases: it gives back what it was sent.
inline constexpr std::string_view kHonestFunction = "honest";

struct Case {
  std::string name;      ///< of the case and of its function: lower-case letters, digits and '-'
  std::string row;       ///< of docs/security.md
  std::string about;     ///< what the guest, the caller or the file tries, in one sentence
  std::string module;    ///< the module's bytes
  std::string function;  ///< lines of the manifest for [function.NAME]: limits and grants
  std::string needs;     ///< "openvino": skipped where that is not installed
  std::string refused;   ///< words with which the start is refused; empty: it starts, and the attempts are made
  std::vector<Attempt> attempts;  ///< in this order
  std::size_t times = 1;          ///< how often, 1..1000
};

/// A file that was put into the program when it was built.
struct EmbeddedFile {
  std::string_view name;  ///< without its folder
  std::string_view text;
};

/// Reads a file of cases, which may name embedded guests. \param file  for messages
/// \return Reason::Manifest, "file:line: what is wrong"
[[nodiscard]] Result<std::vector<Case>> parse_cases(std::string_view text, std::string_view file);

/// The cases and the guests that this program carries: of tests/hostile/cases, tests/hostile/guests and tests/guests.
[[nodiscard]] std::vector<EmbeddedFile> embedded_files();
/// The module of an embedded guest. \param name  without ".wat" \return Reason::Manifest when there is none
[[nodiscard]] Result<std::string> embedded_guest(std::string_view name);
/// All cases. \return Reason::Manifest when one is wrong, or a name is used twice
[[nodiscard]] Result<std::vector<Case>> embedded_cases();

}  // namespace trilby::cli
