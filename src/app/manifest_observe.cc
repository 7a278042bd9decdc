#include "app/manifest_observe.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "app/manifest_addresses.h"
#include "base/number.h"
#include "base/text.h"

namespace trilby::app {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::size_t kMaxUrl = 1024;
constexpr std::size_t kMaxPairs = 64;
constexpr std::size_t kMaxPairsBytes = 16U << 10U;
constexpr std::size_t kMostShown = 100;
/// Of a variable, in milliseconds.
struct Range {
  std::int64_t least;
  std::int64_t most;
};
constexpr Range kIntervals = {100, 24 * 3600 * 1000};
constexpr Range kTimeouts = {1, kMostOtlpTimeout.count()};
constexpr Range kDelays = {1, 60 * 1000};
constexpr std::string_view kTracesPath = "/v1/traces";
constexpr std::string_view kMetricsPath = "/v1/metrics";
constexpr std::string_view kOnlyProtocol = "http/protobuf";
constexpr const char* kEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
constexpr const char* kSampler = "OTEL_TRACES_SAMPLER";
constexpr const char* kSamplerArgument = "OTEL_TRACES_SAMPLER_ARG";

using Root = observe::Sampler::Root;
struct SamplerRow {
  std::string_view name;
  Root root;
  bool follows_parent;
};
constexpr std::array<SamplerRow, 6> kSamplers = {{{"always_on", Root::AlwaysOn, false},
                                                  {"always_off", Root::AlwaysOff, false},
                                                  {"traceidratio", Root::Ratio, false},
                                                  {"parentbased_always_on", Root::AlwaysOn, true},
                                                  {"parentbased_always_off", Root::AlwaysOff, true},
                                                  {"parentbased_traceidratio", Root::Ratio, true}}};

std::string shown(std::string_view text) {
  return printable_line(text, kMostShown);
}

/// What may stand in a path as it is sent: visible, and no query or fragment.
bool is_path(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '?' && c != '#'; });
}

/// "http://127.0.0.1:4318/prefix". \param own_path  stands behind what the URL says; empty: the URL says all, and is
/// used as it is
Result<OtlpEndpoint> parse_endpoint(std::string_view text, std::string_view own_path) {
  constexpr std::string_view kScheme = "http://";
  const auto wrong = [&](std::string_view why) {
    return fail(Reason::BadRequest, "\"{}\" {}; write the address of a collector, as in http://127.0.0.1:4318",
                shown(text.substr(0, text.find('@') == std::string_view::npos ? text.size() : 0)), why);
  };
  if (text.starts_with("https://")) {
    return wrong("asks for TLS, which spans and metrics are not sent over yet");
  }
  if (!text.starts_with(kScheme) || text.size() > kMaxUrl) {
    return wrong("is no URL of http://");
  }
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view path = rest.substr(slash);
  std::string authority(rest.substr(0, slash));
  if (authority.find('@') != std::string::npos) {
    return wrong("(not shown) has a name or a password in it; headers may hold what a collector wants to see");
  }
  if (!is_path(path)) {
    return wrong("has a query, or what no path has");
  }
  const bool has_port = authority.rfind(':') != std::string::npos && !authority.ends_with(']');
  if (!has_port) {
    authority += fmt::format(":{}", kHttpPort);
  }
  if (authority.starts_with("localhost:")) {
    authority.replace(0, authority.find(':'), "127.0.0.1");
  }
  auto address = parse_address(authority);
  if (!address || address->port == 0) {
    return wrong("names no IP address (there is no resolver: a literal address, or localhost)");
  }
  while (!own_path.empty() && path.ends_with('/')) {
    path.remove_suffix(1);
  }
  OtlpEndpoint endpoint{std::move(*address), std::string(path) + std::string(own_path)};
  if (endpoint.path.empty()) {
    endpoint.path = "/";
  }
  return endpoint;
}

Error at(const char* name, Error error) {
  return {Reason::BadRequest, fmt::format("{}: {}", name, error.message)};
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
    if (!low) {
      return std::nullopt;
    }
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

/// "a=b,c=d%20e". \return nothing when it is none
std::optional<std::vector<std::pair<std::string, std::string>>> parse_pairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (text.size() > kMaxPairsBytes) {
    return std::nullopt;
  }
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view one = trimmed(text.substr(begin, end - begin));
    begin = end + 1;
    if (one.empty()) {
      continue;
    }
    const std::size_t equals = one.find('=');
    auto value = equals == std::string_view::npos ? std::nullopt : percent_decoded(trimmed(one.substr(equals + 1)));
    const std::string_view name = trimmed(one.substr(0, std::min(equals, one.size())));
    if (!value || name.empty() || pairs.size() == kMaxPairs) {
      return std::nullopt;
    }
    pairs.emplace_back(name, std::move(*value));
  }
  return pairs;
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7F; });
}

