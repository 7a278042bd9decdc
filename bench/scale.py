"""Resident memory of what there may be many of: registered functions, and calls that are open."""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path

from figure import Figure
from load import Client
from trilby import FIRST_PORT, Trilby, function, route

SETTLE_SECONDS = 1.0
COUNT = 1000
ROUTES = 200  # of one app, at most
ANSWER_SECONDS = 60  # for all of them to be answered


def numbered_modules(guest: Path, folder: Path, count: int) -> list[tuple[str, Path]]:
    """So many modules that each say something else, in as many letters as `hello`: no two share code or data."""
    code, made = guest.read_bytes(), []
    if code.count(b"hello") != 1:
        raise RuntimeError(f"{guest} does not have its word once")
    folder.mkdir()
    for number in range(count):
        word = f"h{number:04}"
        module = folder / f"{word}.wasm"
        module.write_bytes(code.replace(b"hello", word.encode()))
        made.append((word, module))
    return made


def of_functions(modules: list[tuple[str, Path]]) -> str:
    """Each with a route of its own, spread over as many apps as that takes."""
    pieces = []
    for index, (word, module) in enumerate(modules):
        app = app_of(index)
        if index and index % ROUTES == 0:
            pieces.append(f"[app.{app}]\nport = {FIRST_PORT + index // ROUTES}\n\n")
        pieces.append(route(f"/{word}", word, app) + function(word, module, concurrency=4))
    return "".join(pieces)


def app_of(index: int) -> str:
    return f"bench{index // ROUTES}" if index >= ROUTES else "bench"


def call_each(trilby: Trilby, modules: list[tuple[str, Path]]) -> None:
    for index, (word, _) in enumerate(modules):
        connection = http.client.HTTPConnection("127.0.0.1", trilby.ports[app_of(index)], timeout=10)
        try:
            connection.request("GET", f"/{word}")
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if (response.status, body) != (200, word.encode()):
            raise RuntimeError(f"{word} answered {response.status} {body[:100]!r}")


def measure_functions(program: Path, guest: Path, scratch: Path, count: int) -> dict:
    """Memory with one function and with many: as registered, and after each was called once."""
    modules = numbered_modules(guest, scratch / "modules", count)
    idle: dict[int, float] = {}
    called: dict[int, float] = {}
    for some in ([modules[0]], modules):
        text = of_functions(some)
        for turn in ("fill the cache", "measure"):
            with Trilby(program, text, scratch, name=f"functions{len(some)}{turn[0]}") as trilby:
                if turn == "fill the cache":
                    print(f"  compiled {len(some)} functions in {time.perf_counter() - trilby.started:.1f} s", file=sys.stderr)
                    continue
                time.sleep(SETTLE_SECONDS)
                idle[len(some)] = trilby.memory()["rss"]
                call_each(trilby, some)
                called[len(some)] = trilby.memory()["rss"]
    return {"count": count, "idle_mib": {str(n): value for n, value in idle.items()},
            "called_mib": {str(n): value for n, value in called.items()}}


def each_kib(mib: dict[str, float], count: int) -> float:
    return (mib[str(count)] - mib["1"]) * 1024 / (count - 1)


def function_figures(result: dict) -> list[Figure]:
    count = result["count"]
    return [
        Figure(f"{count} registered functions: resident memory of each", each_kib(result["idle_mib"], count) * 1.024, "kB", at_most=100),
        Figure(f"{count} registered functions, each called once: resident memory of each", each_kib(result["called_mib"], count) * 1.024, "kB"),
        Figure(f"{count} registered functions: resident memory of the system", result["idle_mib"][str(count)], "MiB"),
    ]


def measure_held(program: Path, load_program: Path, guests: Path, scratch: Path, count: int) -> dict:
    """Memory before and while so many calls are open at once, their connections included."""
    text = route("/hold", "hold") + function("hold", guests / "hold.wasm", concurrency=count, wall="1m")
    with Trilby(program, text, scratch, name="held") as trilby:
        client = Client(load_program)
        client.run(trilby, "/hold", connections=1, requests=1)
        time.sleep(SETTLE_SECONDS)
        before = trilby.memory()["rss"]
        with client.begin(trilby, "/hold", connections=count, requests=count) as load:
            trilby.await_calls(count)
            held = trilby.memory()["rss"]
            still = trilby.metric("trilby_calls_live")
            result = load.result(ANSWER_SECONDS)
        if still < count or result.count(200) != count:
            raise RuntimeError(f"{still:.0f} of {count} calls were still open, {result.count(200)} answered 200")
    return {"count": count, "before_mib": before, "held_mib": held}


def held_figures(result: dict) -> list[Figure]:
    count = result["count"]
    each = (result["held_mib"] - result["before_mib"]) * 1024 * 1.024 / count
    return [
        Figure(f"{count} calls held open: resident memory of each, with its connection and what its guest touches", each, "kB", at_most=128),
        Figure(f"{count} calls held open: resident memory of the system", result["held_mib"], "MiB"),
    ]
