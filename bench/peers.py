"""`hello` by Trilby and by others that isolate each request, or begin each anew: same answer, same client, same core, in turn."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import peers_setup
from figure import Figure
from load import Client
from machine import cores
from process import Server, free_port
from stats import median
from trilby import Trilby, function, route
from wrk import CONNECTIONS, load, ratio, valid_load

HERE = Path(__file__).parent
TRILBY = "Trilby"
SERVE = "`wasmtime serve`"
PROCESS, BUBBLEWRAP, WORKER, WAZERO = "a process per request", "bubblewrap per request", "a Node worker per request", "wazero"
WHAT = {
    TRILBY: "WASI command, fresh instance",
    SERVE: "wasi:http component (another ABI), fresh instance",
    WAZERO: "the same WASI command, fresh instance",
    PROCESS: "native program, spawn and exec",
    BUBBLEWRAP: "the same in new namespaces",
    WORKER: "JavaScript, new isolate and thread",
}
ALONE_SECONDS = 2
ANSWERS_EACH = 3
MOST_SECONDS = 15


@dataclass(frozen=True)
class Peer:
    """`start` makes a server, not yet awaited. `missing` says why it cannot be measured here."""

    path: str = "/"
    start: Callable[[], Server] | None = None
    missing: str = ""


def bubblewrap(native: Path) -> list[str]:
    """Every namespace there is, an empty root but for the program, no way to it but its output."""
    return [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", "--ro-bind", str(native), "/hello",
            "--proc", "/proc", "--dev", "/dev", "--", "/hello"]


def cannot_isolate(native: Path) -> str:
    """Why bubblewrap does not work here; empty when it does."""
    try:
        done = subprocess.run(bubblewrap(native), check=False, capture_output=True, text=True, timeout=20)
    except OSError as error:
        return str(error)
    return "" if done.stdout == "hello" else f"not measurable here: {done.stderr.strip() or done.returncode}"


def all_peers(program: Path, here: Path, scratch: Path) -> dict[str, Peer]:
    """`here` is where CMake leaves the benchmark's programs and guests."""
    core, _ = cores()
    native = here / "hello_native"

    def server(name: str, *command: str | Path) -> Callable[[], Server]:
        def start() -> Server:
            port = free_port()
            words = [str(word).replace("{port}", str(port)) for word in command]
            return Server(words, port, core, log=scratch / f"peer_{name}.log")
        return start

    text = route("/hello", "hello") + function("hello", here / "hello.wasm")
    peers = {TRILBY: Peer("/hello", lambda: Trilby(program, text, scratch, core=core, name="peers"))}

    serve = peers_setup.prepare(peers_setup.wasmtime)
    component = peers_setup.prepare(lambda: peers_setup.hello_component(serve)) if isinstance(serve, Path) else serve
    peers[SERVE] = Peer(missing=component) if isinstance(component, str) else Peer(start=server(
        "wasmtime", serve, "serve", *peers_setup.POOLING, "--allow-precompiled", "--addr", "127.0.0.1:{port}", component))
    wazero = peers_setup.prepare(lambda: peers_setup.go_program("wazero"))
    peers[WAZERO] = Peer(missing=wazero) if isinstance(wazero, str) else Peer(start=server("wazero", wazero, "{port}", here / "hello.wasm"))
    peers[PROCESS] = Peer(start=server("process", here / "process_server", "{port}", native))
    why_not = cannot_isolate(native)
    peers[BUBBLEWRAP] = Peer(missing=why_not) if why_not else Peer(start=server(
        "bubblewrap", here / "process_server", "{port}", *bubblewrap(native)))
    peers[WORKER] = Peer(start=server("worker", "node", HERE / "peers/node_worker.js", "{port}"))
    return peers


def start_to_answer(peer: Peer) -> float:
    """Milliseconds from exec of the server to the first answer's last byte."""
    with peer.start() as server:
        seconds, body = server.first_answer(peer.path)
    if body != b"hello":
        raise RuntimeError(f"the answer is {body[:100]!r}")
    return seconds * 1000


