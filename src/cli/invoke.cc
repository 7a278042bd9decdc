#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include <unistd.h>

#include "app/environment.h"
#include "app/manifest_section.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/workshop.h"
#include "invoke/invoker.h"
#include "observe/ids.h"

namespace trilby::cli {
namespace {

/// Standard input up to its end, but no more than one byte over `limit`: who judges the call sees that it is too much.
Result<std::string> read_input(Bytes limit) {
  std::string text;
  std::array<char, 64 * 1024> piece{};
  while (text.size() <= limit.count) {
    const std::size_t room = std::min<std::size_t>(piece.size(), limit.count + 1 - text.size());
    const ssize_t count = read(STDIN_FILENO, piece.data(), room);
    if (count < 0 && errno != EINTR) {
      return fail(Reason::BadRequest, "cannot read standard input: {}", std::strerror(errno));
    }
    if (count == 0) {
      break;
    }
    text.append(piece.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return text;
}

std::string take_output(Outcome& outcome) {
  std::string out;
  if (outcome.body) {
    const auto reading = read_all(std::move(outcome.body), Bytes{std::numeric_limits<std::uint64_t>::max()},
                                  [&](Result<std::string> text) { out = text ? std::move(*text) : ""; });
  }
  return out;
}

/// The reason in words, with what else is known; what has several lines (a backtrace) is indented.
std::string words(const Outcome& outcome) {
  const ReasonInfo& reason = info(outcome.reason);
  std::string out = fmt::format("{}: {}", reason.name, reason.title);
  for (const std::string* more : {&outcome.detail, &outcome.message}) {
    out += more->empty() ? "" : ": ";
    for (const char c : *more) {
      out += c == '\n' ? std::string("\n  ") : std::string(1, c);
    }
  }
  out.erase(out.find_last_not_of(" \n") + 1);
  return out;
}

std::string document(const Outcome& outcome) {
  const Record& record = outcome.record;
  const auto microseconds = [](Duration duration) { return duration.count() / 1000; };
  std::string out;
  JsonWriter json(out);
  json.open_object()
      .member("function", outcome.function)
      .member("reason", name(outcome.reason))
      .member("detail", outcome.detail)
      .member("message", outcome.message)
      .member("instantiate_us", microseconds(record.instantiate))
      .member("cpu_us", microseconds(record.cpu))
      .member("wall_us", microseconds(record.wall))
      .member("memory_peak_bytes", record.memory_peak.count)
      .member("memory_limit_bytes", record.memory_limit.count)
      .member("input_bytes", record.input.count)
      .member("output_bytes", record.output.count)
      .key("denials")
      .open_object();
  for (std::size_t kind = 0; kind < kGrantKinds; ++kind) {
    json.member(name(static_cast<Grant>(kind)), record.denials.of(static_cast<Grant>(kind)));
  }
  json.close_object().close_object();
  return out + "\n";
}

class Invoke final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {
        .name = "invoke",
        .summary = "Call one function: standard input to standard output",
        .details =
            "The call runs under the function's limits and grants, as if it had come over HTTP. When it does not "
            "succeed, standard error says the reason, and the exit code is the reason's: 65 bad input, 70 the function "
            "failed, 77 denied, 124 out of time, 137 out of memory (docs/cli.md has the table).",
        .examples =
            "trilby invoke grayscale < cat.jpg > gray.png\n"
            "echo World | trilby invoke hello -o json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.arguments = {{"FUNCTION", "its name in the manifest", &name_, true, {}}};
    out.options = {manifest_.manifest_option(), cache_option(cache_), output_.option()};
    out.options.back().help = "with json, how the call ended and what it cost go to standard error";
    return out;
  }

  [[nodiscard]] int run() override {
    const auto loaded = manifest_.load();
    if (!loaded) {
      return report(loaded.error(), manifest_.mend());
    }
    const app::Manifest& manifest = loaded->manifest;
    const auto function = std::find_if(manifest.functions.begin(), manifest.functions.end(),
                                       [&](const auto& each) { return each.name == name_; });
    if (function == manifest.functions.end()) {
      return report({Reason::BadRequest, unknown(manifest)});
    }
    auto outcome = call(manifest, *function);
    if (!outcome) {
      return report(outcome.error(), build_hint(*function));
    }
    return finish(*outcome);
  }

 private:
  [[nodiscard]] std::string unknown(const app::Manifest& manifest) const {
    std::vector<std::string_view> names;
    std::transform(manifest.functions.begin(), manifest.functions.end(), std::back_inserter(names),
                   [](const app::Function& each) { return std::string_view(each.name); });
    return fmt::format("there is no function \"{}\" in {}{}", name_, manifest_.path, app::suggestion(name_, names));
  }

  Result<Outcome> call(const app::Manifest& manifest, const app::Function& function) const {
    TRILBY_ASSIGN(const Workshop workshop, Workshop::open(manifest, cache_));
    const auto granted = [&](const app::Model& model) {
      return policy::may_use_model(function.policy.grants, model.name);
    };
    TRILBY_ASSIGN(const std::unique_ptr<inference::ModelHost> models, load_models(manifest, granted));
    const auto given = [&](const app::Secret& secret) { return function.policy.grants.secrets.contains(secret.name); };
    TRILBY_ASSIGN(const app::Secrets secrets, app::Secrets::load(manifest, given));
    TRILBY_ASSIGN(policy::Environment environment, app::make_environment(function, secrets));
    TRILBY_ASSIGN(const std::shared_ptr<const invoke::Function> prepared,
                  workshop.prepare(function, models.get(), std::move(environment)));
    TRILBY_ASSIGN(std::string input, read_input(function.policy.limits.request_body));
    Call call;
    call.id = observe::IdSource().request_id();
    call.method = "POST";
    call.path = "/";
    call.body = make_body(std::move(input));
    call.caller = "cli";
    return invoke::run_once(prepared, std::move(call));
  }

  [[nodiscard]] int finish(Outcome& outcome) const {
    const int exit_code = outcome.reason == Reason::Ok ? print(take_output(outcome)) : info(outcome.reason).exit_code;
    if (output_.json()) {
      print_error(document(outcome));
    } else if (outcome.reason != Reason::Ok) {
      report({outcome.reason, words(outcome)});
    }
    return exit_code;
  }

  ManifestOptions manifest_;
  OutputOption output_;
  std::string name_;
  std::string cache_;
};

}  // namespace

std::unique_ptr<Command> make_invoke() {
  return std::make_unique<Invoke>();
}

}  // namespace trilby::cli
