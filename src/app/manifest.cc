#include "app/manifest.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include "app/manifest_addresses.h"
#include "app/manifest_dapr_grants.h"
#include "app/manifest_document.h"
#include "app/manifest_grants.h"
#include "app/manifest_observe.h"
#include "app/manifest_route.h"
#include "app/manifest_section.h"
#include "app/manifest_sidecar.h"
#include "app/manifest_triggers.h"
#include "policy/environment.h"

namespace trilby::app {
namespace {

constexpr std::size_t kMaxManifestBytes = 1U << 20U;
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMaxApps = 256;
constexpr std::size_t kMaxFunctions = 1000;
constexpr std::size_t kMaxModels = 64;
constexpr std::size_t kMaxSecrets = 64;
constexpr std::int64_t kMaxThreads = 64;
constexpr Duration kLeastPatience = std::chrono::milliseconds(100);  // with a peer
constexpr Duration kMostPatience = std::chrono::minutes(10);
constexpr Duration kMostKeepAlive = std::chrono::hours(1);
constexpr Bytes kMostBodyRate{1U << 20U};
constexpr Bytes kLeastBodies{1U << 20U};
constexpr Bytes kMostBodies{std::uint64_t{64} << 30U};
constexpr std::size_t kMaxAppIdBytes = 58;  // Dapr appends "-dapr" and wants a DNS label (RFC 1123) of at most 63

constexpr std::string_view kLockdowns[] = {"auto", "required", "off"};    // in the order of Lockdown
constexpr std::string_view kSchedulings[] = {"auto", "batch", "normal"};  // in the order of Scheduling

bool is_app_id(std::string_view id) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !id.empty() && id.size() <= kMaxAppIdBytes && alphanumeric(id.front()) && alphanumeric(id.back()) &&
         std::all_of(id.begin(), id.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
}

/// RFC 9110 section 8.3.1, roughly: what may stand in a Content-Type field.
bool is_content_type(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() &&
         text.find_first_of(" ;,\"") > slash && text[slash + 1] != ' ' && text[slash + 1] != ';' &&
         text.back() != ' ' && std::all_of(text.begin(), text.end(), printable);
}

/// Reads one manifest. Everything that is wrong is noted, and reading goes on.
class Reader {
 public:
  Reader(const DocumentNode& root, const std::filesystem::path& path)
      : problems_(path.string()), root_(root, {}, problems_, manifest_.origins) {
    manifest_.path = std::filesystem::absolute(path).lexically_normal();
    folder_ = manifest_.path.parent_path();
    for (const DocumentNode& member : root.children) {
      auto* names = member.key == "app"        ? &names_.apps
                    : member.key == "function" ? &names_.functions
                    : member.key == "model"    ? &names_.models
                    : member.key == "secret"   ? &names_.secrets
                                               : nullptr;
      for (std::size_t i = 0; names != nullptr && i < member.children.size(); ++i) {
        names->push_back(member.children[i].key);
      }
    }
  }

  Result<Manifest> read() {
    read_version();
    if (auto admin = root_.table("admin")) {
      if (auto listen = read_address(*admin, "listen")) {
        manifest_.admin = *listen;
      }
      admin->finish();
    }
    if (auto worker = root_.table("worker")) {
      read_worker(*worker);
    }
    if (auto server = root_.table("server")) {
      read_server(*server);
    }
    if (auto access_log = root_.table("access_log")) {
      read_access_log(*access_log);
    }
    if (auto observe = root_.table("observe")) {
      read_observe(*observe, manifest_.observe);
    }
    for (Section& section : root_.named_tables("app", kMaxApps)) {
      read_app(section);
    }
    for (Section& section : root_.named_tables("function", kMaxFunctions)) {
      read_function(section);
    }
    for (Section& section : root_.named_tables("model", kMaxModels)) {
      read_model(section);
    }
    for (Section& section : root_.named_tables("secret", kMaxSecrets)) {
      read_secret(section);
    }
    root_.finish();
    check_stacks();
    check_trigger_variables(manifest_, problems_);
    check_dapr_grants(manifest_, problems_);
    for (const auto& clashes : {sidecar_clashes(manifest_), address_clashes(manifest_)}) {
      for (const AddressClash& clash : clashes) {
        problems_.add(clash.line, clash.field, clash.message);
      }
    }
    check_budgets();
    if (!problems_.empty()) {
      return fail(problems_.error());
    }
    return std::move(manifest_);
  }

