"""Apps behind the same daprd: Trilby, and what others write with Dapr's SDKs. What an app costs beside its sidecar.

Each app has a daprd of its own time, on the server's core with it; the client and Redis have the other."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import peers_setup
from figure import Figure
from machine import cores
from process import Server
from stats import median, paired_ratio
from trilby import Trilby, function, route
from wrk import load

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/dapr"))

from sidecar import PROGRAMS, RedisError, component, converse, free_ports  # noqa: E402

HELLO = "/v1.0/invoke/bench/method/hello"
EVENTS = 10_000
DELIVERY_SECONDS = 60
STREAM, GROUP = "events", "bench"

TOPIC = '[[app.bench.topic]]\npubsub = "broker"\ntopic = "events"\nfunction = "hello"\n{bulk}\n'
# What comes at once is what the broker's component has under way, by default 10; a larger batch would wait for its time.
BULK = 'bulk = { max_messages = 10, max_wait = "40ms" }'
TRILBY, TRILBY_H2C, TRILBY_BULK, TRILBY_GRPC = "Trilby, HTTP/1.1", "Trilby, HTTP/2", "Trilby, HTTP/2, events in bulk", "Trilby, gRPC"


@dataclass(frozen=True)
class App:
    """`start` is given its port and its sidecar's HTTP port. `missing` says why it cannot be measured here."""

    protocol: str = "http"
    start: Callable[[int, int], contextlib.AbstractContextManager[Server]] | None = None
    missing: str = ""


def apps(program: Path, guest: Path, scratch: Path) -> dict[str, App]:
    core, _ = cores()

    def trilby(bulk: str = "", settings: str = "") -> Callable[[int, int], Server]:
        text = settings + route("/hello", "hello") + TOPIC.format(bulk=bulk) + function("hello", guest)
        return lambda _port, _sidecar: Trilby(program, text, scratch, core=core, name="app")

    def peer(protocol: str, prepared: Path | str, *command: str | Path) -> App:
        def start(port: int, sidecar: int) -> Server:
            words = [str(word).replace("{port}", str(port)).replace("{sidecar}", str(sidecar)) for word in command]
            return Server(words, port, core, log=scratch / "app.log")
        return App(protocol, start) if isinstance(prepared, Path) else App(missing=prepared)

    node, python = peers_setup.prepare(peers_setup.dapr_node), peers_setup.prepare(peers_setup.dapr_python)
    go = peers_setup.prepare(lambda: peers_setup.go_program("dapr_go"))
    return {
        TRILBY: App("http", trilby()),
        TRILBY_H2C: App("h2c", trilby()),
        TRILBY_BULK: App("h2c", trilby(BULK)),
        TRILBY_GRPC: App("grpc", trilby(settings='protocol = "grpc"\n\n')),
        "Node, @dapr/dapr, HTTP": peer("http", node, "node", node, "{port}", "{sidecar}"),
        "Python, dapr, gRPC": peer("grpc", python, python, peers_setup.HERE / "peers/dapr_python/app.py", "{port}"),
        "Go, go-sdk, HTTP": peer("http", go, go, "http", "{port}"),
        "Go, go-sdk, gRPC": peer("grpc", go, go, "grpc", "{port}"),
    }


class Redis(Server):
    def __init__(self, scratch: Path, core: int):
        port = free_ports(1)[0]
        super().__init__(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(scratch)],
                         port, core, log=scratch / "redis.log")

    def ask(self, *commands: list[str]) -> list:
        return converse(self.port, commands, DELIVERY_SECONDS)

    def fill(self, count: int) -> None:
        """A new stream with so many CloudEvents, as Dapr publishes them."""
        event = {"specversion": "1.0", "source": "bench", "type": "com.dapr.event.sent", "datacontenttype": "application/json",
                 "topic": STREAM, "pubsubname": "broker", "data": {"order": 7}}
        self.ask(["DEL", STREAM], *(["XADD", STREAM, "*", "data", json.dumps(event | {"id": str(number)})] for number in range(count)))

    def delivered(self) -> int:
        """How many were brought and acknowledged."""
        try:
            groups = self.ask(["XINFO", "GROUPS", STREAM])[0]
        except RedisError:
            return 0  # no stream yet
        for group in (dict(zip(each[::2], each[1::2])) for each in groups):
            if group["name"] == GROUP:
                return (group["entries-read"] or 0) - group["pending"]
        return 0


def daprd(protocol: str, app_port: int, resources: Path, scratch: Path, program: Path = PROGRAMS / "daprd", port: int | None = None) -> Server:
    core, _ = cores()
    port = port or free_ports(1)[0]
    grpc, internal, metrics = free_ports(3)
    return Server([str(program), "--app-id", "bench", "--app-port", str(app_port), "--app-protocol", protocol, "--dapr-http-port", str(port),
                   "--dapr-grpc-port", str(grpc), "--dapr-internal-grpc-port", str(internal), "--metrics-port", str(metrics),
                   "--dapr-listen-addresses", "127.0.0.1", "--metrics-listen-address", "127.0.0.1", "--resources-path", str(resources),
                   "--log-level", "warn", "--dapr-graceful-shutdown-seconds", "1"], port, core, log=scratch / "daprd.log")


@contextlib.contextmanager
def both(app: App, resources: Path, scratch: Path) -> Iterator[tuple[Server, Server]]:
    """The app, and then its sidecar once the app listens."""
    port, sidecar_port = free_ports(2)
    with app.start(port, sidecar_port) as server:
        await_port(server)
        with daprd(app.protocol, server.port, resources, scratch, port=sidecar_port) as sidecar:
            yield server, sidecar


