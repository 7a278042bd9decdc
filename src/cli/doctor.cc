#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/lockdown.h"
#include "app/manifest.h"
#include "app/supervisor_port_owner.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/toolchain.h"
#include "inference/backend.h"
#include "wasm/artifact_cache.h"

namespace trilby::cli {
namespace {

constexpr rlim_t kFewFiles = 1024;

enum class Health : std::uint8_t {
  Good,
  Note,   ///< works, but slower or with less
  Wrong,  ///< something will not work
};

struct Finding {
  std::string subject;  ///< "kernel", "port of go-web-port"
  Health health = Health::Good;
  std::string detail;
  std::string mend;  ///< a command or an advice; empty when Good
};

class Examination {
 public:
  void good(std::string subject, std::string detail) { add(std::move(subject), Health::Good, std::move(detail), {}); }
  void note(std::string subject, std::string detail, std::string mend) {
    add(std::move(subject), Health::Note, std::move(detail), std::move(mend));
  }
  void wrong(std::string subject, std::string detail, std::string mend) {
    add(std::move(subject), Health::Wrong, std::move(detail), std::move(mend));
  }
  std::vector<Finding> findings;

 private:
  void add(std::string subject, Health health, std::string detail, std::string mend) {
    findings.push_back({std::move(subject), health, std::move(detail), std::move(mend)});
  }
};

bool has_openat2() {
  open_how how{};
  const long file = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how);
  if (file >= 0) {
    close(static_cast<int>(file));
  }
  return file >= 0;
}

void examine_kernel(Examination& examination) {
  utsname kernel{};
  uname(&kernel);
  const std::string_view release = kernel.release;
  unsigned major = 0;
  unsigned minor = 0;
  const auto [end, error] = std::from_chars(release.begin(), release.end(), major);
  const bool known = error == std::errc{} && end != release.end() && *end == '.' &&
                     std::from_chars(end + 1, release.end(), minor).ec == std::errc{};
  if (!has_openat2()) {
    examination.note("kernel", fmt::format("Linux {} has no openat2; files are opened step by step", kernel.release),
                     "a kernel of 5.6 or newer");
  } else if (!known || major < 6 || (major == 6 && minor < 7)) {
    examination.note("kernel",
                     fmt::format("Linux {} cannot tell which pages a guest changed; calls cost more", kernel.release),
                     "a kernel of 6.7 or newer");
  } else {
    examination.good("kernel", fmt::format("Linux {}", kernel.release));
  }
}

void examine_limits(Examination& examination) {
  rlimit space{};
  getrlimit(RLIMIT_AS, &space);
  if (space.rlim_cur == RLIM_INFINITY) {
    examination.good("address space", "unlimited");
  } else {
    examination.wrong("address space", "limited; sandboxes reserve terabytes of it, without using memory",
                      "ulimit -v unlimited");
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur > kFewFiles) {
    examination.good("open files", fmt::format("up to {}", files.rlim_cur));
  } else {
    examination.note("open files", fmt::format("up to {}; each connection is one", files.rlim_cur), "ulimit -n 65536");
  }
}

/// What a worker could give up here before it serves. Nothing of it is needed, all of it is worth having.
void examine_lockdown(Examination& examination) {
  const auto mend = [](app::Layer layer) -> std::string {
    switch (layer) {
      case app::Layer::Landlock:
        return "a kernel of 5.13 or newer (6.7 for TCP ports), with landlock in its lsm= list";
      case app::Layer::Seccomp:
        return "a kernel of 4.14 or newer with CONFIG_SECCOMP_FILTER";
      case app::Layer::NonRoot:
        return "start it as a user of its own";
      case app::Layer::NoNewPrivs:
      case app::Layer::NoCoreDumps:
      case app::Layer::Capabilities:
        break;
    }
    return {};
  };
  const app::Lockdown found = app::probe_lockdown();
  for (const app::Layer layer : app::kLayers) {
    std::string subject = fmt::format("lockdown: {}", name(layer));
    if (found[layer].on) {
      examination.good(std::move(subject), found[layer].detail);
    } else {
      examination.note(std::move(subject), found[layer].detail, mend(layer));
    }
  }
}

/// Only for building functions in C; other languages bring their own.
void examine_toolchain(Examination& examination) {
  if (const auto compiler = find_wasi_compiler()) {
    examination.good("C to Wasm", *compiler);
  } else {
    examination.note("C to Wasm", "no clang here makes a WASI command of a C program", std::string(kInstallCompiler));
  }
}

void examine_cache(Examination& examination, const std::filesystem::path& directory) {
  const auto cache = wasm::ArtifactCache::open(directory);
  if (cache.writable()) {
    examination.good("compiled code", fmt::format("kept in {}", cache.directory().string()));
  } else {
    examination.note("compiled code",
                     fmt::format("cannot be kept in {}, so every start compiles anew", cache.directory().string()),
                     "mend that folder (the log says why), or name another one with --aot-cache DIR");
  }
}

void examine_inference(Examination& examination, bool needed) {
  if (const auto backend = inference::openvino()) {
    examination.good("OpenVINO", "there");
  } else if (needed) {
    examination.wrong("OpenVINO", backend.error().message, "make setup");
  } else {
    examination.note("OpenVINO", backend.error().message, "make setup, if a function is to use a model");
  }
}

void examine_file(Examination& examination, std::string subject, const std::filesystem::path& path, std::string mend) {
  if (access(path.c_str(), R_OK) == 0) {
    examination.good(std::move(subject), path.string());
  } else {
    examination.wrong(std::move(subject), fmt::format("{} is not there, or cannot be read", path.string()),
                      std::move(mend));
  }
}

void examine_port(Examination& examination, const std::string& subject, std::uint16_t port, const std::string& option) {
  const auto owner = port == 0 ? std::nullopt : app::find_port_owner(port);
  if (!owner) {
    examination.good(subject, port == 0 ? "any free port" : fmt::format("{} is free", port));
  } else {
    examination.wrong(subject, fmt::format("{} is in use by {}", port, app::describe(*owner)),
                      fmt::format("stop that, write another port, or add {} for any free one", option));
  }
}

void examine_manifest(Examination& examination, const app::Manifest& manifest) {
  for (const app::Function& function : manifest.functions) {
    examine_file(examination, fmt::format("function {}", function.name), function.module,
                 function.build ? fmt::format("cd {} && {}", function.build->workdir.string(), function.build->command)
                                : "build it, or mend the path in the manifest");
  }
  for (const app::Model& model : manifest.models) {
    examine_file(examination, fmt::format("model {}", model.name), model.path,
                 "make the model (the example's: make model), or mend the path in the manifest");
  }
  for (const app::App& app : manifest.apps) {
    examine_port(examination, fmt::format("port of {}", app.id), app.port, fmt::format("--port {}=0", app.id));
    if (app.public_address) {
      examine_port(examination, fmt::format("public port of {}", app.id), app.public_address->port,
                   fmt::format("--port {}.public=0", app.id));
    }
  }
  examine_port(examination, "admin port", manifest.admin.port, "--admin-port 0");
}

std::string_view word(Health health) {
  switch (health) {
    case Health::Good:
      return "ok";
    case Health::Note:
      return "note";
    case Health::Wrong:
      return "wrong";
  }
  return "";
}

std::string as_text(const std::vector<Finding>& findings) {
  std::size_t width = 0;
  for (const Finding& finding : findings) {
    width = std::max(width, finding.subject.size());
  }
  std::string out;
  for (const Finding& finding : findings) {
    const Style style = finding.health == Health::Good   ? Style::Good
                        : finding.health == Health::Note ? Style::Dim
                                                         : Style::Bad;
    const std::string mark = styled(fmt::format("{:<5}", word(finding.health)), style, STDOUT_FILENO);
    out += fmt::format("{}  {:<{}}  {}\n", mark, finding.subject, width, finding.detail);
    if (!finding.mend.empty()) {
      out += fmt::format("{:{}}try: {}\n", "", width + 9, finding.mend);
    }
  }
  return out;
}

std::string as_json(const std::vector<Finding>& findings) {
  std::string out;
  JsonWriter json(out);
  json.open_object().key("findings").open_array();
  for (const Finding& finding : findings) {
    json.open_object().member("subject", finding.subject).member("health", word(finding.health));
    json.member("detail", finding.detail).member("mend", finding.mend).close_object();
  }
  json.close_array().close_object();
  return out + '\n';
}

class Doctor final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {.name = "doctor",
            .summary = "Say what is missing on this machine, and what mends it",
            .details =
                "Looks at the kernel, what of it a worker can lock itself down with, the process's limits, the tools "
                "that build functions, the folder for compiled "
                "code and "
                "OpenVINO, and, when there is a manifest, at the modules, models and ports that it names. Changes "
                "nothing. The exit "
                "code is 78 when something will not work.",
            .examples =
                "trilby doctor\n"
                "trilby doctor -m examples/images/trilby.toml -o json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.options = {manifest_.manifest_option()};
    append(out.options, manifest_.port_options());
    append(out.options, {cache_option(cache_), output_.option()});
    return out;
  }

