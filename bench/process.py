"""Servers as child processes: pinned to a core, awaited, measured, and ended by their own id."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 60  # a first start may compile modules
STOP_SECONDS = 15


def free_port() -> int:
    """A port nobody listens on now. Somebody may take it before it is used; then the start fails and says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_text(path: Path) -> str:
    """What a file of /proc says; nothing when its process has just ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descendants(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for parent in found:  # grows while it is walked
        try:
            tasks = list(Path(f"/proc/{parent}/task").glob("*/children"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        for task in tasks:
            found += [int(child) for child in read_text(task).split()]
    return found


class Server:
    """One server on 127.0.0.1. Use as a context manager: leaving it ends the process and what it started."""

    def __init__(self, command: list[str], port: int, core: int | None = None, log: Path | None = None):
        self.port = port
        pinned = ["taskset", "-c", str(core), *command] if core is not None else command
        with open(log or os.devnull, "wb") as output:
            self.started = time.perf_counter()
            self._process = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._log = log

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def first_answer(self, path: str) -> tuple[float, bytes]:
        """Asks for `path` until it is answered with 200. Returns the seconds since the start, and the body."""
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
                connection.request("GET", path)
                response = connection.getresponse()
                body = response.read()
                if response.status == 200:
                    return time.perf_counter() - self.started, body
            except (ConnectionError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            self.check_alive()
            time.sleep(0.001)

    def check_running(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError(f"{' '.join(self._process.args)}: ended\n{self._said()}")

    def check_alive(self) -> None:
        """The same while it starts, which takes a while at most."""
        self.check_running()
        if time.perf_counter() - self.started > START_SECONDS:
            raise RuntimeError(f"{' '.join(self._process.args)}: does not answer\n{self._said()}")

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2000:] if self._log else ""

    def memory(self) -> dict[str, float]:
        """Resident MiB of the process and all below it. `pss` shares pages between the processes that map them."""
        sums = {"rss": 0.0, "pss": 0.0}
        for pid in descendants(self._process.pid):
            for line in read_text(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
                key = line.split(":")[0].lower()
                if key in sums:
                    sums[key] += int(line.split()[1]) / 1024
        return sums

    def cpu_seconds(self) -> float:
        """CPU time of the process and all below it, with children that were waited for (proc(5): stat, fields 14 to 17)."""
        ticks = 0
        for pid in descendants(self._process.pid):
            fields = read_text(Path(f"/proc/{pid}/stat")).rsplit(")", 1)[-1].split()
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")
