/// \file  The manifest: one TOML file that describes a whole system (docs/manifest.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "http/server_limits.h"
#include "observe/sampler.h"
#include "policy/policy.h"

namespace trilby::app {

/// Where something stands in the manifest, for messages: "trilby.toml:12".
struct Source {
  std::uint32_t line = 0;
};

/// Which of the places that may set a value did; the later ones win (manifest_settings.h).
enum class Origin : std::uint8_t { Default, Manifest, Environment, Flag };

struct Stated {
  Origin origin = Origin::Default;
  Source source;  ///< of Origin::Manifest
};
/// By a field's full name, "function.hello.limits.memory". A field that is not in it has its default.
using Origins = std::map<std::string, Stated, std::less<>>;

struct Address {
  std::string host;        ///< an IP address
  std::uint16_t port = 0;  ///< 0: any free one
};

// What a route leads to.
struct FilesTarget {
  std::filesystem::path root;  ///< a file, or a folder for a path that ends in "*"
};
struct FunctionTarget {
  std::string function;
};
struct InvokeTarget {  ///< Dapr service invocation
  std::string app;
  std::string path;  ///< begins with '/'
};
struct TextTarget {
  std::string text;
};
using RouteTarget = std::variant<FilesTarget, FunctionTarget, InvokeTarget, TextTarget>;

// What becomes of what a function returned, beside its answer. Texts with names in braces are made for each event
// (base/text_template.h).
struct PublishOutput {
  std::string pubsub;
  std::string topic;
  bool raw = false;                               ///< the bytes as they are, not in a CloudEvent
  std::map<std::string, std::string> attributes;  ///< of the CloudEvent
  std::map<std::string, std::string> metadata;
};
struct StateOutput {
  std::string store;
  std::string key;
  std::map<std::string, std::string> metadata;
};
struct BindingOutput {
  std::string binding;
  std::string operation;
  std::map<std::string, std::string> metadata;
};
struct Output {
  std::variant<PublishOutput, StateOutput, BindingOutput, InvokeTarget> what;
  Source source;
};

struct Route {
  std::string method;                                        ///< upper case; empty: any
  std::string path;                                          ///< exact, or a prefix that ends in "/*"
  std::vector<std::pair<std::string, std::string>> headers;  ///< all must match: names without case, values exactly
  std::string cors;                                          ///< allowed origin: "*" or one origin; empty: no CORS
  RouteTarget target;
  std::vector<Output> outputs;  ///< of a function
  Source source;
};

/// What becomes of an event whose call did not end well.
struct FailureActions {
  bool drop_bad_input = true;  ///< on_bad_input; false: it is brought again
  bool drop_failure = false;   ///< on_failure
};

/// Events of a topic. Triggers of the same topic are one subscription: what the first says of it holds for all.
struct TopicTrigger {
  struct Bulk {
    std::uint32_t max_messages = 100;
    Duration max_wait = std::chrono::seconds(1);
  };
  std::string pubsub;
  std::string topic;
  std::string match;  ///< CEL, for the sidecar; empty: every event
  std::string path;   ///< on the app channel
  std::string function;
  FailureActions actions;
  std::vector<Output> outputs;
  std::string dead_letter;        ///< a topic; empty: none
  std::uint32_t max_retries = 5;  ///< so often an event is brought again, where that is counted (Sidecar::retry_store)
  std::optional<Bulk> bulk;
  std::map<std::string, std::string> metadata;  ///< for the component
  Source source;

