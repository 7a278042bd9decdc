#include "app/manifest_observe.h"

#include <map>

#include <gtest/gtest.h>

#include "app/manifest_settings.h"

namespace trilby::app {
namespace {

constexpr std::uint64_t kLow = UINT64_MAX;  // an id that no share of traces below all has

class ObserveTest : public testing::Test {
 protected:
  Result<Manifest> read(std::string_view more = {}) {
    TRILBY_ASSIGN(Manifest manifest, parse_manifest("trilby = 1\n" + std::string(more), "trilby.toml"));
    TRILBY_CHECK(apply_telemetry(manifest, [this](const char* name) { return variables[name]; }));
    return manifest;
  }
  /// Of traces and metrics.
  std::pair<std::string, std::string> endpoints(std::string_view more = {}) {
    const auto manifest = read(more);
    if (!manifest) {
      ADD_FAILURE() << manifest.error().message;
      return {};
    }
    const auto text = [](const auto& one) { return one ? format(*one) : "none"; };
    return {text(manifest->observe.traces), text(manifest->observe.metrics)};
  }
  std::string error(std::string_view more = {}) {
    const auto manifest = read(more);
    return manifest ? "none" : manifest.error().message;
  }
  using Both = std::pair<std::string, std::string>;

  std::map<std::string, std::string> variables;
};

TEST_F(ObserveTest, ExportsNothingUnlessToldTo) {
  variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc";  // of others, for there is nothing of ours
  variables["OTEL_TRACES_SAMPLER"] = "jaeger_remote";
  variables["OTEL_TRACES_EXPORTER"] = "zipkin";
  EXPECT_EQ(endpoints(), Both("none", "none"));
  EXPECT_EQ(endpoints("[observe]\n"), Both("none", "none"));
}

TEST_F(ObserveTest, AsksNothingOfWhatIsLeftOut) {
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4318"},
               {"OTEL_TRACES_EXPORTER", "none"},
               {"OTEL_METRICS_EXPORTER", "none"}};
  EXPECT_EQ(endpoints("[observe]\notlp = \"http://127.0.0.1:4318\"\n"), Both("none", "none"));
  variables["OTEL_METRICS_EXPORTER"] = "otlp";
  EXPECT_TRUE(error().starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: ")) << error();
}

TEST_F(ObserveTest, GoesWhereTheManifestOrTheEnvironmentSays) {
  const std::string_view manifest = "[observe]\notlp = \"http://127.0.0.1:4318\"\n";
  EXPECT_EQ(endpoints(manifest), Both("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/metrics"));
  variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://localhost:9/a/b/";
  EXPECT_EQ(endpoints(manifest), Both("http://127.0.0.1:9/a/b/v1/traces", "http://127.0.0.1:9/a/b/v1/metrics"));
  variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://[::1]:7/own/";
  EXPECT_EQ(endpoints(manifest), Both("http://[::1]:7/own/", "http://127.0.0.1:9/a/b/v1/metrics"));
  variables["OTEL_METRICS_EXPORTER"] = "none";
  EXPECT_EQ(endpoints(manifest), Both("http://[::1]:7/own/", "none"));
  variables["OTEL_SDK_DISABLED"] = "true";
  EXPECT_EQ(endpoints(manifest), Both("none", "none"));
  variables = {{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://10.0.0.1"}};
  EXPECT_EQ(endpoints(), Both("none", "http://10.0.0.1:80/"));
}

TEST_F(ObserveTest, RefusesWhatItCannotReach) {
  for (const auto& [url, why] : {
           std::pair("https://127.0.0.1:4318", "asks for TLS"),
           std::pair("127.0.0.1:4318", "is no URL"),
           std::pair("http://collector:4318", "names no IP address"),
           std::pair("http://127.0.0.1:0", "names no IP"),
           std::pair("http://127.0.0.1:70000", "names no IP"),
           std::pair("http://", "names no IP"),
           std::pair("http://localhost.evil:1", "names no IP"),
           std::pair("http://127.0.0.1:1/a?b=c", "has a query"),
           std::pair("http://127.0.0.1:1/a b", "has a query"),
           std::pair("http://user:pass@127.0.0.1:1", "password"),
           std::pair("https://user:pass@127.0.0.1:1", "TLS"),
           std::pair("http://127.0.0.1\n:1", "names no IP"),
       }) {
    variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", url}};
    EXPECT_NE(error().find(why), std::string::npos) << error();
    EXPECT_TRUE(error().starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: ")) << error();
    EXPECT_EQ(error().find("pass@"), std::string::npos) << error();
    EXPECT_EQ(error().find('\n'), std::string::npos) << error();
  }
  variables.clear();
  const std::string message = error("[observe]\notlp = \"grpc://x\"\n");
  EXPECT_TRUE(message.starts_with("trilby.toml:3: observe.otlp: \"grpc://x\" is no URL of http://")) << message;
  EXPECT_NE(error("[observe]\notpl = \"x\"\n").find("otlp"), std::string::npos) << "did you mean";
}

TEST_F(ObserveTest, SpeaksOneProtocol) {
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"}};
  EXPECT_EQ(error(), "none");
  variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc";
  EXPECT_EQ(error(), "OTEL_EXPORTER_OTLP_PROTOCOL: spans and metrics are sent by http/protobuf alone, not \"grpc\"");
  variables["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf";
  EXPECT_EQ(error(), "OTEL_EXPORTER_OTLP_PROTOCOL: spans and metrics are sent by http/protobuf alone, not \"grpc\"");
  variables["OTEL_METRICS_EXPORTER"] = "none";
  EXPECT_EQ(error(), "none") << "that of traces stands above that of all";
  variables["OTEL_TRACES_EXPORTER"] = "zipkin";
  EXPECT_EQ(error(), "OTEL_TRACES_EXPORTER: there are otlp and none, not \"zipkin\"");
}

TEST_F(ObserveTest, SamplesAsItIsTold) {
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"}};
  const auto sampler = [&] { return read().value().observe.sampler; };
  EXPECT_TRUE(sampler().samples(kLow, std::nullopt));
  EXPECT_FALSE(sampler().samples(kLow, false));
  variables["OTEL_TRACES_SAMPLER"] = "always_on";
  EXPECT_TRUE(sampler().samples(kLow, false));
  variables["OTEL_TRACES_SAMPLER"] = "parentbased_traceidratio";
  EXPECT_TRUE(sampler().samples(kLow, std::nullopt)) << "without an argument it is all";
  variables["OTEL_TRACES_SAMPLER_ARG"] = "0.25";
  EXPECT_FALSE(sampler().samples(kLow, std::nullopt));
  EXPECT_TRUE(sampler().samples(kLow / 5, std::nullopt));
  EXPECT_TRUE(sampler().samples(kLow, true));
  for (const char* wrong : {"1.5", "-0.1", "nan", "x", "0.5x"}) {
    variables["OTEL_TRACES_SAMPLER_ARG"] = wrong;
    EXPECT_TRUE(error().starts_with("OTEL_TRACES_SAMPLER_ARG: ")) << wrong;
  }
  variables["OTEL_TRACES_SAMPLER"] = "parentbased_alwayson";
  EXPECT_EQ(error(),
            "OTEL_TRACES_SAMPLER: \"parentbased_alwayson\" is no sampler; did you mean "
            "\"parentbased_always_on\"?");
}

TEST_F(ObserveTest, NamesItsResource) {
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"},
               {"OTEL_RESOURCE_ATTRIBUTES", "team=a%20b%2Cc, service.name=from-attributes ,empty="}};
  const std::map<std::string, std::string> expected = {{"team", "a b,c"}, {"empty", ""}};
  EXPECT_EQ(read().value().observe.attributes, expected);
  EXPECT_EQ(read().value().observe.service_name, "from-attributes");
  variables["OTEL_SERVICE_NAME"] = "own";
  EXPECT_EQ(read().value().observe.service_name, "own");
  for (const char* wrong : {"a", "a=%2", "a=%zz", "=b", "a=%ff"}) {
    variables["OTEL_RESOURCE_ATTRIBUTES"] = wrong;
    EXPECT_TRUE(error().starts_with("OTEL_RESOURCE_ATTRIBUTES: ")) << wrong;
  }
}

TEST_F(ObserveTest, PushesMetricsAsOftenAsItIsTold) {
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"}};
  EXPECT_EQ(read().value().observe.metric_interval, std::chrono::seconds(60));
  variables["OTEL_METRIC_EXPORT_INTERVAL"] = "250";
  EXPECT_EQ(read().value().observe.metric_interval, std::chrono::milliseconds(250));
  for (const char* wrong : {"0", "99", "1s", "-1", "86400001", "99999999999999999999"}) {
    variables["OTEL_METRIC_EXPORT_INTERVAL"] = wrong;
    EXPECT_TRUE(error().starts_with("OTEL_METRIC_EXPORT_INTERVAL: ")) << wrong;
  }
}

TEST_F(ObserveTest, WaitsAsLongAsItIsTold) {
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"}};
  const auto times = [this] {
    const Observe observe = read().value().observe;
    return format(observe.traces_timeout) + " " + format(observe.metrics_timeout) + " " +
           format(observe.schedule_delay);
  };
  EXPECT_EQ(times(), "10s 10s 1s");
  variables["OTEL_EXPORTER_OTLP_TIMEOUT"] = "3000";
  EXPECT_EQ(times(), "3s 3s 1s");
  variables["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"] = "60000";
  variables["OTEL_BSP_SCHEDULE_DELAY"] = "5000";
  EXPECT_EQ(times(), "1m 3s 5s");
  variables["OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"] = "1";
  EXPECT_EQ(times(), "1m 1ms 5s");
  for (const std::string name : {"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                                 "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_BSP_SCHEDULE_DELAY"}) {
    const std::string before = variables[name];
    for (const char* wrong : {"0", "-1", "10s", "60001", "99999999999999999999"}) {
      variables[name] = wrong;
      EXPECT_TRUE(error().starts_with(name + ": ")) << wrong << ": " << error();
    }
    variables[name] = before;
  }
}

TEST_F(ObserveTest, ShowsNoHeader) {
  const auto fields = parse_otlp_headers("api-key=se%63ret, x-other = y%20z", "NAME");
  ASSERT_TRUE(fields);
  EXPECT_EQ(*fields->find("api-key"), "secret");
  EXPECT_EQ(*fields->find("x-other"), "y z");
  EXPECT_TRUE(parse_otlp_headers("", "NAME").value().empty());
  for (const char* wrong : {"secret", "a=secret%0d%0ab: c", "a secret=b", "a=secret%", "=secret", "a=secret\x80"}) {
    const auto refused = parse_otlp_headers(wrong, "NAME");
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().message.find("secret%"), std::string::npos);
    EXPECT_TRUE(refused.error().message.starts_with("NAME: ")) << refused.error().message;
  }
  variables = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"}, {"OTEL_EXPORTER_OTLP_HEADERS", "hidden%"}};
  EXPECT_TRUE(error().starts_with("OTEL_EXPORTER_OTLP_HEADERS: is no list")) << error();
  EXPECT_EQ(error().find("hidden"), std::string::npos);
  variables["OTEL_EXPORTER_OTLP_HEADERS"] = "api-key=hidden";
  for (const Setting& setting : settings_in_force(read().value())) {
    EXPECT_EQ(setting.value.find("hidden"), std::string::npos) << setting.name;
  }
}

}  // namespace
}  // namespace trilby::app
