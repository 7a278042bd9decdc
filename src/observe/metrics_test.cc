#include "observe/metrics.h"

#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace trilby::observe {
namespace {

struct Fixture {
  Labels labels;
  std::size_t route = labels.add_route("web", "POST /api/hello");
  std::size_t unmatched = labels.add_route("web", "");
  std::size_t function = labels.add_function("gray");
  LoopMetrics one{labels};
  LoopMetrics two{labels};

  [[nodiscard]] std::string page(TextFormat format = TextFormat::Prometheus) const {
    const std::array<const LoopMetrics*, 2> loops = {&one, &two};
    return render_metrics(labels, loops, "1.2.3", format);
  }
};

bool has_line(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, SayWhatTheWorkerGaveUp) {
  const Fixture f;
  EXPECT_EQ(f.page().find("trilby_lockdown"), std::string::npos) << "nothing is known yet";
  const std::array<WallLayer, 2> wall = {{{"seccomp", true}, {"landlock", false}}};
  const std::string page = render_metrics(f.labels, {}, "1.2.3", TextFormat::Prometheus, wall);
  EXPECT_TRUE(has_line(page, R"(trilby_lockdown{layer="seccomp"} 1)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_lockdown{layer="landlock"} 0)")) << page;
}

TEST(Metrics, TellWhatBecameOfSpansWhereTheyAreExported) {
  Fixture f;
  EXPECT_EQ(f.page().find("trilby_spans"), std::string::npos);
  ExportMetrics exports;
  exports.exported.add(5);
  exports.refused.add(2);
  exports.unreachable.add(3);
  f.one.dropped_spans.add(1);
  f.two.dropped_spans.add(10);
  const std::array<const LoopMetrics*, 2> loops = {&f.one, &f.two};
  OwnLoopMetrics apart;
  apart.dropped_spans.add(100);
  const std::array<const OwnLoopMetrics*, 1> own = {&apart};
  const std::string page =
      render_metrics(MetricSources{f.labels, loops, "1", {}, own, &exports}, TextFormat::Prometheus);
  EXPECT_TRUE(has_line(page, "trilby_spans_exported_total 5")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_spans_dropped_total{why="no-room"} 111)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_spans_dropped_total{why="refused"} 2)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_spans_dropped_total{why="unreachable"} 3)")) << page;
}

TEST(Metrics, TellWhatTheSupervisorCounts) {
  const Fixture f;
  EXPECT_EQ(f.page().find("trilby_reloads"), std::string::npos);
  SupervisorMetrics counts;
  counts.reloads.count(true);
  counts.reloads.count(true);
  counts.reloads.count(false);
  counts.renewals.count(false);
  counts.crashes.add(4);
  MetricSources sources{f.labels, {}, "1", {}, {}};
  sources.supervisor = &counts;
  const std::string page = render_metrics(sources, TextFormat::Prometheus);
  EXPECT_TRUE(has_line(page, R"(trilby_reloads_total{result="ok"} 2)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_reloads_total{result="failed"} 1)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_certificate_renewals_total{result="ok"} 0)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_certificate_renewals_total{result="failed"} 1)")) << page;
  EXPECT_TRUE(has_line(page, "trilby_worker_crashes_total 4")) << page;
}

TEST(Metrics, TellOfEventsThatWereGivenUpWhereSomeMayBe) {
  EXPECT_EQ(Fixture().page().find("trilby_events"), std::string::npos);
  Fixture f;
  const std::size_t orders = f.labels.add_route("web", "topic broker/orders");
  f.labels.set_gives_up(orders);
  LoopMetrics one(f.labels);
  LoopMetrics two(f.labels);
  const std::array<const LoopMetrics*, 2> loops = {&one, &two};
  const auto page = [&] { return render_metrics(f.labels, loops, "1", TextFormat::Prometheus); };
  const std::string series = R"(trilby_events_given_up_total{app="web",trigger="topic broker/orders"} )";
  EXPECT_TRUE(has_line(page(), series + "0")) << "before the first, so that its coming is an increase";
  EXPECT_EQ(page().find(R"(trigger="POST /api/hello")"), std::string::npos);
  one.event_given_up(orders);
  two.event_given_up(orders);
  EXPECT_TRUE(has_line(page(), series + "2"));
}

