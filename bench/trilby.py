"""A Trilby with an app `bench`, and others if need be, whose ports are found when it serves."""

from __future__ import annotations

import http.client
import json
import time
import tomllib
from pathlib import Path

from process import START_SECONDS, Server


FIRST_PORT = 8080  # in manifests; none of these is listened on


class Trilby(Server):
    """`text` is the manifest after the port of `bench`: its routes, functions, other apps. One loop, unless told otherwise."""

    def __init__(self, program: Path, text: str, scratch: Path, core: int | None = None, loops: int = 1, name: str = "bench"):
        manifest, self._ready = scratch / f"{name}.toml", scratch / f"{name}.ready.json"
        whole = f"trilby = 1\n\n[app.bench]\nport = {FIRST_PORT}\n\n{text}"
        manifest.write_text(whole)
        any_port = [f"--port={app}=0" for app in tomllib.loads(whole)["app"]]
        super().__init__([str(program), "up", str(manifest), f"--loops={loops}", *any_port, "--admin-port=0",
                          f"--ready-file={self._ready}"], 0, core, log=scratch / f"{name}.log")

    def __enter__(self) -> Trilby:
        try:
            while not self._ready.exists():
                self.check_alive()
                time.sleep(0.005)
            ready = json.loads(self._ready.read_text())
        except BaseException:
            self.__exit__()
            raise
        self.ports = {app: port_of(where["url"]) for app, where in ready["apps"].items()}
        self.port = self.ports["bench"]
        self._admin = port_of(ready["admin"])
        return self

    def metric(self, name: str, label: str = "") -> float:
        """The sum over the series of a metric, or over those with a label such as `reason="ok"`; 0 when there are none of these."""
        connection = http.client.HTTPConnection("127.0.0.1", self._admin, timeout=START_SECONDS)
        try:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        finally:
            connection.close()
        return sum_of(page, name, label)

    def await_calls(self, count: int) -> None:
        """Until so many calls wait or run at once. That some end and begin anew is no matter, as long as they are once all there."""
        deadline = time.monotonic() + START_SECONDS
        while (live := self.metric("trilby_calls_live")) < count:
            self.check_running()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{live:.0f} of {count} calls were there at once")


def sum_of(page: str, name: str, label: str = "") -> float:
    """Of a page of metrics."""
    series = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    if not series:
        raise RuntimeError(f"there is no metric {name}")
    return sum(float(line.rsplit(" ", 1)[1]) for line in series if label in line)


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def route(path: str, function: str, app: str = "bench") -> str:
    return f'[[app.{app}.route]]\nmethod = "GET"\npath = "{path}"\nfunction = "{function}"\n\n'


def function(name: str, module: Path, **limits: str | int) -> str:
    """A function that answers text, and the limits that are not the defaults."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in limits.items()]
    return "\n".join([f"[function.{name}]", f'module = "{module}"', 'content_type = "text/plain"',
                      *([f"[function.{name}.limits]", *lines] if lines else []), "", ""])
