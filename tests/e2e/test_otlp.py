"""Spans and metrics by OpenTelemetry's protocol, read by the published schema at a real receiver."""

import json
import re
import socket
import subprocess
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from collector import Collector
from observed import metric, wait_until
from raw_http import ask, request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"traceparent: 00-{TRACE}-{PARENT}-01"
MANIFEST = """
[app.web]
port = 1
[[app.web.route]]
path = "/far"
invoke = "api/echo"
[app.api]
port = 2
[[app.api.route]]
path = "/echo"
function = "echo"
[[app.api.route]]
method = "POST"
path = "/trap/*"
function = "trap"
[[app.api.route]]
path = "/text"
text = "hi"
[function.echo]
module = "{guests}/echo.wasm"
[function.trap]
module = "{guests}/unreachable.wasm"
"""
SECRETS = ["hidden-api-key", "hidden-dapr-token", "hidden-app-token", "hidden-query", "hidden-cookie", "hidden-body"]


@pytest.fixture(scope="module")
def manifest(guests):
    return MANIFEST.format(guests=guests)


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.stop()


@pytest.fixture
def traced(start_system, manifest, collector):
    """Starts a system whose spans go to `collector`; more variables of the environment may be given."""
    def start(*options, **variables):
        return start_system(manifest, *options, env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRICS_EXPORTER": "none",
                                                     "TRILBY_LOG_FORMAT": "json", **variables})
    return start


def dropped(system, why):
    return metric(system, "trilby_spans_dropped_total", why=why)


def test_a_request_is_a_span_and_its_call_one_below(traced, collector):
    system = traced()
    before = time.time_ns()
    fields = [SAMPLED, "tracestate: vendor=1", "X-Request-Id: a-request-that-is-traced"]
    assert ask(system.address("api"), request("POST", "/echo?secret=1", fields, b"hello")).status == 200
    call, served = collector.wait_for_spans(2, TRACE)
    assert (served.kind, served.name, served.parent, served.service) == ("server", "/echo", PARENT, "api")
    assert served.attributes == {
        "http.request.method": "POST", "url.scheme": "http", "url.path": "/echo", "http.route": "/echo", "http.response.status_code": 200,
        "trilby.app": "api", "trilby.reason": "ok", "trilby.request_id": "a-request-that-is-traced", "trilby.function": "echo"}
    assert (call.kind, call.name, call.parent, call.service) == ("internal", "echo", served.id, "api")
    assert (served.state, served.flags) == ("vendor=1", 0x301), "the caller's, which is another process"
    assert (call.state, call.flags) == ("vendor=1", 0x101)
    assert call.attributes["trilby.reason"] == "ok"
    assert call.attributes["trilby.memory_peak_bytes"] >= 65536
    assert 0 < call.attributes["trilby.cpu_seconds"] < 60
    assert {"trilby.queue_seconds", "trilby.instantiate_seconds", "trilby.run_seconds"} <= call.attributes.keys()
    assert before - 1e9 < served.start <= call.start <= call.end <= served.end < time.time_ns() + 1e9
    assert not served.failed and not call.failed
    assert {"service.instance.id", "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version"} <= served.resource.keys()


def test_what_fails_says_so(traced, collector):
    system = traced()
    ask(system.address("api"), request("POST", "/trap/here", [SAMPLED]))
    ask(system.address("api"), request("PROPFIND", "/nowhere", [SAMPLED]))
    spans = {span.name: span for span in collector.wait_for_spans(3, TRACE)}
    assert spans["POST /trap/*"].attributes["http.route"] == "/trap/*"
    assert spans["POST /trap/*"].attributes["url.path"] == "/trap/here"
    assert spans["POST /trap/*"].failed and spans["POST /trap/*"].attributes["error.type"] == "trap"
    assert spans["trap"].failed and spans["trap"].attributes["trilby.reason"] == "trap"
    assert not spans["HTTP"].failed, "the caller's fault"
    assert spans["HTTP"].attributes["http.request.method"] == "_OTHER"
    assert spans["HTTP"].attributes["http.response.status_code"] == 404
    assert "http.route" not in spans["HTTP"].attributes


