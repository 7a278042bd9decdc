#include <algorithm>
#include <iterator>
#include <vector>

#include <unistd.h>

#include "app/manifest_section.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/selftest_case.h"
#include "cli/selftest_run.h"
#include "cli/selftest_system.h"

namespace trilby::cli {
namespace {

std::string_view word(Held held) {
  switch (held) {
    case Held::Yes:
      return "held";
    case Held::No:
      return "FAILED";
    case Held::Skipped:
      return "skipped";
  }
  return "";
}

std::string list_text(const std::vector<Case>& cases) {
  std::vector<std::vector<std::string>> rows;
  std::transform(cases.begin(), cases.end(), std::back_inserter(rows), [](const Case& each) {
    return std::vector<std::string>{each.name, each.row, expectation(each), each.about};
  });
  return table(rows);
}

std::string list_json(const std::vector<Case>& cases) {
  std::string out;
  JsonWriter json(out);
  json.open_object().key("cases").open_array();
  for (const Case& each : cases) {
    json.open_object().member("name", each.name).member("row", each.row).member("expected", expectation(each));
    json.member("about", each.about).close_object();
  }
  json.close_array().close_object();
  return out + '\n';
}

std::string verdicts_json(const std::vector<Verdict>& verdicts) {
  std::string out;
  JsonWriter json(out);
  json.open_object().key("cases").open_array();
  for (const Verdict& each : verdicts) {
    json.open_object().member("name", each.name).member("row", each.row).member("expected", each.expected);
    json.member("result", each.held == Held::No ? "failed" : word(each.held)).member("why", each.why);
    json.member("milliseconds", each.took.count() / 1'000'000).close_object();
  }
  json.close_array().close_object();
  return out + '\n';
}

std::string line_of(const Verdict& verdict) {
  const Style style = verdict.held == Held::Yes ? Style::Good : verdict.held == Held::No ? Style::Bad : Style::Dim;
  return fmt::format("{}  {:<10}  {}: {}\n", styled(fmt::format("{:<7}", word(verdict.held)), style, STDOUT_FILENO),
                     verdict.row, verdict.name, verdict.why.empty() ? verdict.expected : verdict.why);
}

class Selftest final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {
        .name = "selftest",
        .summary = "Attack a system of this installation, and see that it holds",
        .details =
            "Starts a system of its own in a temporary folder, on free ports, and sends it what hostile guests and "
            "callers try. Each case has to end with its reason, in the same process, and the next honest request has "
            "to get its answer. Nothing is left behind. The exit code is 70 when a case does not hold. "
            "docs/security.md says what is promised.",
        .examples =
            "trilby selftest\n"
            "trilby selftest --list\n"
            "trilby selftest --case memory-grow-in-a-loop -o json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.options = {{"--list", {}, "say which cases there are, and run none", &list_, {}, {}},
                   {"--case", "NAME", "run only this one; may be repeated", &names_, {}, {}},
                   {"--cases", "FILE", "run the cases of this file instead of those of the program", &file_, {}, {}},
                   output_.option()};
    return out;
  }

  [[nodiscard]] int run() override {
    const auto cases = chosen();
    if (!cases) {
      return report(cases.error());
    }
    if (list_) {
      return print(output_.json() ? list_json(*cases) : list_text(*cases));
    }
    notice_interruptions();
    std::vector<Verdict> verdicts;
    const auto ran = run_cases(*cases, [&](const Verdict& verdict) {
      verdicts.push_back(verdict);
      if (!output_.json()) {
        (void)print(line_of(verdict));
      }
    });
    return ran ? finish(verdicts) : report(ran.error());
  }

 private:
  [[nodiscard]] Result<std::vector<Case>> chosen() const {
    TRILBY_ASSIGN(std::vector<Case> all, load());
    if (names_.empty()) {
      return all;
    }
    std::vector<std::string_view> known;
    std::transform(all.begin(), all.end(), std::back_inserter(known),
                   [](const Case& each) { return std::string_view(each.name); });
    std::vector<Case> out;
    for (const std::string& wanted : names_) {
      const auto found = std::find(known.begin(), known.end(), wanted);
      if (found == known.end()) {
        return fail(Reason::BadRequest, "there is no case \"{}\"{}", wanted, app::suggestion(wanted, known));
      }
      out.push_back(all[static_cast<std::size_t>(found - known.begin())]);
    }
    return out;
  }

  [[nodiscard]] Result<std::vector<Case>> load() const {
    if (file_.empty()) {
      return embedded_cases();
    }
    TRILBY_ASSIGN(const std::string text, app::read_manifest(file_));
    return parse_cases(text, file_);
  }

  [[nodiscard]] int finish(const std::vector<Verdict>& verdicts) const {
    const auto count = [&](Held held) {
      return std::count_if(verdicts.begin(), verdicts.end(), [&](const Verdict& each) { return each.held == held; });
    };
    const auto failed = count(Held::No);
    int exit_code = 0;
    if (output_.json()) {
      exit_code = print(verdicts_json(verdicts));
    } else {
      exit_code =
          print(fmt::format("{} held, {} failed, {} skipped\n", count(Held::Yes), failed, count(Held::Skipped)));
    }
    return failed > 0 ? info(Reason::Internal).exit_code : exit_code;
  }

  OutputOption output_;
  bool list_ = false;
  std::vector<std::string> names_;
  std::string file_;
};

}  // namespace

std::unique_ptr<Command> make_selftest() {
  return std::make_unique<Selftest>();
}

}  // namespace trilby::cli
