#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "app/environment.h"
#include "app/manifest_outputs.h"
#include "app/manifest_settings.h"
#include "app/manifest_triggers.h"
#include "app/tls_files.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/workshop.h"

namespace trilby::cli {
namespace {

struct Problem {
  Error error;
  std::string mend;
};

/// What is found out about a system without running it.
struct Findings {
  std::map<std::string, std::string> conventions;  ///< of the functions that can be called
  std::vector<Problem> problems;
};

/// \return what keeps the target of `route` from being served; empty when nothing does
std::string files_defect(const app::Route& route) {
  const auto* files = std::get_if<app::FilesTarget>(&route.target);
  if (files == nullptr) {
    return {};
  }
  std::error_code error;
  const auto status = std::filesystem::status(files->root, error);
  const bool folder_wanted = route.path.ends_with("/*");
  if (!std::filesystem::exists(status)) {
    return fmt::format("{} does not exist", files->root.string());
  }
  if (folder_wanted != std::filesystem::is_directory(status)) {
    return folder_wanted ? fmt::format("{} is no folder, and the path ends in '*'", files->root.string())
                         : fmt::format("{} is a folder, and the path does not end in '/*'", files->root.string());
  }
  return {};
}

void check_files(const app::Manifest& manifest, Findings& findings) {
  for (const app::App& app : manifest.apps) {
    for (std::size_t i = 0; i < app.routes.size(); ++i) {
      if (const std::string defect = files_defect(app.routes[i]); !defect.empty()) {
        Error error{Reason::Manifest, fmt::format("app.{}.route[{}].files: {}", app.id, i + 1, defect)};
        findings.problems.push_back({app::located(manifest, app.routes[i].source, std::move(error)), {}});
      }
    }
  }
}

void check_models(const app::Manifest& manifest, Findings& findings) {
  for (const app::Model& model : manifest.models) {
    const auto loaded = load_models(manifest, [&](const app::Model& each) { return &each == &model; });
    if (!loaded) {
      findings.problems.push_back({app::located(manifest, model.source, loaded.error()), {}});
    }
  }
}

void check_certificates(const app::Manifest& manifest, Findings& findings) {
  for (const app::App& app : manifest.apps) {
    if (const auto loaded = app.tls ? app::load_tls(manifest, app) : nullptr; !loaded) {
      findings.problems.push_back({loaded.error(), {}});
    }
  }
}

/// Secrets are there, and each function's variables fit. Values are read and dropped.
void check_environments(const app::Manifest& manifest, Findings& findings) {
  const std::size_t before = findings.problems.size();
  for (const app::Secret& secret : manifest.secrets) {
    if (const auto read = app::Secrets::load(manifest, [&](const app::Secret& each) { return &each == &secret; });
        !read) {
      findings.problems.push_back({read.error(), {}});
    }
  }
  const auto secrets = app::Secrets::load(manifest, [](const app::Secret&) { return true; });
  if (!secrets || findings.problems.size() > before) {
    return;
  }
  for (const app::Function& function : manifest.functions) {
    if (auto environment = app::make_environment(function, *secrets); !environment) {
      findings.problems.push_back({app::located(manifest, function.source, std::move(environment).error()), {}});
    }
  }
}

void check_functions(const app::Manifest& manifest, const std::string& cache, Findings& findings) {
  const auto workshop = Workshop::open(manifest, cache);
  if (!workshop) {
    findings.problems.push_back({workshop.error(), {}});
    return;
  }
  for (const app::Function& function : manifest.functions) {
    const auto prepared = workshop->prepare(function, nullptr);
    if (prepared) {
      findings.conventions.emplace(function.name, wasm::name((*prepared)->info().abi));
    } else {
      findings.problems.push_back({prepared.error(), build_hint(function)});
    }
  }
}

/// "64MiB", or "64MiB*" when nobody set it.
class Marked {
 public:
  explicit Marked(const app::Manifest& manifest) {
    for (app::Setting& setting : app::settings_in_force(manifest)) {
      const bool is_default = setting.stated.origin == app::Origin::Default;
      values_.emplace(std::move(setting.name), setting.value + (is_default ? "*" : ""));
    }
  }
  [[nodiscard]] const std::string& operator()(const std::string& name) const { return values_.at(name); }

