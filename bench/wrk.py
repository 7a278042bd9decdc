"""A closed loop of many connections: wrk, one thread on the client's core. What a server can do at most."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from machine import CoreTimes, client_kept_up, cores
from process import Server
from stats import paired_ratio

HERE = Path(__file__).parent
CONNECTIONS = 32
ATTEMPTS = 3  # of one run, when the client's core was too busy
PATIENCE_SECONDS = 30  # for one answer
SETTLE_SECONDS = 15  # for what the run before left to do


@dataclass(frozen=True)
class Post:
    """What is asked by POST instead of GET: a body of JSON."""

    body: str

    def once(self, server: Server, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", path, self.body, {"content-type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()


def settle(core: int) -> None:
    """Waits until a server that was measured before has worked off what its client left: processes that still start, threads that end.
    They would be billed to whoever comes next."""
    end = time.monotonic() + SETTLE_SECONDS
    before = CoreTimes.now(core)
    while time.monotonic() < end:
        time.sleep(0.2)
        after = CoreTimes.now(core)
        if before.busy_until(after) < 0.15:
            return
        before = after


def load(server: Server, path: str, seconds: int, billed: Server | None = None, post: Post | None = None) -> dict:
    """One run. Both cores are watched for its whole length. `billed`: whose CPU time is told, where that is another that `server` asks."""
    billed = billed or server
    server_core, client_core = cores()
    settle(server_core)
    command = ["taskset", "-c", str(client_core), "wrk", "--threads", "1", "--connections", str(CONNECTIONS),
               "--duration", f"{seconds}s", "--timeout", f"{PATIENCE_SECONDS}s", "--latency",
               "--script", str(HERE / "peers/wrk_report.lua"), f"http://127.0.0.1:{server.port}{path}",
               *(["--", post.body] if post else [])]
    before, cpu_before = (CoreTimes.now(server_core), CoreTimes.now(client_core)), billed.cpu_seconds()
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + PATIENCE_SECONDS + 10).stdout
    after, cpu_after = (CoreTimes.now(server_core), CoreTimes.now(client_core)), billed.cpu_seconds()
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


def ratio(runs: dict[str, list[dict]], of: str, to: str) -> float | None:
    """Of the requests per second, over the rounds in which both runs were valid."""
    pairs = [(a["requests_per_second"], b["requests_per_second"])
             for a, b in zip(runs[of], runs[to]) if a["valid"] and b["valid"]]
    return paired_ratio(*zip(*pairs)) if pairs else None


def cpu_ratio(runs: dict[str, list[dict]], of: str, to: str) -> float:
    """What the server's core could serve of one against the other, from the CPU time of a request. Holds also where the
    client was the bottleneck."""
    return paired_ratio([run["server_cpu_us"] for run in runs[to]], [run["server_cpu_us"] for run in runs[of]])
