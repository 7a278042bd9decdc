"""Each call leaves a record: in /calls, in `trilby calls`, in /metrics, whose series docs/metrics.md lists."""

import json
import re
import subprocess
from pathlib import Path

import httpx
import manifests
import pytest
from raw_http import ask, request

DOCS = Path(__file__).parents[2] / "docs/metrics.md"


@pytest.fixture(scope="module")
def system(start_system, guests, make_certificate, tmp_path_factory):
    text = manifests.of_guests(guests, ["echo", "exit", "unreachable", "flood"], limits='request_body = "1KiB"\nlog_lines_per_second = 5\n')
    text += f'[function.large]\nmodule = "{guests}/echo.wasm"\nlimits = {{ memory = "129MiB" }}\n'  # so that all series are there
    text += '[[app.api.route]]\nmethod = "POST"\npath = "/sent-on"\nfunction = "echo"\noutput = [{ invoke = "taker/echo" }]\n'
    text += '[app.taker]\nport = 2\n[[app.taker.route]]\nmethod = "POST"\npath = "/echo"\nfunction = "echo"\n'
    folder = make_certificate(tmp_path_factory.mktemp("safe")).parent
    text += f'[app.safe]\nport = 3\npublic = "127.0.0.1:0"\ntls = {{ certificate = "{folder}/certificate.pem", key = "{folder}/key.pem" }}\n'
    text += '[app.desk]\nport = 4\nsidecar = { http = 3500, retry_store = "store" }\n[[app.desk.topic]]\npubsub = "broker"\ntopic = "orders"\nfunction = "echo"\n'
    # Spans are for a collector that is not there: what counts them is.
    return start_system(text, "--loops", "2", "--port", "safe.public=0", env={"TRILBY_LOG_FORMAT": "json", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"})


@pytest.fixture
def api(system):
    return system.address("api")


def kept(system, **query):
    answer = httpx.get(f"{system.admin}/calls", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["calls"]


def trilby_calls(program, system, *options):
    return subprocess.run([program, "calls", "--admin", system.admin, *options], capture_output=True, text=True, timeout=60)


def test_a_call_is_kept_with_what_it_cost(system, api):
    ask(api, request("POST", "/echo", ["X-Request-Id: a-call-to-be-kept-1"], b"hello"))
    newest = kept(system, limit=1)[0]
    expected = {"function": "echo", "reason": "ok", "status": 200, "request_id": "a-call-to-be-kept-1", "input_bytes": 5, "output_bytes": 5,
                "memory_limit_bytes": 32 << 20, "denials": 0, "queue_seconds": 0}
    assert {name: newest[name] for name in expected} == expected
    assert newest["memory_peak_bytes"] >= 131072
    assert newest["wall_seconds"] >= newest["run_seconds"] > 0
    assert newest["wall_seconds"] >= newest["instantiate_seconds"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", newest["time"])


def test_calls_that_were_refused_are_kept_too(system, api):
    for body, fields in ((b"x" * 2000, []), (b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n", ["Transfer-Encoding: chunked"])):
        data = request("POST", "/echo", [*fields, "X-Request-Id: too-large-to-be-called"], body)
        if fields:
            data = data.replace(b"Content-Length: %d\r\n" % len(body), b"")
        assert ask(api, data).status == 413
    newest = kept(system, function="echo", reason="body-too-large")
    assert [call["request_id"] for call in newest[:2]] == ["too-large-to-be-called"] * 2
    assert all(call["status"] == 413 and call["run_seconds"] == 0 for call in newest)


def test_calls_are_filtered(system, api):
    ask(api, request("POST", "/unreachable"))
    ask(api, request("POST", "/exit", body=b"\x41"))
    assert {call["reason"] for call in kept(system, reason="trap")} == {"trap"}
    assert {call["function"] for call in kept(system, function="exit")} == {"exit"}
    assert kept(system, limit=0) == []
    for query in ("function=nobody", "reason=bored", "limit=many", "what=ever"):
        assert httpx.get(f"{system.admin}/calls?{query}").status_code == 400
    assert httpx.post(f"{system.admin}/calls").status_code == 405


def test_a_loop_keeps_its_last_calls_only(system, api):
    for _ in range(600):
        ask(api, request("POST", "/echo", body=b"x"))
    assert len(kept(system, limit=10000)) <= 2 * 256


def test_people_get_a_table(program, system, api):
    ask(api, request("POST", "/unreachable", ["X-Request-Id: shown-in-a-table-01"]))
    done = trilby_calls(program, system, "--function", "unreachable", "--limit", "1")
    assert done.returncode == 0, done.stderr
    heading, line = done.stdout.splitlines()
    assert heading.split() == ["time", "(UTC)", "function", "reason", "status", "wall", "cpu", "memory", "in", "out", "request"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}Z +unreachable +trap +500 +\S+ +\S+ +\d+KiB/32768KiB +0B +0B +shown-in-a-table-01", line)


def test_programs_get_json(program, system):
    done = trilby_calls(program, system, "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["calls"]


def test_the_running_system_is_found_by_its_ready_file(program, system):
    done = subprocess.run([program, "calls", "--ready-file", system._ready_path, "-n", "1"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("options", "code", "words"), [
    (["--function", "nobody"], 64, "nobody"),
    (["--reason", "bored"], 64, "bored"),
    (["--limit", "-1"], 64, "limit"),
    (["--function", "a&reason=ok"], 64, "function"),
    (["--admin", "127.0.0.1:1"], 69, "127.0.0.1:1"),
    (["--admin", "nonsense"], 64, "--admin"),
])
def test_what_cannot_be_shown_is_said(program, system, options, code, words):
    done = trilby_calls(program, system, *options)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stdout == ""


def test_a_function_logs_so_many_lines_a_second(system, api):
    for _ in range(20):
        ask(api, request("POST", "/exit", ["X-Request-Id: it-logs-without-end"], b"\x41"))
    lines = [line for line in system.log().splitlines() if '"message":"stderr"' in line and "it-logs-without-end" in line]
    page = httpx.get(f"{system.admin}/metrics").text
    dropped = next(int(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith('trilby_call_log_dropped_lines_total{function="exit"}'))
    assert dropped > 0
    assert 0 < len(lines) < 20


def test_requests_that_went_well_are_sampled_and_failures_never(start_system):
    text = '[access_log]\nfull_rate = 2\none_in = 1000\n[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n'
    busy = start_system(text, "--loops", "1", env={"TRILBY_LOG_FORMAT": "json"})
    web = busy.address("web")
    for _ in range(200):
        ask(web, request("GET", "/"))
        ask(web, request("GET", "/nowhere"))
    ask(web, request("GET", "/nowhere", ["X-Request-Id: the-last-one-of-them"]))
    busy.wait_for_log("the-last-one-of-them")
    reasons = [json.loads(line)["reason"] for line in busy.log().splitlines() if '"message":"request"' in line]
    assert reasons.count("not-found") == 201
    assert 2 <= reasons.count("ok") < 200


def test_every_series_is_documented(system, api):
    """Name, type and labels of each, and none that is not there."""
    assert ask(api, request("POST", "/sent-on", body=b"x")).status == 200
    documented = {name: (type_, frozenset(re.findall(r"`([a-z]+)`", re.sub(r"\(.*?\)", "", labels))))  # without a label's values
                  for name, type_, labels in re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*?) ?\| ", DOCS.read_text(), re.MULTILINE)}
    found, type_ = {}, None
    for line in httpx.get(f"{system.admin}/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            name, type_ = line.split()[2:]
            found[name] = (type_, set())
        elif not line.startswith("#"):
            found[name][1].update(set(re.findall(r'([a-z]+)="', line.split("} ")[0])) - {"le"})
    assert {name: (type_, frozenset(labels)) for name, (type_, labels) in found.items()} == documented