def test_a_trace_leads_through_the_apps_of_one_process(traced, collector):
    system = traced()
    assert ask(system.address("web"), request("POST", "/far", body=b"x")).body == b"x"
    spans = collector.wait_for_spans(3)
    served, invoked, call = (next(span for span in spans if span.kind == kind) for kind in ("server", "client", "internal"))
    assert {span.trace for span in spans} == {served.trace}, "it began here"
    assert (served.parent, invoked.parent, call.parent) == ("", served.id, invoked.id)
    assert (served.service, invoked.service, call.service) == ("web", "web", "api"), "each app is a service"
    assert invoked.name == "invoke api"
    assert invoked.attributes["http.response.status_code"] == 200
    system.wait_for_log(f'"trace_id":"{served.trace}"')


def test_the_parents_choice_holds(traced, collector):
    system = traced()
    api = system.address("api")
    ask(api, request("POST", "/echo", [f"traceparent: 00-{'a' * 32}-{PARENT}-00"]))
    ask(api, request("POST", "/echo", [SAMPLED]))
    collector.wait_for_spans(2, TRACE)
    assert len(collector.spans()) == 2


@pytest.mark.parametrize(("sampler", "ratio", "expected"), [
    ("always_on", "", {"rooted", "sampled", "unsampled"}), ("always_off", "", set()), ("parentbased_always_off", "", {"sampled"}),
    ("parentbased_traceidratio", "0", {"sampled"}), ("traceidratio", "1", {"rooted", "sampled", "unsampled"}),
])
def test_it_samples_as_it_is_told(traced, collector, sampler, ratio, expected):
    system = traced(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=ratio, OTEL_BSP_SCHEDULE_DELAY="100")
    web = system.address("api")
    for name, fields in {"rooted": [], "sampled": [SAMPLED], "unsampled": [SAMPLED[:-2] + "00"]}.items():
        ask(web, request("GET", "/text", [*fields, f"X-Request-Id: a-request-that-is-{name}"]))

    def sampled():
        return {span.attributes["trilby.request_id"].rpartition("-")[2] for span in collector.spans()}

    collector.wait_for(lambda: sampled() >= expected)
    assert system.stop() == 0  # with what was not sent yet
    assert sampled() == expected


@pytest.mark.parametrize("fields", [
    ["traceparent: " + "0" * 55], [f"traceparent: 00-{'0' * 32}-{PARENT}-01"], [f"traceparent: 00-{TRACE}-{'0' * 16}-01"],
    [f"traceparent: ff-{TRACE}-{PARENT}-01"], [f"traceparent: 00-{TRACE.upper()}-{PARENT}-01"], [SAMPLED + "-more"], [SAMPLED, SAMPLED],
    ["traceparent: " + "00-" * 5000], [f"traceparent: 00-{TRACE}-{PARENT}-zz"], ["traceparent: \xff\xfe"], [f"traceparent: 00_{TRACE}_{PARENT}_01"],
])
def test_a_context_that_is_none_begins_a_trace(hostile, fields):
    system, collector = hostile
    before = len(collector.spans())
    ask(system.address("api"), request("GET", "/text", [*fields, "tracestate: a=b"]))
    (span,) = collector.wait_for(lambda: collector.spans()[before:])
    assert (span.parent, span.attributes["http.response.status_code"]) == ("", 200)
    assert span.trace != TRACE and int(span.trace, 16) != 0


@pytest.fixture(scope="module")
def hostile(start_system, manifest):
    collector = Collector()
    yield start_system(manifest, env={"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces"}), collector
    collector.stop()


@pytest.mark.parametrize("target", ["/%ff%fe%c0%80", "/" + "x" * 8000, "/%00%0a%1b[31m", "/a?" + "q" * 8000])
def test_what_callers_write_is_bounded_text(hostile, target):
    system, collector = hostile
    before = len(collector.spans())
    ask(system.address("api"), request("GET", target, ["tracestate: " + "x" * 600]))
    (span,) = collector.wait_for(lambda: collector.spans()[before:])
    assert len(span.attributes.get("url.path", "").encode()) <= 260
    assert span.attributes.get("url.path", "").isprintable()
    assert "qqq" not in repr(span)


