"""What an operator sees: the log, /metrics, /livez and /readyz."""

import json
import re

import httpx
import pytest
from raw_http import ask, request

SAMPLE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? ([0-9.e+-]+|\+Inf)')
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def api(guest_system):
    return guest_system.address("api")


def metrics(system, **headers):
    answer = httpx.get(f"{system.admin}/metrics", headers=headers)
    assert answer.status_code == 200
    return answer


def value(page, name, **labels):
    total = 0.0
    for line in page.splitlines():
        match = SAMPLE.fullmatch(line)
        if match and match[1] == name and all(f'{key}="{text}"' in (match[2] or "") for key, text in labels.items()):
            total += float(match[3])
    return total


def test_a_call_is_counted_and_measured(guest_system, api):
    before = metrics(guest_system).text
    ask(api, request("POST", "/echo", body=b"hello"))
    ask(api, request("POST", "/unreachable"))
    after = metrics(guest_system).text
    for name, labels, more in (
        ("trilby_calls_total", {"function": "echo", "reason": "ok"}, 1),
        ("trilby_calls_total", {"function": "unreachable", "reason": "trap"}, 1),
        ("trilby_call_wall_seconds_count", {"function": "echo"}, 1),
        ("trilby_http_requests_total", {"route": "POST /echo", "method": "POST", "status": "2xx", "reason": "ok"}, 1),
        ("trilby_http_response_bytes_total", {"route": "POST /echo"}, 5),
    ):
        assert value(after, name, **labels) - value(before, name, **labels) == more, name
    assert value(after, "trilby_calls_live") == 0
    assert value(after, "process_resident_memory_bytes") > 1 << 20


@pytest.mark.parametrize(("accept", "type_"), [
    ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
    ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
])
def test_the_page_is_what_prometheus_reads(guest_system, accept, type_):
    answer = metrics(guest_system, accept=accept)
    assert answer.headers["content-type"] == type_
    lines = answer.text.splitlines()
    if "openmetrics" in accept:
        assert lines.pop() == "# EOF"
    seen = set()
    for line in lines:
        if not line.startswith("# "):
            assert (match := SAMPLE.fullmatch(line)), line
            assert (match[1], match[2]) not in seen, line
            seen.add((match[1], match[2]))
    assert len(seen) > 100


def test_no_caller_can_add_series(guest_system, api):
    before = len(metrics(guest_system).text.splitlines())
    for i in range(30):
        ask(api, request(f"METHOD{i}", f"/path-{i}", [f"X-Request-Id: a-made-up-request-id-{i}"]))
        ask(api, request("POST", f"/path-{i}"))
    after = len(metrics(guest_system).text.splitlines())
    # One route label ("") with its histogram, and a handful of methods and reasons.
    assert after - before < 40


def test_liveness_and_readiness(guest_system):
    assert httpx.get(f"{guest_system.admin}/livez").status_code == 200
    assert httpx.get(f"{guest_system.admin}/readyz").status_code == 200
    assert httpx.get(f"{guest_system.admin}/").status_code == 404
    assert httpx.post(f"{guest_system.admin}/metrics").status_code == 405


def test_a_line_says_what_a_request_was(guest_system, api):
    fields = ["X-Request-Id: a-request-to-be-logged", f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01"]
    ask(api, request("POST", "/echo?secret=in-the-query", fields, b"hello"))
    line = guest_system.wait_for_log("a-request-to-be-logged")
    entry = json.loads(line)
    assert "secret" not in line
    assert entry["trace_id"] == TRACE
    expected = {"app": "api", "method": "POST", "path": "/echo", "status": 200, "reason": "ok", "function": "echo", "request_bytes": 5, "response_bytes": 5}
    assert {key: entry[key] for key in expected} == expected
    assert entry["memory_peak_bytes"] >= 131072
    assert entry["duration_seconds"] >= entry["cpu_seconds"] >= 0


def test_nobody_forges_lines(guest_system, api):
    ask(api, request("POST", '/%0a{"level":"error"}', ["X-Request-Id: forged-by-the-target"]))
    ask(api, request("POST", "/echo", ['X-Request-Id: "},{"level":"error"}'], b"x"))
    ask(api, request("POST", "/exit", ["X-Request-Id: hostile-words-on-stderr"], b"\x41"))
    guest_system.wait_for_log("hostile-words-on-stderr")
    for line in guest_system.log().splitlines():
        if line.startswith("{"):
            assert json.loads(line)["level"] != "error", line


def test_people_get_lines_too(start_system):
    text = '[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n'
    system = start_system(text, env={"TRILBY_LOG_FORMAT": "human"})
    ask(system.address("web"), request("GET", "/", ["X-Request-Id: read-by-a-person"]))
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} web GET / 200 ok [0-9.]+[mu]s 2B id=read-by-a-person", system.wait_for_log("read-by-a-person"))


def test_an_app_channel_asks_for_its_token(start_system):
    text = '[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n'
    system = start_system(text, env={"APP_API_TOKEN": "a-token-of-the-test"})
    web = system.address("web")
    assert ask(web, request("GET", "/")).status == 401
    assert ask(web, request("GET", "/", ["dapr-api-token: wrong"])).status == 401
    assert ask(web, request("GET", "/", ["dapr-api-token: a-token-of-the-test"])).body == b"hi"
    assert "a-token-of-the-test" not in system.log()


def test_a_page_whose_name_was_turned_to_this_machine_reads_nothing(guest_system):
    """DNS rebinding: the browser of this machine asks us, and says the page's own name."""
    for path in ("/livez", "/readyz", "/metrics", "/calls"):
        own = httpx.get(f"{guest_system.admin}{path}", headers={"host": "localhost:9464"})
        rebound = httpx.get(f"{guest_system.admin}{path}", headers={"host": "evil.example:9464"})
        assert (own.status_code, rebound.status_code) == (200, 421), path
        assert rebound.text == "From this machine, ask for 127.0.0.1, [::1] or localhost.\n"