 private:
  void read_version() {
    const auto version =
        root_.integer("trilby", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
    if (version && *version != kVersion) {
      root_.problem("trilby", fmt::format("manifests of version {} are not known to this program; it reads version {}",
                                          *version, kVersion));
    } else if (!root_.has("trilby")) {
      problems_.add(1, "trilby", fmt::format("is missing; begin the file with trilby = {}", kVersion));
    }
  }

  std::optional<Address> read_address(Section& section, std::string_view field) {
    const std::string* text = section.text(field);
    if (text == nullptr) {
      return std::nullopt;
    }
    auto address = parse_address(*text);
    if (!address) {
      section.problem(field, address.error().message);
      return std::nullopt;
    }
    return *address;
  }

  /// \param names  in the order of the values of `out`
  template <typename Value, std::size_t kCount>
  static void choose(Section& section, std::string_view field, const std::string_view (&names)[kCount],
                     std::string_view must_be, Value& out) {
    if (const std::string* text = section.text(field)) {
      const auto* const at = std::find(std::begin(names), std::end(names), *text);
      if (at == std::end(names)) {
        section.problem(field, must_be);
      } else {
        out = static_cast<Value>(at - std::begin(names));
      }
    }
  }

  void read_worker(Section& section) {
    choose(section, "lockdown", kLockdowns,
           R"(must be "auto" (what the kernel has), "required" (all of it, or no start) or "off")",
           manifest_.worker.lockdown);
    choose(section, "scheduling", kSchedulings,
           R"(must be "auto" ("batch" where nothing but a sidecar computes beside the loops), "batch" or "normal")",
           manifest_.worker.scheduling);
    section.finish();
  }

  void read_server(Section& section) {
    http::ServerLimits& limits = manifest_.server.limits;
    const auto duration = [&](std::string_view field, Duration most, Duration& out) {
      out = section.duration(field, kLeastPatience, most).value_or(out);
    };
    const auto size = [&](std::string_view field, Bytes least, Bytes most, Bytes& out) {
      out = section.size(field, least, most).value_or(out);
    };
    duration("head_timeout", kMostPatience, limits.head_timeout);
    duration("body_idle", kMostPatience, limits.body_idle);
    size("body_rate", Bytes{1}, kMostBodyRate, limits.body_rate);
    duration("keep_alive", kMostKeepAlive, limits.keep_alive);
    limits.h2c_upgrade = section.flag("h2c_upgrade").value_or(limits.h2c_upgrade);
    size("request_bodies", kLeastBodies, kMostBodies, manifest_.server.request_bodies);
    size("response_bodies", kLeastBodies, kMostBodies, manifest_.server.response_bodies);
    section.finish();
  }

  /// Every body that a function may take must have room when nothing else has one: twice, since it is copied while it
  /// grows.
  void check_budgets() {
    const auto check = [&](const Function& function, std::string_view limit, Bytes most, std::string_view budget,
                           Bytes room) {
      if (most.count > room.count / 2) {
        problems_.add(function.source.line, fmt::format("function.{}.limits.{}", function.name, limit),
                      fmt::format("{} needs twice as much of server.{}, which is {}; raise that, or lower this",
                                  format(most), budget, format(room)));
      }
    };
    for (const Function& function : manifest_.functions) {
      const policy::Limits& limits = function.policy.limits;
      check(function, "request_body", limits.request_body, "request_bodies", manifest_.server.request_bodies);
      check(function, "response_body", limits.response_body, "response_bodies", manifest_.server.response_bodies);
    }
  }

  void read_access_log(Section& section) {
    constexpr std::int64_t kMost = 1'000'000;
    AccessLogSettings& settings = manifest_.access_log;
    choose(section, "lines", kAccessLogLines, R"(must be "sampled", "all" or "none")", settings.lines);
    settings.full_rate =
        static_cast<std::uint32_t>(section.integer("full_rate", 1, kMost).value_or(settings.full_rate));
    settings.one_in = static_cast<std::uint32_t>(section.integer("one_in", 2, kMost).value_or(settings.one_in));
    section.finish();
  }

  void read_app(Section& section) {
    App app;
    app.id = section.key();
    app.source.line = section.line();
    if (!is_app_id(app.id)) {
      section.problem(fmt::format(
          "an app-id has 1 to {} lower-case letters, digits and '-', and begins and ends with a letter or digit",
          kMaxAppIdBytes));
    }
    if (const auto port = section.integer("port", 0, 65535)) {
      app.port = static_cast<std::uint16_t>(*port);
    } else if (!section.has("port")) {
      section.problem("port", "is missing; give the app channel's port, as in port = 8080");
    }
    app.public_address = read_address(section, "public");
    read_sidecar(section, app);
    read_protocol(section, app);
    app.routes = read_routes(section, names_, folder_, app);
    read_triggers(section, names_, app);
    if (auto limits = section.table("limits")) {
      read_limits(*limits, app.limits);
    }
    section.finish();
    manifest_.apps.push_back(std::move(app));
  }

  void read_protocol(Section& section, App& app) const {
    choose(section, "protocol", kProtocols,
           R"(must be "http" (HTTP/1.1 and HTTP/2), "grpc", or with TLS "https" or "grpcs")", app.protocol);
    if (auto tls = section.table("tls")) {
      TlsFiles files;
      files.source.line = tls->line();
      const auto read = [&](std::string_view field, std::filesystem::path& to) {
        const auto hint = fmt::format(R"(give a file in PEM, as in {} = "{}.pem")", field, field);
        if (const auto* path = tls->required_text(field, hint)) {
          to = resolve(*path);
        }
      };
      read("certificate", files.certificate);
      read("key", files.key);
      tls->finish();
      app.tls = std::move(files);
    } else if (has_tls(app.protocol)) {
      section.problem("protocol", fmt::format("{}; add {}", kNeedsCertificate, kTlsExample));
    }
  }

  std::filesystem::path resolve(const std::string& path) const { return (folder_ / path).lexically_normal(); }

  void read_function(Section& section) {
    Function function;
    function.name = section.key();
    function.source.line = section.line();
    if (const auto* module =
            section.required_text("module", R"(give the WebAssembly file, as in module = "hello.wasm")")) {
      function.module = resolve(*module);
    }
    if (const auto* type = section.text("content_type")) {
      function.content_type = *type;
      if (*type != "sniff" && !is_content_type(*type)) {
        section.problem("content_type",
                        fmt::format("\"{}\" is no content type; write \"sniff\", or one as in \"image/png\"", *type));
      }
    }
    read_output(section, function);
    function.policy.grants.reproducible = section.flag("reproducible").value_or(false);
    if (auto build = section.table("build")) {
      read_build(*build, function);
    }
    if (auto limits = section.table("limits")) {
      read_limits(*limits, function.policy.limits);
    }
    if (auto env = section.table("env")) {
      read_variables(*env, function);
    }
    if (auto allow = section.table("allow")) {
      read_grants(*allow, names_, folder_, function);
    }
    check_variables(section, function);
    section.finish();
    manifest_.functions.push_back(std::move(function));
  }

  static void read_output(Section& section, Function& function) {
    const std::string* output = section.text("output");
    if (output == nullptr) {
      return;
    }
    function.cgi = *output == "cgi";
    if (!function.cgi && *output != "body") {
      section.problem("output", fmt::format("\"{}\" is none of \"body\" and \"cgi\"{}", *output,
                                            suggestion(*output, {"body", "cgi"})));
    } else if (function.cgi && section.has("content_type")) {
      section.problem("content_type", R"(with output = "cgi" the function says this itself: take it out)");
    }
  }

  void read_build(Section& section, Function& function) const {
    Build build{{}, folder_};
    if (const auto* command =
            section.required_text("command", R"(give what makes the module, as in command = "make")")) {
      build.command = *command;
    }
    if (const auto* workdir = section.text("workdir")) {
      build.workdir = resolve(*workdir);
    }
    section.finish();
    function.build = std::move(build);
  }

  void read_model(Section& section) {
    Model model;
    model.name = section.key();
    model.source.line = section.line();
    if (const auto* path = section.required_text("path", R"(give the model's file, as in path = "models/food.xml")")) {
      model.path = resolve(*path);
    }
    if (const auto threads = section.integer("threads", 1, kMaxThreads)) {
      model.threads = static_cast<std::uint32_t>(*threads);
    }
    section.finish();
    manifest_.models.push_back(std::move(model));
  }

  void read_secret(Section& section) {
    Secret secret;
    secret.name = section.key();
    secret.source.line = section.line();
    if (const auto* file = section.text("file"); file != nullptr && !file->empty()) {
      secret.file = resolve(*file);
    }
    if (const auto* variable = section.text("env")) {
      secret.variable = *variable;
      if (!policy::is_variable_name(*variable)) {
        section.problem("env", R"(is no name of a variable, as in env = "DB_PASSWORD")");
      }
    }
    if (section.has("file") == section.has("env") || (section.has("file") && secret.file.empty())) {
      section.problem(R"(names where its value is: file = "PATH" or env = "NAME", and one of them)");
    }
    section.finish();
    manifest_.secrets.push_back(std::move(secret));
  }

  static void read_limits(Section& section, policy::Limits& limits);
  static void read_limits(Section& section, policy::AppLimits& limits);
  void check_stacks();

  Manifest manifest_;
  std::filesystem::path folder_;
  Problems problems_;
  Section root_;
  DefinedNames names_;
};

/// Reads the limits of a table, field by field. policy/ alone knows their ranges.
template <typename Limits>
class LimitsReader {
 public:
  LimitsReader(Section& section, Limits& limits) : section_(section), limits_(limits) {}