def test_nothing_secret_is_in_spans_or_logs(start_system, manifest, collector):
    system = start_system(manifest, env={
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hidden-api-key,x-team=of%20tests",
        "OTEL_METRIC_EXPORT_INTERVAL": "200", "DAPR_API_TOKEN": "hidden-dapr-token", "APP_API_TOKEN": "hidden-app-token",
        "TRILBY_LOG_FORMAT": "json"})
    fields = [SAMPLED, "dapr-api-token: hidden-app-token", "authorization: Bearer hidden-cookie", "cookie: hidden-cookie"]
    assert ask(system.address("api"), request("POST", "/echo?key=hidden-query", fields, b"hidden-body")).status == 200
    collector.wait_for_spans(2, TRACE)
    collector.wait_for(collector.pushes)
    collector.answer = lambda path, number: (400, {})
    ask(system.address("api"), request("POST", "/echo?key=hidden-query", fields, b"hidden-body"))
    system.wait_for_log("spans do not reach their collector")
    system.wait_for_log("metrics do not reach their collector")
    for pid in (system.ready["supervisor"], system.ready["worker"]):
        assert b"hidden" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert system.stop() == 0
    assert "hidden" not in system.log()
    assert {(one.fields["api-key"], one.fields["x-team"]) for one in collector.requests} == {("hidden-api-key", "of tests")}
    assert not [one for one in collector.requests if b"hidden" in one.body]


def read_answers(connection, count, line):
    """Reads until `line` has come so often, wherever it was cut."""
    tail = b""
    while count > 0:
        data = tail + connection.recv(1 << 20)
        assert len(data) > len(tail), "the connection ended"
        count -= data.count(line)
        tail = data[1 - len(line):]


def test_spans_beyond_the_room_for_them_are_dropped_and_counted(traced, collector):
    collector.hold = threading.Event()
    system = traced("--loops", "2")
    count = 0
    piece = request("GET", "/" + "x" * 250, ["X-Request-Id: " + "i" * 64]) * 100
    with socket.create_connection(system.address("api"), timeout=60) as connection:
        while dropped(system, "no-room") == 0:
            assert count < 200_000, "there is always room"
            for _ in range(10):
                connection.sendall(piece)
                read_answers(connection, 100, b"HTTP/1.1 404 ")
                count += 100
    rss = metric(system, "process_resident_memory_bytes")
    assert rss < 400 << 20
    assert ask(system.address("api"), request("POST", "/echo", body=b"still there")).body == b"still there"
    collector.hold.set()
    made = count + 2  # and the call of the last one
    wait_until(lambda: metric(system, "trilby_spans_exported_total") + metric(system, "trilby_spans_dropped_total") == made, "all is accounted for")
    assert metric(system, "trilby_spans_exported_total") > 0
    ask(system.address("api"), request("GET", "/text", [SAMPLED]))
    collector.wait_for_spans(1, TRACE)  # there is room again


def test_a_collector_that_is_not_there_costs_nothing_but_spans(start_system, manifest):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # so that nobody else gets it
        system = start_system(manifest, env={"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{unheard.getsockname()[1]}"})
        for _ in range(50):
            assert ask(system.address("api"), request("POST", "/echo", body=b"x")).body == b"x"
        system.wait_for_log("spans do not reach their collector")
        assert ask(system.address("api"), request("POST", "/echo", body=b"x")).body == b"x"
        assert metric(system, "trilby_spans_exported_total") == 0
        assert system.stop() == 0
    assert system.log().count("spans do not reach their collector") == 1
    assert "cannot connect" in system.log()


def test_a_collector_that_says_later_is_asked_later(traced, collector):
    collector.answer = lambda path, number: (503, {"retry-after": "2"}) if number == 0 else (200, {})
    system = traced()
    ask(system.address("api"), request("GET", "/text", [SAMPLED]))
    first, second = collector.wait_for(lambda: collector.requests[1:] and collector.requests[:2])
    assert second.body == first.body
    assert second.time - first.time >= 1.9
    wait_until(lambda: metric(system, "trilby_spans_exported_total") == 1, "they are counted")
    system.wait_for_log("spans reach their collector again")


@pytest.mark.parametrize("status", [400, 404, 500, 301])
def test_what_a_collector_refuses_for_good_is_dropped_and_counted(traced, collector, status):
    collector.answer = lambda path, number: (status, {"location": "http://127.0.0.1:1/"})
    system = traced()
    ask(system.address("api"), request("GET", "/text", [SAMPLED]))
    wait_until(lambda: dropped(system, "refused") == 1, "it is counted")
    assert f"the collector answers {status}" in system.wait_for_log("spans do not reach their collector")
    collector.answer = lambda path, number: (200, {})
    ask(system.address("api"), request("GET", "/text", [SAMPLED]))
    wait_until(lambda: metric(system, "trilby_spans_exported_total") == 1, "the next one arrives")
    assert len(collector.requests) == 2