 private:
  std::map<std::string, std::string> values_;
};

std::string apps_text(const app::Manifest& manifest) {
  const Marked value(manifest);
  std::string out;
  for (const app::App& app : manifest.apps) {
    const std::string limits = fmt::format("app.{}.limits.", app.id);
    const std::string protocol = app.protocol == app::Protocol::Http
                                     ? ""
                                     : fmt::format(" ({})", app::kProtocols[static_cast<std::size_t>(app.protocol)]);
    const std::string_view scheme = app.tls ? "https://" : "";
    out += fmt::format("\napp {}, port {}{}{}, {} calls at once, queue {} for {}\n", app.id, app.port, protocol,
                       app.public_address ? fmt::format(", public {}{}", scheme, format(*app.public_address)) : "",
                       value(limits + "concurrency"), value(limits + "queue"), value(limits + "queue_wait"));
    std::vector<std::vector<std::string>> rows;
    for (const app::Route& route : app.routes) {
      rows.push_back({"  " + app::describe_request(route), app::describe_target(route) + app::describe(route.outputs),
                      route.cors.empty() ? "" : "CORS " + route.cors});
    }
    const auto add_triggers = [&](const auto& triggers) {
      for (const auto& trigger : triggers) {
        rows.push_back(
            {"  " + app::describe(trigger), "function " + trigger.function + app::describe(trigger.outputs), ""});
      }
    };
    add_triggers(app.topics);
    add_triggers(app.bindings);
    add_triggers(app.jobs);
    add_triggers(app.configurations);
    add_triggers(app.actors);
    out += table(rows);
  }
  return out;
}

/// What does not fit into one table.
std::string more_limits_text(const app::Manifest& manifest, const Marked& value) {
  std::vector<std::vector<std::string>> rows = {
      {"function", "stack", "table elements", "handles", "host calls/s", "log lines/s", "line length"}};
  for (const app::Function& function : manifest.functions) {
    const std::string limits = fmt::format("function.{}.limits.", function.name);
    rows.push_back({function.name, value(limits + "stack"), value(limits + "table_elements"), value(limits + "handles"),
                    value(limits + "host_calls_per_second"), value(limits + "log_lines_per_second"),
                    value(limits + "log_line_length")});
  }
  return table(rows);
}

std::string functions_text(const app::Manifest& manifest, const Findings& findings) {
  const Marked value(manifest);
  std::vector<std::vector<std::string>> rows = {
      {"function", "abi", "memory", "cpu", "wall", "request", "response", "stderr", "at once", "queue", "may use"}};
  for (const app::Function& function : manifest.functions) {
    const std::string limits = fmt::format("function.{}.limits.", function.name);
    const auto convention = findings.conventions.find(function.name);
    rows.push_back({function.name, convention == findings.conventions.end() ? "?" : convention->second,
                    value(limits + "memory"), value(limits + "cpu"), value(limits + "wall"),
                    value(limits + "request_body"), value(limits + "response_body"), value(limits + "stderr"),
                    value(limits + "concurrency"),
                    fmt::format("{} for {}", value(limits + "queue"), value(limits + "queue_wait")),
                    app::describe_grants(function)});
  }
  return rows.size() == 1 ? "" : "\n" + table(rows) + "\n" + more_limits_text(manifest, value) + "* default\n";
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string as_text(const app::Manifest& manifest, const Findings& findings, const std::string& path) {
  return fmt::format("{}: {}, {}, {}\n", path, plural(manifest.apps.size(), "app"),
                     plural(manifest.functions.size(), "function"), plural(manifest.models.size(), "model")) +
         apps_text(manifest) + functions_text(manifest, findings);
}

std::string as_json(const app::Manifest* manifest, const Findings& findings) {
  std::string out;
  JsonWriter json(out);
  json.open_object().member("ok", findings.problems.empty()).key("problems").open_array();
  for (const Problem& problem : findings.problems) {
    json.open_object().member("message", problem.error.message).member("mend", problem.mend).close_object();
  }
  json.close_array();
  if (manifest != nullptr) {
    json.member("manifest", manifest->path.string()).key("settings").open_array();
    for (const app::Setting& setting : app::settings_in_force(*manifest)) {
      json.open_object()
          .member("name", setting.name)
          .member("value", setting.value)
          .member("from", app::name(setting.stated.origin));
      if (setting.stated.source.line != 0) {
        json.member("line", setting.stated.source.line);
      }
      json.close_object();
    }
    json.close_array().key("functions").open_array();
    for (const auto& [name, convention] : findings.conventions) {
      json.open_object().member("name", name).member("abi", convention).close_object();
    }
    json.close_array();
  }
  json.close_object();
  return out + "\n";
}

class Check final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {.name = "check",
            .summary = "Check the manifest, its modules and its models, without running anything",
            .details =
                "Prints what would be served and what each function may use, with defaults marked; with -o json every "
                "value "
                "in force and where it came from: default, manifest, environment or flag. Everything that is wrong is "
                "said at "
                "once; the exit code is then 78.",
            .examples =
                "trilby check\n"
                "trilby check -m examples/images/trilby.toml -o json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.options = {manifest_.manifest_option()};
    append(out.options, manifest_.port_options());
    append(out.options, {cache_option(cache_), output_.option()});
    return out;
  }

  [[nodiscard]] int run() override {
    const auto loaded = manifest_.load();
    Findings findings;
    if (loaded) {
      check_files(loaded->manifest, findings);
      check_certificates(loaded->manifest, findings);
      check_functions(loaded->manifest, cache_, findings);
      check_models(loaded->manifest, findings);
      check_environments(loaded->manifest, findings);
    } else {
      findings.problems.push_back({loaded.error(), manifest_.mend()});
    }
    const app::Manifest* manifest = loaded ? &loaded->manifest : nullptr;
    int exit_code = 0;
    if (output_.json()) {
      exit_code = print(as_json(manifest, findings));
    } else if (manifest != nullptr) {
      exit_code = print(as_text(*manifest, findings, manifest_.path));
    }
    for (const Problem& problem : findings.problems) {
      exit_code = output_.json() ? info(problem.error.reason).exit_code : report(problem.error, problem.mend);
    }
    return exit_code;
  }

 private:
  ManifestOptions manifest_;
  OutputOption output_;
  std::string cache_;
};

}  // namespace

std::unique_ptr<Command> make_check() {
  return std::make_unique<Check>();
}

}  // namespace trilby::cli