  /// Whether the sidecar is to bring what was published as it is, and not in a CloudEvent.
  [[nodiscard]] bool is_raw() const {
    const auto raw = metadata.find("rawPayload");
    return raw != metadata.end() && raw->second == "true";
  }
};

/// Events of an input binding.
struct BindingTrigger {
  std::string name;  ///< of the component
  std::string path;
  std::string function;
  FailureActions actions;
  std::vector<Output> outputs;
  Source source;
};

/// A job of the scheduler that fires.
struct JobTrigger {
  std::string name;
  std::string schedule;       ///< when, as Dapr has it (policy/job_schedule.h); empty: that is somebody else's affair
  std::string data = "null";  ///< JSON, that the scheduler keeps and brings
  std::string path;
  std::string function;
  FailureActions actions;
  std::vector<Output> outputs;
  Source source;
};

/// A change in a configuration store. Nobody brings one again, whatever becomes of it.
struct ConfigurationTrigger {
  std::string store;
  std::string key;                              ///< empty: every key
  std::map<std::string, std::string> metadata;  ///< of the subscription; in a store's first trigger alone
  std::string path;                             ///< ends in "/*" for every key
  std::string function;
  std::vector<Output> outputs;
  Source source;
};

/// A type of actors that the app hosts: one function for all that Dapr asks of them. Over HTTP only.
struct ActorTrigger {
  std::string type;
  std::string path;
  std::string function;
  FailureActions actions;  ///< of reminders and timers
  std::vector<Output> outputs;
  // Nothing: what Dapr has for those who do not say.
  std::optional<Duration> idle_timeout;     ///< so long after its last turn an actor is deactivated
  std::optional<Duration> drain_timeout;    ///< so long a turn may go on when its actor moves to another host
  std::optional<std::uint32_t> reentrancy;  ///< so many calls of one chain may be in an actor at once
  bool on_deactivate = false;               ///< whether the function is called when an actor is deactivated
  Source source;
};

/// The sidecar of one app, as far as Trilby asks something of it.
struct Sidecar {
  std::uint16_t http = 3500;                    ///< its HTTP API's port on 127.0.0.1; 0, where Trilby starts it: any
  Duration timeout = std::chrono::seconds(10);  ///< for one request to it, with the answer
  Bytes max_body{4U << 20U};                    ///< of one request to it
  std::string retry_store;  ///< a state store, where it is kept how often events are brought again; empty: nowhere
  Source source;
};

/// What an app channel speaks: `--app-protocol` of the sidecar.
enum class Protocol : std::uint8_t {
  Http,   ///< HTTP/1.1 and HTTP/2, without TLS (daprd's http and h2c)
  Https,  ///< the same with TLS
  Grpc,
  Grpcs,  ///< with TLS
};
inline constexpr std::string_view kProtocols[] = {"http", "https", "grpc", "grpcs"};  ///< in the order of Protocol
[[nodiscard]] constexpr bool is_grpc(Protocol protocol) {
  return protocol == Protocol::Grpc || protocol == Protocol::Grpcs;
}
[[nodiscard]] constexpr bool has_tls(Protocol protocol) {
  return protocol == Protocol::Https || protocol == Protocol::Grpcs;
}
[[nodiscard]] std::optional<Protocol> protocol_from_name(std::string_view name);

/// With what an app speaks TLS, in PEM.
struct TlsFiles {
  std::filesystem::path certificate;  ///< the app's own, and those that lead to its root
  std::filesystem::path key;
  Source source;
};

struct App {
  std::string id;  ///< Dapr app-id
  std::uint16_t port = 0;
  Protocol protocol = Protocol::Http;
  std::optional<Address> public_address;  ///< with TLS when there is `tls`
  std::optional<TlsFiles> tls;            ///< always, where `protocol` needs it
  std::string health = "/healthz";        ///< path of Dapr's probe on the app channel
  std::optional<Sidecar> sidecar;
  std::vector<Route> routes;  ///< first match wins
  std::vector<TopicTrigger> topics;
  std::vector<BindingTrigger> bindings;
  std::vector<JobTrigger> jobs;
  std::vector<ConfigurationTrigger> configurations;
  std::vector<ActorTrigger> actors;
  policy::AppLimits limits;
  Source source;
};

struct Build {
  std::string command;
  std::filesystem::path workdir;
};

struct Function {
  std::string name;
  std::filesystem::path module;
  std::string content_type = "application/octet-stream";
  bool cgi = false;  ///< output = "cgi": what it writes is header fields and body
  std::map<std::string, std::string, std::less<>> variables;  ///< it is given these, beside what it is granted
  policy::Policy policy;
  std::optional<Build> build;
  Source source;
};

struct Model {
  std::string name;
  std::filesystem::path path;
  std::uint32_t threads = 1;
  Source source;
};

/// Where a secret's value comes from; the value itself is never part of a manifest.
struct Secret {
  std::string name;
  std::filesystem::path file;  ///< or
  std::string variable;        ///< of the host's environment; not empty when it is this one
  Source source;
};

/// What [worker] says about the process that serves.
struct WorkerSettings {
  enum class Lockdown : std::uint8_t {
    Auto,      ///< whatever the kernel has
    Required,  ///< all of it, or the worker does not start
    Off,       ///< none, for profilers and sanitizers
  };
  Lockdown lockdown = Lockdown::Auto;
  /// How the kernel takes the threads that serve, sched(7).
  enum class Scheduling : std::uint8_t {
    Auto,
    Batch,   ///< SCHED_BATCH: woken, they wait until whoever has the core is done or its slice is over
    Normal,  ///< SCHED_OTHER: they interrupt it
  };
  Scheduling scheduling = Scheduling::Auto;
};
[[nodiscard]] std::string_view name(WorkerSettings::Lockdown lockdown);
[[nodiscard]] std::string_view name(WorkerSettings::Scheduling scheduling);

/// How HTTP is served, by all apps alike.
struct Server {
  http::ServerLimits limits;
  Bytes request_bodies{512U << 20U};   ///< bodies that wait or are worked on, together
  Bytes response_bodies{512U << 20U};  ///< answers of functions that are not sent yet, together
};

/// Which requests leave a line in the log.
struct AccessLogSettings {
  enum class Lines : std::uint8_t { Sampled, All, None };
  Lines lines = Lines::Sampled;
  std::uint32_t full_rate = 1000;  ///< Sampled: lines a second that are all written, 1..1000000
  std::uint32_t one_in = 100;      ///< Sampled: of more requests that went well, one in so many is, 2..1000000
};
inline constexpr std::string_view kAccessLogLines[] = {"sampled", "all", "none"};  ///< in the order of Lines

/// Where spans or metrics go: a collector of OpenTelemetry's protocol, over HTTP.
struct OtlpEndpoint {
  Address address;
  std::string path;  ///< "/v1/traces"
};

/// What [observe] says, and the variables OTEL_* above it (manifest_observe.h).
struct Observe {
  std::optional<OtlpEndpoint> traces;   ///< nothing: they go nowhere
  std::optional<OtlpEndpoint> metrics;  ///< the same
  observe::Sampler sampler;
  std::string sampler_text = "parentbased_always_on";
  std::string service_name;                             ///< empty: each app is a service of its own
  std::map<std::string, std::string> attributes;        ///< of the resource
  Duration metric_interval = std::chrono::seconds(60);  ///< between two pushes of metrics
  Duration traces_timeout = std::chrono::seconds(10);   ///< of one request, with its answer
  Duration metrics_timeout = std::chrono::seconds(10);  ///< the same
  Duration schedule_delay = std::chrono::seconds(1);    ///< for which a loop gathers spans at most
};

/// A manifest that was read whole and is consistent in itself: every name it uses is defined, every number is in range,
/// paths are absolute. Whether files exist and ports are free is not known yet.
struct Manifest {
  std::filesystem::path path;
  Address admin{"127.0.0.1", 9464};
  WorkerSettings worker;
  Server server;
  AccessLogSettings access_log;
  Observe observe;
  std::vector<App> apps;
  std::vector<Function> functions;
  std::vector<Model> models;
  std::vector<Secret> secrets;
  Origins origins;
};

using trilby::format;  // which the next one would hide
/// "127.0.0.1:8080", "[::1]:8080"
[[nodiscard]] std::string format(const Address& address);

/// The text of a manifest's file, at most 1 MiB. \return Reason::Manifest when it cannot be read
[[nodiscard]] Result<std::string> read_manifest(const std::filesystem::path& path);
/// Reads a manifest. \param path for messages, and where relative paths begin
/// \return Reason::Manifest with a line for each thing that is wrong, at most 20: "file:line: field: what; did you mean
/// ...?"
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& path);
[[nodiscard]] Result<Manifest> load_manifest(const std::filesystem::path& path);

}  // namespace trilby::app