/// Where one signal goes.
struct Signal {
  const char* endpoint;
  const char* protocol;
  const char* exporter;
  std::string_view path;
  std::string_view setting;
};
constexpr Signal kTraces = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                            "OTEL_TRACES_EXPORTER", kTracesPath, "observe.traces"};
constexpr Signal kMetrics = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
                             "OTEL_METRICS_EXPORTER", kMetricsPath, "observe.metrics"};

/// \param out  what the manifest says; what is in force then
Result<void> apply_signal(const Signal& signal, std::optional<OtlpEndpoint>& out, Origins& origins,
                          const FindVariable& variable) {
  const auto set = [&](const char* name, std::string_view path) -> Result<void> {
    if (const std::string url = variable(name); !url.empty()) {
      auto endpoint = parse_endpoint(url, path);
      if (!endpoint) {
        return fail(at(name, std::move(endpoint).error()));
      }
      out = std::move(*endpoint);
      origins[std::string(signal.setting)] = {Origin::Environment, {}};
    }
    return {};
  };
  const std::string exporter = variable(signal.exporter);
  if (exporter == "none") {
    out.reset();
    origins[std::string(signal.setting)] = {Origin::Environment, {}};
    return {};
  }
  TRILBY_CHECK(set(kEndpoint, signal.path));
  TRILBY_CHECK(set(signal.endpoint, {}));
  if (!out) {
    return {};
  }
  if (!exporter.empty() && exporter != "otlp") {
    return fail(Reason::BadRequest, "{}: there are otlp and none, not \"{}\"", signal.exporter, shown(exporter));
  }
  for (const char* const name : {signal.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL"}) {
    const std::string protocol = variable(name);
    if (protocol == kOnlyProtocol) {
      break;  // that of the signal stands above that of all
    }
    if (!protocol.empty()) {
      return fail(Reason::BadRequest, "{}: spans and metrics are sent by {} alone, not \"{}\"", name, kOnlyProtocol,
                  shown(protocol));
    }
  }
  return {};
}

Result<void> apply_sampler(Observe& observe, Origins& origins, const FindVariable& variable) {
  const std::string name = variable(kSampler);
  if (name.empty()) {
    return {};
  }
  const auto* const row =
      std::find_if(kSamplers.begin(), kSamplers.end(), [&](const SamplerRow& known) { return known.name == name; });
  if (row == kSamplers.end()) {
    std::vector<std::string_view> names;
    std::transform(kSamplers.begin(), kSamplers.end(), std::back_inserter(names),
                   [](const SamplerRow& known) { return known.name; });
    return fail(Reason::BadRequest, "{}: \"{}\" is no sampler{}", kSampler, shown(name), suggestion(name, names));
  }
  double ratio = 1;
  observe.sampler_text = name;
  if (row->root == Root::Ratio) {
    const std::string text = variable(kSamplerArgument);
    ratio = text.empty() ? 1 : parse_number<double>(text).value_or(-1);
    if (!(ratio >= 0 && ratio <= 1)) {  // nor may it be a NaN
      return fail(Reason::BadRequest, "{}: \"{}\" is no number from 0 to 1, as in 0.01", kSamplerArgument, shown(text));
    }
    observe.sampler_text += fmt::format(" {}", ratio);
  }
  observe.sampler = observe::Sampler(row->root, row->follows_parent, ratio);
  origins["observe.sampler"] = {Origin::Environment, {}};
  return {};
}

Result<void> apply_resource(Observe& observe, const FindVariable& variable) {
  constexpr const char* kAttributes = "OTEL_RESOURCE_ATTRIBUTES";
  const auto pairs = parse_pairs(variable(kAttributes));
  if (!pairs) {
    return fail(Reason::BadRequest,
                "{}: is no list as in deployment.environment=test,team=a%20b (at most {} in {} KiB)", kAttributes,
                kMaxPairs, kMaxPairsBytes >> 10U);
  }
  for (const auto& [name, value] : *pairs) {
    if (!is_utf8(name) || !is_utf8(value)) {
      return fail(Reason::BadRequest, "{}: is no UTF-8", kAttributes);
    }
    observe.attributes[name] = value;
  }
  observe.service_name = variable("OTEL_SERVICE_NAME");
  if (const auto named = observe.attributes.find("service.name"); named != observe.attributes.end()) {
    observe.service_name = observe.service_name.empty() ? named->second : observe.service_name;
    observe.attributes.erase(named);
  }
  if (!is_utf8(observe.service_name)) {
    return fail(Reason::BadRequest, "OTEL_SERVICE_NAME: is no UTF-8");
  }
  return {};
}

/// A variable of milliseconds. \param setting  keeps its value where the variable is not set
struct Time {
  const char* variable;
  Range range;
  Duration Observe::* setting;
  std::string_view name;
};
constexpr const char* kTimeout = "OTEL_EXPORTER_OTLP_TIMEOUT";
/// That of a signal stands above that of both.
constexpr std::array<Time, 6> kTimes = {{
    {"OTEL_METRIC_EXPORT_INTERVAL", kIntervals, &Observe::metric_interval, "observe.metric_interval"},
    {"OTEL_BSP_SCHEDULE_DELAY", kDelays, &Observe::schedule_delay, "observe.schedule_delay"},
    {kTimeout, kTimeouts, &Observe::traces_timeout, "observe.traces_timeout"},
    {kTimeout, kTimeouts, &Observe::metrics_timeout, "observe.metrics_timeout"},
    {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", kTimeouts, &Observe::traces_timeout, "observe.traces_timeout"},
    {"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", kTimeouts, &Observe::metrics_timeout, "observe.metrics_timeout"},
}};

Result<void> apply_times(Observe& observe, Origins& origins, const FindVariable& variable) {
  for (const Time& time : kTimes) {
    const std::string text = variable(time.variable);
    if (text.empty()) {
      continue;
    }
    const auto milliseconds = parse_number<std::int64_t>(text);
    if (!milliseconds || *milliseconds < time.range.least || *milliseconds > time.range.most) {
      return fail(Reason::BadRequest, "{}: \"{}\" is no number of milliseconds from {} to {}", time.variable,
                  shown(text), time.range.least, time.range.most);
    }
    observe.*time.setting = std::chrono::milliseconds(*milliseconds);
    origins[std::string(time.name)] = {Origin::Environment, {}};
  }
  return {};
}

}  // namespace

void read_observe(Section& section, Observe& out) {
  if (const std::string* url = section.text("otlp")) {
    auto traces = parse_endpoint(*url, kTracesPath);
    auto metrics = parse_endpoint(*url, kMetricsPath);
    if (!traces || !metrics) {
      section.problem("otlp", traces ? metrics.error().message : traces.error().message);
    } else {
      out.traces = std::move(*traces);
      out.metrics = std::move(*metrics);
    }
  }
  section.finish();
}

Result<void> apply_telemetry(Manifest& manifest, const FindVariable& variable) {
  Observe& observe = manifest.observe;
  if (ascii_lower(variable("OTEL_SDK_DISABLED")) == "true") {
    observe.traces.reset();
    observe.metrics.reset();
    return {};
  }
  TRILBY_CHECK(apply_signal(kTraces, observe.traces, manifest.origins, variable));
  TRILBY_CHECK(apply_signal(kMetrics, observe.metrics, manifest.origins, variable));
  if (!observe.traces && !observe.metrics) {
    return {};  // the rest is for others
  }
  TRILBY_CHECK(apply_sampler(observe, manifest.origins, variable));
  TRILBY_CHECK(apply_resource(observe, variable));
  TRILBY_CHECK(apply_times(observe, manifest.origins, variable));
  for (const char* const headers :
       {"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"}) {
    TRILBY_CHECK(parse_otlp_headers(variable(headers), headers));
  }
  return {};
}

Result<Fields> parse_otlp_headers(std::string_view text, std::string_view name) {
  const auto pairs = parse_pairs(text);
  if (!pairs) {
    return fail(Reason::BadRequest, "{}: is no list as in api-key=secret,other=a%20b (at most {} in {} KiB)", name,
                kMaxPairs, kMaxPairsBytes >> 10U);
  }
  Fields fields;
  for (const auto& [field, value] : *pairs) {
    if (!is_token(field) || !is_field_value(value)) {
      return fail(Reason::BadRequest, "{}: has what no header of HTTP may have", name);
    }
    fields.set(field, value);
  }
  return fields;
}

std::string format(const OtlpEndpoint& endpoint) {
  return fmt::format("http://{}{}", format(endpoint.address), endpoint.path);
}

}  // namespace trilby::app