def long_enough(seconds: int, alone_us: float) -> int:
    """Longer for who is slow: each connection should get some answers."""
    return min(MOST_SECONDS, max(seconds, math.ceil(ANSWERS_EACH * CONNECTIONS * alone_us / 1e6)))


def memory_under_load(server: Server, path: str, seconds: int) -> float:
    """The most MiB (Pss) that was seen in a run of its own, for looking takes time."""
    most, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.05):
            most = max(most, server.memory()["pss"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        load(server, path, seconds)
    finally:
        over.set()
        watcher.join()
    return most


def measure(program: Path, load_program: Path, here: Path, scratch: Path, rounds: int, seconds: int) -> dict:
    client = Client(load_program)
    peers = all_peers(program, here, scratch)
    result: dict = {"missing": {name: peer.missing for name, peer in peers.items() if peer.missing}, "connections": CONNECTIONS}
    there = {}
    for name, peer in peers.items():
        try:
            if not peer.missing:
                start_to_answer(peer)  # fills caches
                there[name] = peer
        except RuntimeError as error:  # the others can be measured without it
            result["missing"][name] = str(error).splitlines()[-1]
    result["start_ms"] = {name: [start_to_answer(peer) for _ in range(rounds)] for name, peer in there.items()}
    result["idle_mib"], result["loaded_mib"], result["alone_us"] = {}, {}, {}
    result["runs"] = {name: [] for name in there}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(peer.start()) for name, peer in there.items()}
        for name, server in servers.items():
            server.first_answer(there[name].path)
            time.sleep(1)
            result["idle_mib"][name] = server.memory()["pss"]
            alone = client.run(server, there[name].path, connections=1, seconds=ALONE_SECONDS)
            result["alone_us"][name] = [alone.percentile_us(percent) for percent in (10, 50, 90)]
            client.run(server, there[name].path, connections=CONNECTIONS, requests=2 * CONNECTIONS)
        length = {name: long_enough(seconds, median(result["alone_us"][name])) for name in servers}
        for number in range(rounds):
            for name, server in servers.items():
                result["runs"][name].append(valid_load(server, there[name].path, length[name]))
                time.sleep(0.2)
            print("  round", number + 1, {name: round(of[-1]["requests_per_second"]) for name, of in result["runs"].items()}, file=sys.stderr)
        for name, server in servers.items():
            result["loaded_mib"][name] = memory_under_load(server, there[name].path, length[name])
    return result


def figures(result: dict) -> list[Figure]:
    runs, missing = result["runs"], result["missing"]

    def times(name: str, at_least: float | None, note: str = "") -> Figure:
        measured = ratio(runs, TRILBY, name) if name in runs else None
        return Figure(f"requests/s, Trilby ÷ {name}", measured, "×", at_least=at_least, note=missing.get(name, note))

    return [times(SERVE, 3.5, "aim 5"), times(PROCESS, 20.0), *(times(name, None) for name in (WAZERO, BUBBLEWRAP, WORKER))]


def table(result: dict) -> str:
    """A row for each: what CMake and registries had, and why the others are not there."""
    rows = [f"| `hello`, {result['connections']} connections, one core | requests/s | p50 | p99 | one at a time, p50 | memory, idle | under load | start to first answer |",
            "|---|---|---|---|---|---|---|---|"]
    for name, what in WHAT.items():
        if name in result["missing"]:
            rows.append(f"| {name} ({what}) | not measured: {result['missing'][name]} | | | | | | |")
            continue
        runs = result["runs"][name]
        cells = [Figure("", median([run["requests_per_second"] for run in runs])).measured_text(),
                 *(Figure("", median([run[rank] for run in runs]) / 1000, "ms").measured_text() for rank in ("p50_us", "p99_us")),
                 Figure("", result["alone_us"][name][1] / 1000, "ms").measured_text(),
                 *(Figure("", result[key][name], "MiB").measured_text() for key in ("idle_mib", "loaded_mib")),
                 Figure("", median(result["start_ms"][name]), "ms").measured_text()]
        rows.append(f"| {name} ({what}) | {' | '.join(cells)} |")
    return "\n".join(rows)