  void size(std::string_view field, Bytes Limits::* member) { measured(field, member, parse_bytes); }
  void time(std::string_view field, Duration Limits::* member) { measured(field, member, parse_duration); }
  void count(std::string_view field, std::uint32_t Limits::* member) {
    // Wide enough that policy/ names the range that counts.
    if (const auto number = section_.integer(field, 0, std::numeric_limits<std::uint32_t>::max())) {
      set(field, member, static_cast<std::uint32_t>(*number));
    }
  }

 private:
  template <typename T, typename Parse>
  void measured(std::string_view field, T Limits::* member, const Parse& parse) {
    const std::string* text = section_.text(field);
    if (text == nullptr) {
      return;
    }
    if (const auto value = parse(*text)) {
      set(field, member, *value);
    } else {
      section_.problem(field, value.error().message);
    }
  }

  template <typename T>
  void set(std::string_view field, T Limits::* member, const T& value) {
    Limits alone;
    alone.*member = value;
    if (const auto valid = policy::validate(alone); !valid) {
      section_.problem(field, valid.error().message);
    } else {
      limits_.*member = value;
    }
  }

  Section& section_;
  Limits& limits_;
};

void Reader::read_limits(Section& section, policy::Limits& limits) {
  using policy::Limits;
  LimitsReader<Limits> read(section, limits);
  read.size("memory", &Limits::memory);
  read.count("table_elements", &Limits::table_elements);
  read.size("stack", &Limits::stack);
  read.time("cpu", &Limits::cpu);
  read.time("wall", &Limits::wall);
  read.size("request_body", &Limits::request_body);
  read.size("response_body", &Limits::response_body);
  read.size("stderr", &Limits::stderr_output);
  read.size("log_line_length", &Limits::log_line_length);
  read.count("log_lines_per_second", &Limits::log_lines_per_second);
  read.count("handles", &Limits::handles);
  read.count("host_calls_per_second", &Limits::host_calls_per_second);
  read.count("concurrency", &Limits::concurrency);
  read.count("queue", &Limits::queue);
  read.time("queue_wait", &Limits::queue_wait);
  section.finish();
}

void Reader::read_limits(Section& section, policy::AppLimits& limits) {
  using policy::AppLimits;
  LimitsReader<AppLimits> read(section, limits);
  read.count("concurrency", &AppLimits::concurrency);
  read.count("queue", &AppLimits::queue);
  read.time("queue_wait", &AppLimits::queue_wait);
  section.finish();
}

/// An engine for each function's stack would be too many.
void Reader::check_stacks() {
  std::set<Bytes> sizes;
  for (const Function& function : manifest_.functions) {
    const Bytes stack = function.policy.limits.stack;
    if (sizes.size() < policy::kMaxStackSizes || sizes.contains(stack)) {
      sizes.insert(stack);
      continue;
    }
    const std::string field = fmt::format("function.{}.limits.stack", function.name);
    const auto stated = manifest_.origins.find(field);
    std::string known;
    for (const Bytes size : sizes) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", format(size));
    }
    problems_.add(stated == manifest_.origins.end() ? function.source.line : stated->second.source.line, field,
                  fmt::format("{} would be one more size than the {} that a system may have; use one of {}",
                              format(stack), policy::kMaxStackSizes, known));
  }
}

}  // namespace

std::optional<Protocol> protocol_from_name(std::string_view name) {
  const auto* const at = std::find(std::begin(kProtocols), std::end(kProtocols), name);
  return at == std::end(kProtocols) ? std::nullopt : std::optional(static_cast<Protocol>(at - std::begin(kProtocols)));
}

std::string_view name(WorkerSettings::Lockdown lockdown) {
  return kLockdowns[static_cast<std::size_t>(lockdown)];
}

std::string_view name(WorkerSettings::Scheduling scheduling) {
  return kSchedulings[static_cast<std::size_t>(scheduling)];
}

Result<std::string> read_manifest(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return fail(Reason::Manifest, "cannot read the manifest {}: {}", path.string(), std::strerror(errno));
  }
  std::string text;
  std::array<char, 64 * 1024> piece;
  ssize_t count = 0;
  while (text.size() <= kMaxManifestBytes && (count = read(file, piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(count));
  }
  const int error = errno;
  close(file);
  if (count < 0) {
    return fail(Reason::Manifest, "cannot read the manifest {}: {}", path.string(), std::strerror(error));
  }
  return text;
}

Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& path) {
  TRILBY_ASSIGN(const DocumentNode document, parse_document(text, path.string()));
  return Reader(document, path).read();
}

Result<Manifest> load_manifest(const std::filesystem::path& path) {
  TRILBY_ASSIGN(const std::string text, read_manifest(path));
  return parse_manifest(text, path);
}

}  // namespace trilby::app