  [[nodiscard]] int run() override {
    const std::vector<Finding> findings = examine();
    const int printed = print(output_.json() ? as_json(findings) : as_text(findings));
    const bool wrong = std::any_of(findings.begin(), findings.end(),
                                   [](const Finding& finding) { return finding.health == Health::Wrong; });
    return printed != 0 ? printed : wrong ? info(Reason::Manifest).exit_code : 0;
  }

 private:
  [[nodiscard]] std::vector<Finding> examine() const {
    Examination examination;
    examine_kernel(examination);
    examine_limits(examination);
    examine_lockdown(examination);
    examine_toolchain(examination);
    examine_cache(examination, cache_);
    std::error_code ignored;
    if (!std::filesystem::exists(manifest_.path, ignored)) {
      examine_inference(examination, false);
      examination.note("manifest", fmt::format("there is no {}", manifest_.path), manifest_.mend());
      return std::move(examination.findings);
    }
    const auto loaded = manifest_.load();
    examine_inference(examination, loaded && !loaded->manifest.models.empty());
    if (!loaded) {
      examination.wrong("manifest", loaded.error().message, "docs/manifest.md has every field");
    } else {
      examination.good("manifest", manifest_.path);
      examine_manifest(examination, loaded->manifest);
    }
    return std::move(examination.findings);
  }

  ManifestOptions manifest_;
  OutputOption output_;
  std::string cache_;
};

}  // namespace

std::unique_ptr<Command> make_doctor() {
  return std::make_unique<Doctor>();
}

}  // namespace trilby::cli