TEST(Metrics, TellHowHandshakesEndedAndWhenCertificatesExpire) {
  EXPECT_EQ(Fixture().page().find("trilby_tls"), std::string::npos) << "nobody speaks TLS";
  Labels labels;
  const std::size_t channel = labels.add_tls_listener("web", "channel");
  const std::size_t open = labels.add_tls_listener("web", "public");
  LoopMetrics one(labels);
  LoopMetrics two(labels);
  one.handshakes(open).count(HandshakeEnd::Done);
  two.handshakes(open).count(HandshakeEnd::Done);
  two.handshakes(open).count(HandshakeEnd::Refused);
  one.handshakes(channel).count(HandshakeEnd::Crowded);
  const std::array<const LoopMetrics*, 2> loops = {&one, &two};
  const std::vector<CertificateExpiry> certificates = {{"web", 253402300799}};
  MetricSources sources{labels, loops, "1", {}, {}};
  sources.certificates = certificates;
  const std::string page = render_metrics(sources, TextFormat::Prometheus);
  const auto expect = [&](const std::string& labelled, int count) {
    EXPECT_TRUE(has_line(page, "trilby_tls_handshakes_total{app=\"web\"," + labelled + "} " + std::to_string(count)))
        << page;
  };
  expect(R"(listener="public",result="ok")", 2);
  expect(R"(listener="public",result="refused")", 1);
  expect(R"(listener="public",result="crowded")", 0);
  expect(R"(listener="channel",result="crowded")", 1);
  EXPECT_TRUE(has_line(page, R"(trilby_tls_certificate_expiration_timestamp_seconds{app="web"} 253402300799)")) << page;
}

TEST(Metrics, TellOfEachLoopForFilesAndMuchMemory) {
  const Fixture f;
  EXPECT_EQ(f.page().find("trilby_own_loop"), std::string::npos) << "there are none";
  OwnLoopMetrics first;
  OwnLoopMetrics second;
  second.calls.add(3);
  second.stall.stalls.add();
  const std::array<const OwnLoopMetrics*, 2> own = {&first, &second};
  const std::string page = render_metrics(f.labels, {}, "1.2.3", TextFormat::Prometheus, {}, own);
  EXPECT_TRUE(has_line(page, "trilby_own_loops 2")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_own_loop_calls_live{loop="0"} 0)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_own_loop_calls_live{loop="1"} 3)")) << page;
  EXPECT_TRUE(has_line(page, R"(trilby_own_loop_stalls_total{loop="1"} 1)")) << page;
}

TEST(Metrics, AddUpOverLoops) {
  Fixture f;
  const RequestSample sample{f.route, method_class("POST"), 200, Reason::Ok, std::chrono::milliseconds(2), 100};
  f.one.count_request(sample);
  f.two.count_request(sample);
  f.two.count_request({f.route, method_class("BREW"), 413, Reason::BodyTooLarge, std::chrono::seconds(100), 0});
  const std::string page = f.page();
  EXPECT_TRUE(has_line(
      page,
      R"(trilby_http_requests_total{app="web",route="POST /api/hello",method="POST",status="2xx",reason="ok"} 2)"))
      << page;
  EXPECT_TRUE(has_line(
      page,
      R"(trilby_http_requests_total{app="web",route="POST /api/hello",method="other",status="4xx",reason="body-too-large"} 1)"));
  EXPECT_TRUE(
      has_line(page, R"(trilby_http_request_duration_seconds_bucket{app="web",route="POST /api/hello",le="0.001"} 0)"));
  EXPECT_TRUE(has_line(
      page, R"(trilby_http_request_duration_seconds_bucket{app="web",route="POST /api/hello",le="0.0025"} 2)"));
  EXPECT_TRUE(
      has_line(page, R"(trilby_http_request_duration_seconds_bucket{app="web",route="POST /api/hello",le="+Inf"} 3)"));
  EXPECT_TRUE(has_line(page, R"(trilby_http_response_bytes_total{app="web",route="POST /api/hello"} 200)"));
}