def test_a_drain_sends_what_is_left(traced, collector):
    """What is not there within a second is given up. On a busy machine that may be, and shows nothing: it is tried again."""
    def drained_in_time():
        collector.requests.clear()
        system = traced(OTEL_METRICS_EXPORTER="otlp")
        ask(system.address("api"), request("POST", "/echo", [SAMPLED], b"x"))
        assert system.stop() == 0
        began, ended = (datetime.fromisoformat(json.loads(system.log_line(f'"message":"{what}"'))["time"]) for what in ("draining", "stopped"))
        return ended - began < timedelta(seconds=1)

    wait_until(drained_in_time, "no drain was quick enough")
    assert len(collector.spans(TRACE)) == 2
    series, _, _ = collector.pushes()[-1]
    assert series["trilby_calls_total", (("function", "echo"), ("reason", "ok"))] == 1


def test_a_drain_does_not_wait_for_a_collector_that_is_stuck(traced, collector):
    collector.hold = threading.Event()
    system = traced()
    ask(system.address("api"), request("POST", "/echo", [SAMPLED], b"x"))
    collector.wait_for(lambda: collector.requests)
    assert system.stop() == 0
    assert not collector.hold.is_set()


PAGE_LINE = re.compile(r'([a-z_]+)(?:\{(.*)\})? ([0-9.e+-]+|\+Inf)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
VOLATILE = re.compile(r"process_|trilby_loop_longest_wait|trilby_own_loop_longest_wait")


def read_page(text):
    series = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = PAGE_LINE.fullmatch(line).groups()
            named = [(key, float(text) if key == "le" else text) for key, text in LABEL.findall(labels or "")]
            bounds = [one for one in named if one[0] == "le"]
            series[name, (*sorted(one for one in named if one[0] != "le"), *bounds)] = float(value)
    types = dict(re.findall(r"# TYPE (\S+) (\S+)", text))
    return series, types


OF_THE_SUPERVISOR = {"trilby_reloads_total", "trilby_certificate_renewals_total", "trilby_worker_crashes_total"}


def test_metrics_are_pushed_as_they_are_shown(start_system, manifest, collector):
    system = start_system(manifest, env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_EXPORTER": "none",
                                         "OTEL_METRIC_EXPORT_INTERVAL": "200", "OTEL_SERVICE_NAME": "shop",
                                         "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test"})
    ask(system.address("api"), request("POST", "/echo", body=b"hello"))
    ask(system.address("api"), request("POST", "/trap/x", body=b"hello"))
    ask(system.address("web"), request("POST", "/far", body=b"hello"))

    def same():
        pushed, types, resource = collector.pushes()[-1] if collector.pushes() else ({}, {}, {})
        page, shown_types = read_page(httpx.get(f"{system.admin}/metrics").text)
        shown = {key: value for key, value in page.items() if key[0] not in OF_THE_SUPERVISOR}
        assert len(shown) < len(page), "which is another process"
        stable = {key: value for key, value in pushed.items() if not VOLATILE.match(key[0])}
        wanted = {key: value for key, value in shown.items() if not VOLATILE.match(key[0])}
        return stable == wanted and pushed.keys() == shown.keys() and (types, shown_types, resource)

    types, shown_types, resource = collector.wait_for(same)
    assert {name: kind for name, kind in shown_types.items() if name in types} == types
    assert (resource["service.name"], resource["deployment.environment"]) == ("shop", "test")
    assert not collector.spans()


@pytest.mark.parametrize(("variables", "why"), [
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:4318"}, "asks for TLS"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"}, "there is no resolver"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf alone"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": "some"}, "is no sampler"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS": "hidden"}, "OTEL_EXPORTER_OTLP_HEADERS: is no list"),
])
def test_what_cannot_be_done_is_refused_at_the_start(program, tmp_path, manifest, variables, why):
    (tmp_path / "trilby.toml").write_text("trilby = 1\n" + manifest)
    ended = subprocess.run([program, "up", tmp_path / "trilby.toml"], env=variables, capture_output=True, text=True, timeout=60)
    assert ended.returncode in (64, 78)
    assert why in ended.stderr and "hidden" not in ended.stderr


def test_without_a_collector_a_context_is_passed_on_as_it_came(start_system, manifest):
    system = start_system(manifest, env={"TRILBY_LOG_FORMAT": "json"})
    ask(system.address("api"), request("GET", "/text", [SAMPLED, "X-Request-Id: a-request-with-a-trace"]))
    assert f'"trace_id":"{TRACE}"' in system.wait_for_log("a-request-with-a-trace")
    assert "trilby_spans" not in httpx.get(f"{system.admin}/metrics").text
