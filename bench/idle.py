"""What an idle system holds in memory, and how soon after its start it answers, against Node serving the same page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from figure import Figure
from process import Server, free_port
from stats import median

HERE = Path(__file__).parent
SETTLE_SECONDS = 1.0
SYSTEM, PAGE, NODE = "the article's system", "its page alone", "Node, the same page"

PAGE_MANIFEST = """\
trilby = 1

[app.go-web-port]
port = {port}

[[app.go-web-port.route]]
method = "GET"
path = "/"
files = "{web}/index.html"

[[app.go-web-port.route]]
method = "GET"
path = "/static/*"
files = "{web}"
"""


def system(program: Path, images: Path, scratch: Path) -> Server:
    """The example as it is, on ports of its own."""
    port = free_port()
    ports = [f"--port=go-web-port={port}", "--port=image-api-rs=0", "--port=image-api-go=0", "--admin-port=0"]
    return Server([str(program), "up", str(images / "trilby.toml"), *ports], port, log=scratch / "system.log")


def page_alone(program: Path, images: Path, scratch: Path) -> Server:
    port = free_port()
    manifest = scratch / "page.toml"
    manifest.write_text(PAGE_MANIFEST.format(port=port, web=images / "web"))
    return Server([str(program), "up", str(manifest), "--admin-port=0"], port, log=scratch / "page.log")


def node(images: Path, scratch: Path) -> Server:
    port = free_port()
    return Server(["node", str(HERE / "peers/node_page.js"), str(port), str(images / "web")], port, log=scratch / "page_node.log")


def once(start: Callable[[], Server], expected: bytes | None) -> dict:
    """One start: seconds to the first page, and memory once the system is idle."""
    with start() as server:
        seconds, body = server.first_answer("/")
        if expected is not None and body != expected:
            raise RuntimeError("the peers do not serve the same page")
        time.sleep(SETTLE_SECONDS)
        return {"start_ms": seconds * 1000, **server.memory()}


def measure(program: Path, images: Path, scratch: Path, rounds: int) -> dict:
    page = (images / "web/index.html").read_bytes()
    starts: dict[str, Callable[[], Server]] = {
        SYSTEM: lambda: system(program, images, scratch),
        PAGE: lambda: page_alone(program, images, scratch),
        NODE: lambda: node(images, scratch),
    }
    for start in starts.values():  # fills the AOT cache and the page cache
        once(start, page)
    samples: dict[str, list[dict]] = {name: [] for name in starts}
    for _ in range(rounds):
        for name, start in starts.items():
            samples[name].append(once(start, page))
    return samples


def figures(result: dict) -> list[Figure]:
    lines = []
    for name, samples in result.items():
        lines += [
            Figure(f"{name}: start to first answer, warm cache", median([s["start_ms"] for s in samples]), "ms"),
            Figure(f"{name}: idle memory, Pss", median([s["pss"] for s in samples]), "MiB"),
            Figure(f"{name}: idle memory, Rss (shared pages counted in each process)", median([s["rss"] for s in samples]), "MiB"),
        ]
    return lines