TEST(Metrics, CountCallsAndWhatTheyCost) {
  Fixture f;
  f.one.call_started(f.function);
  f.one.call_started(f.function);
  EXPECT_TRUE(has_line(f.page(), R"(trilby_calls_live{function="gray"} 2)"));
  Record record;
  record.wall = std::chrono::milliseconds(30);
  record.cpu = std::chrono::milliseconds(20);
  record.memory_peak = Bytes{1U << 20U};
  record.denials.add(Grant::Model);
  record.denials.add(Grant::Model);
  record.denials.add(Grant::Socket);
  record.run = std::chrono::milliseconds(29);
  record.input = Bytes{5};
  record.output = Bytes{300};
  record.log_lines_dropped = 4;
  record.inferences = 1;
  record.inference = std::chrono::milliseconds(3);
  f.one.call_ended(f.function, Reason::Ok, record);
  f.one.call_ended(f.function, Reason::Overloaded, {});
  const std::string page = f.page();
  EXPECT_TRUE(has_line(page, R"(trilby_calls_live{function="gray"} 0)"));
  EXPECT_TRUE(has_line(page, R"(trilby_calls_total{function="gray",reason="ok"} 1)"));
  EXPECT_TRUE(has_line(page, R"(trilby_calls_total{function="gray",reason="overloaded"} 1)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_denials_total{function="gray",grant="model"} 2)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_denials_total{function="gray",grant="directory"} 0)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_denials_total{function="gray",grant="socket"} 1)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_log_dropped_lines_total{function="gray"} 4)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_run_seconds_sum{function="gray"} 0.029)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_input_bytes_bucket{function="gray",le="0.0"} 0)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_input_bytes_bucket{function="gray",le="256.0"} 1)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_output_bytes_bucket{function="gray",le="1024.0"} 1)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_inferences_total{function="gray"} 1)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_inference_seconds_sum{function="gray"} 0.003)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_cpu_seconds_sum{function="gray"} 0.02)"));
  EXPECT_TRUE(has_line(page, R"(trilby_call_cpu_seconds_count{function="gray"} 1)")) << "a refused call costs no CPU";
  EXPECT_TRUE(has_line(page, R"(trilby_call_memory_peak_bytes_bucket{function="gray",le="1048576.0"} 1)"));
}

TEST(Metrics, ShareASeriesWhereLabelsAreTheSame) {
  Fixture f;
  EXPECT_EQ(f.labels.add_route("web", "POST /api/hello"), f.route);
  EXPECT_NE(f.labels.add_route("api", "POST /api/hello"), f.route);
}

TEST(Metrics, KeepASeriesForEveryStatusThatCanBe) {
  Fixture f;
  for (const int status : {0, 99, 100, 599, 600, 1000}) {
    f.one.count_request({f.unmatched, 0, status, Reason::Internal, Duration(-5), 0});
  }
  EXPECT_TRUE(has_line(
      f.page(), R"(trilby_http_requests_total{app="web",route="",method="GET",status="1xx",reason="internal"} 3)"));
  EXPECT_TRUE(has_line(
      f.page(), R"(trilby_http_requests_total{app="web",route="",method="GET",status="5xx",reason="internal"} 3)"));
}

/// Every sample belongs to the family announced last, no family comes twice, no sample comes twice.
void check_page(const std::string& page, bool open_metrics) {
  std::istringstream lines(page);
  std::set<std::string> families;
  std::set<std::string> samples;
  std::string family;
  std::string last;
  for (std::string line; std::getline(lines, line); last = line) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << line;
    } else if (!line.starts_with('#')) {
      const std::size_t value = line.rfind(' ');
      EXPECT_TRUE(line.starts_with(family)) << line;
      EXPECT_TRUE(samples.insert(line.substr(0, value)).second) << line;
      EXPECT_NO_THROW((void)std::stod(line.substr(value))) << line;
    }
  }
  EXPECT_GT(samples.size(), 80U);
  EXPECT_EQ(last == "# EOF", open_metrics);
}

TEST(Metrics, MakeAValidPage) {
  Fixture f;
  f.one.count_request({f.route, 0, 200, Reason::Ok, Duration(1), 1});
  check_page(f.page(TextFormat::Prometheus), false);
  check_page(f.page(TextFormat::OpenMetrics), true);
  EXPECT_TRUE(has_line(f.page(), R"(trilby_build_info{version="1.2.3"} 1)"));
  EXPECT_EQ(f.page().find("process_resident_memory_bytes 0\n"), std::string::npos);
  EXPECT_EQ(f.page().find("process_start_time_seconds 0.0\n"), std::string::npos);
}

}  // namespace
}  // namespace trilby::observe
