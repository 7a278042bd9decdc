"""Requests per second of the `hello` command, a native handler of the same server, and Node's bare http server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from figure import Figure
from machine import CLIENT_BUSY_LIMIT, CoreTimes, client_kept_up, cores
from process import Server, free_port
from stats import median, paired_ratio

HERE = Path(__file__).parent
CONNECTIONS = 32
ATTEMPTS = 3  # of one run, when the client's core was too busy
NATIVE, HELLO, NODE = "native handler", "hello command", "Node http"

MANIFEST = """\
trilby = 1

[app.bench]
port = {port}

[[app.bench.route]]
method = "GET"
path = "/native"
text = "hello"

[[app.bench.route]]
method = "GET"
path = "/hello"
function = "hello"

[function.hello]
module = "{module}"
content_type = "text/plain"
"""


def start_trilby(program: Path, guest: Path, scratch: Path, core: int) -> Server:
    port = free_port()
    manifest = scratch / "hello.toml"
    manifest.write_text(MANIFEST.format(port=port, module=guest))
    return Server([str(program), "up", str(manifest), "--loops=1", "--admin-port=0"], port, core, log=scratch / "hello.log")


def start_node(scratch: Path, core: int) -> Server:
    port = free_port()
    return Server(["node", str(HERE / "peers/node_http.js"), str(port)], port, core, log=scratch / "node.log")


def load(server: Server, path: str, seconds: int) -> dict:
    """One run of wrk. Both cores are watched for its whole length."""
    server_core, client_core = cores()
    command = ["taskset", "-c", str(client_core), "wrk", "--threads", "1", "--connections", str(CONNECTIONS),
               "--duration", f"{seconds}s", "--latency", "--script", str(HERE / "peers/wrk_report.lua"),
               f"http://127.0.0.1:{server.port}{path}"]
    before, cpu_before = (CoreTimes.now(server_core), CoreTimes.now(client_core)), server.cpu_seconds()
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    after, cpu_after = (CoreTimes.now(server_core), CoreTimes.now(client_core)), server.cpu_seconds()
    run = json.loads(output.splitlines()[-1])
    if run["failed"] or not run["requests"]:
        raise RuntimeError(f"wrk {path}: {run['failed']} of {run['requests']} requests failed")
    return {
        "requests_per_second": run["requests"] / run["duration_us"] * 1e6,
        "p50_us": run["p50_us"],
        "p99_us": run["p99_us"],
        "server_cpu_us": (cpu_after - cpu_before) / run["requests"] * 1e6,
        "server_busy": round(before[0].busy_until(after[0]), 3),
        "client_busy": round(before[1].busy_until(after[1]), 3),
        "stolen_ticks": sum(b.stolen - a.stolen for a, b in zip(before, after)),
    }


def valid_load(server: Server, path: str, seconds: int) -> dict:
    """Repeats a run while its client's core is too busy; the last one may stay invalid and says so."""
    for attempt in range(1, ATTEMPTS + 1):
        run = load(server, path, seconds)
        run["valid"] = client_kept_up(run["client_busy"])
        if run["valid"]:
            break
        print(f"    {path}: client core {run['client_busy']:.0%} busy, attempt {attempt} of {ATTEMPTS}", file=sys.stderr)
    return run


def measure(program: Path, guest: Path, scratch: Path, rounds: int, seconds: int) -> dict:
    server_core, _ = cores()
    with ExitStack() as stack:
        trilby = stack.enter_context(start_trilby(program, guest, scratch, server_core))
        node = stack.enter_context(start_node(scratch, server_core))
        subjects = {NATIVE: (trilby, "/native"), HELLO: (trilby, "/hello"), NODE: (node, "/")}
        for name, (server, path) in subjects.items():
            _, body = server.first_answer(path)
            if body != b"hello":
                raise RuntimeError(f"{name} answered {body[:100]!r}")
            load(server, path, 1)
        runs: dict[str, list[dict]] = {name: [] for name in subjects}
        for round_number in range(1, rounds + 1):
            for name, (server, path) in subjects.items():
                runs[name].append(valid_load(server, path, seconds))
                time.sleep(0.2)  # lets sockets of the last run close
            print("  round", round_number, {name: round(of[-1]["requests_per_second"]) for name, of in runs.items()},
                  file=sys.stderr)
    return {"runs": runs, "connections": CONNECTIONS, "seconds": seconds}


def ratio(runs: dict[str, list[dict]], of: str, to: str) -> float | None:
    """Of the requests per second, over the rounds in which both runs were valid."""
    pairs = [(a["requests_per_second"], b["requests_per_second"])
             for a, b in zip(runs[of], runs[to]) if a["valid"] and b["valid"]]
    return paired_ratio(*zip(*pairs)) if pairs else None


def cpu_ratio(runs: dict[str, list[dict]], of: str, to: str) -> float:
    """What the server's core could serve of one against the other, from the CPU time of a request. Holds also where the
    client was the bottleneck."""
    return paired_ratio([run["server_cpu_us"] for run in runs[to]], [run["server_cpu_us"] for run in runs[of]])


def figures(result: dict) -> list[Figure]:
    runs = result["runs"]
    invalid = {name: sum(not run["valid"] for run in of) for name, of in runs.items()}
    note = "; ".join(f"{count} of {len(runs[name])} runs of the {name} invalid (client core over "
                     f"{CLIENT_BUSY_LIMIT:.0%} busy)" for name, count in invalid.items() if count)
    lines = [
        Figure("requests/s, `hello` command ÷ native handler", ratio(runs, HELLO, NATIVE), at_least=0.5, note=note or "aim 0.6"),
        Figure("requests/s, `hello` command ÷ Node's bare `http`", ratio(runs, HELLO, NODE), at_least=1.0, note=note or "aim 1.2"),
        Figure("`hello` command ÷ native handler, by the server's CPU time per request", cpu_ratio(runs, HELLO, NATIVE)),
        Figure("`hello` command ÷ Node's bare `http`, by the server's CPU time per request", cpu_ratio(runs, HELLO, NODE)),
    ]
    for name, of in runs.items():
        lines += [
            Figure(f"{name}: requests", median([run["requests_per_second"] for run in of]), "/s"),
            Figure(f"{name}: latency p50", median([run["p50_us"] for run in of]), "µs"),
            Figure(f"{name}: latency p99", median([run["p99_us"] for run in of]), "µs"),
        ]
    return lines