def await_port(server: Server) -> None:
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
            return
        server.check_alive()
        time.sleep(0.01)


def invoke(app: App, scratch: Path, seconds: int) -> dict:
    nothing = scratch / "no-resources"
    nothing.mkdir(exist_ok=True)
    with both(app, nothing, scratch) as (server, sidecar):
        _, body = sidecar.first_answer(HELLO)
        if b"hello" not in body:
            raise RuntimeError(f"the answer is {body[:100]!r}")
        load(sidecar, HELLO, 1)
        run = load(sidecar, HELLO, seconds, billed=server)
        run["app_cpu_us"] = run.pop("server_cpu_us")
        return run | {"app_pss_mib": server.memory()["pss"]}


def deliver(app: App, redis: Redis, resources: Path, scratch: Path) -> dict:
    redis.fill(EVENTS)
    with both(app, resources, scratch) as (server, sidecar):
        before, first, end = server.cpu_seconds(), None, time.monotonic() + DELIVERY_SECONDS
        while (count := redis.delivered()) < EVENTS:
            if count and first is None:
                first = (time.perf_counter(), count)
            if time.monotonic() > end:
                raise RuntimeError(f"{count} of {EVENTS} events were delivered in {DELIVERY_SECONDS} s")
            sidecar.check_running()
            time.sleep(0.005)
        took = time.perf_counter() - first[0] if first else 0
        if not took:
            raise RuntimeError("delivery was over before it was seen")
        return {"events_per_second": (EVENTS - first[1]) / took, "app_cpu_us": (server.cpu_seconds() - before) / EVENTS * 1e6}


def measure(program: Path, guest: Path, scratch: Path, rounds: int, seconds: int) -> dict:
    if not (PROGRAMS / "daprd").exists():
        raise RuntimeError("the real Dapr is not built; run `make dapr`")
    all_apps = apps(program, guest, scratch)
    result: dict = {"missing": {name: app.missing for name, app in all_apps.items() if app.missing}}
    there = {name: app for name, app in all_apps.items() if not app.missing}
    result["invoke"], result["deliver"] = {name: [] for name in there}, {name: [] for name in there}
    resources = scratch / "resources"
    resources.mkdir()
    with Redis(scratch, cores()[1]) as redis:
        await_port(redis)
        (resources / "broker.yaml").write_text(component("broker", "pubsub.redis", redisHost=f"127.0.0.1:{redis.port}", consumerID=GROUP))
        for number in range(rounds):
            for name, app in there.items():
                result["invoke"][name].append(invoke(app, scratch, seconds))
                result["deliver"][name].append(deliver(app, redis, resources, scratch))
            print("  round", number + 1, {name: (round(result["invoke"][name][-1]["requests_per_second"]), round(result["deliver"][name][-1]["events_per_second"]))
                                          for name in there}, file=sys.stderr)
    return result


def of(result: dict, part: str, name: str, key: str) -> float:
    return median([run[key] for run in result[part][name]])


def best(result: dict, part: str, key: str, protocol: str, choose: Callable) -> str | None:
    """Who of the others does best at it."""
    others = [name for name in result[part] if not name.startswith("Trilby") and name.endswith(protocol)]
    return choose(others, key=lambda name: of(result, part, name, key)) if others else None


def figures(result: dict) -> list[Figure]:
    def against(what: str, part: str, key: str, protocol: str = "", choose: Callable = min, *, ours: str, **goal: float) -> Figure:
        other = best(result, part, key, protocol, choose)
        measured = paired_ratio([run[key] for run in result[part][ours]], [run[key] for run in result[part][other]]) if other else None
        return Figure(f"behind daprd: {what}, {ours} ÷ the best of the others{f' over {protocol}' if protocol else ''}", measured,
                      note=other or "no other could be measured", **goal)

    ways = [(TRILBY, "HTTP", 0.5), (TRILBY_H2C, "HTTP", 0.5), (TRILBY_GRPC, "gRPC", 1.0)]  # and how much of the others' time it may take
    return [
        *(against("requests/s", "invoke", "requests_per_second", choose=max, ours=ours, at_least=1.0) for ours, _, _ in ways),
        *(against("the app's CPU time per request", "invoke", "app_cpu_us", protocol, ours=ours, at_most=most) for ours, protocol, most in ways),
        against("the app's memory", "invoke", "app_pss_mib", ours=TRILBY_H2C, at_most=1.0),
        *(against("events/s", "deliver", "events_per_second", choose=max, ours=ours, at_least=1.0) for ours, _, _ in ways),
        *(against("the app's CPU time per event", "deliver", "app_cpu_us", protocol, ours=ours, at_most=most) for ours, protocol, most in ways),
    ]


def table(result: dict) -> str:
    """A row for each app."""
    rows = ["| behind one daprd on the same core | requests/s | p99 | the app's CPU per request | its memory | events/s | the app's CPU per event |", "|---|---|---|---|---|---|---|"]
    for name in (*result["invoke"], *result["missing"]):
        if name in result["missing"]:
            rows.append(f"| {name} | not measured: {result['missing'][name]} | | | | | |")
            continue
        cells = [Figure("", of(result, "invoke", name, "requests_per_second")), Figure("", of(result, "invoke", name, "p99_us") / 1000, "ms"),
                 Figure("", of(result, "invoke", name, "app_cpu_us"), "µs"), Figure("", of(result, "invoke", name, "app_pss_mib"), "MiB"),
                 Figure("", of(result, "deliver", name, "events_per_second")), Figure("", of(result, "deliver", name, "app_cpu_us"), "µs")]
        rows.append(f"| {name} | {' | '.join(cell.measured_text() for cell in cells)} |")
    return "\n".join(rows)
