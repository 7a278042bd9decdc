"""Requests per second of the `hello` command, a native handler of the same server, and Node's bare http server."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from figure import Figure
from machine import CLIENT_BUSY_LIMIT, cores
from process import Server, free_port
from stats import median
from trilby import Trilby
from wrk import CONNECTIONS, cpu_ratio, load, ratio, valid_load

HERE = Path(__file__).parent
NATIVE, HELLO, NODE = "native handler", "hello command", "Node http"

MANIFEST = """\
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


def start_node(scratch: Path, core: int) -> Server:
    port = free_port()
    return Server(["node", str(HERE / "peers/node_http.js"), str(port)], port, core, log=scratch / "node.log")


def measure(program: Path, guest: Path, scratch: Path, rounds: int, seconds: int) -> dict:
    server_core, _ = cores()
    with ExitStack() as stack:
        trilby = stack.enter_context(Trilby(program, MANIFEST.format(module=guest), scratch, core=server_core))
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
