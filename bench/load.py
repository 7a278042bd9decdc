"""The benchmark's own client (bench/load): open loops, in which requests fall due whether or not the server keeps up, and closed
loops of a number of requests."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from machine import cores
from process import Server
from stats import percentile_of_counts

PATIENCE_SECONDS = 60  # beyond the length of a run


@dataclass(frozen=True)
class Load:
    """What came of one run. Latencies are from due to answered, in µs, as (value, count)."""

    due: int
    starved: int  # found every connection taken
    failed: int
    seconds: float
    answers: dict[int, list[tuple[int, int]]]
    late: list[tuple[int, int]]

    def count(self, status: int) -> int:
        return sum(count for _, count in self.answers.get(status, []))

    def percentile_us(self, percent: float, status: int = 200) -> float:
        return percentile_of_counts(self.answers.get(status, []), percent)

    def other_than(self, *statuses: int) -> int:
        """Requests that had another answer than these, or none."""
        return self.due - sum(self.count(status) for status in statuses)

    @staticmethod
    def parse(text: str) -> Load:
        raw = json.loads(text)
        answers = {int(status): [tuple(pair) for pair in pairs] for status, pairs in raw["answers"].items()}
        return Load(raw["due"], raw["starved"], raw["failed"], raw["took_us"] / 1e6, answers, [tuple(pair) for pair in raw["late"]])


class Client:
    """Runs the client on the client's core."""

    def __init__(self, program: Path):
        self._program = program

    def run(self, server: Server, path: str, **plan: float) -> Load:
        """`plan`: rate, seconds, requests, connections, seed; as the program's usage says."""
        seconds = plan.get("seconds", 600)
        done = subprocess.run(self._command(server, path, plan), check=False, capture_output=True, text=True,
                              timeout=seconds + PATIENCE_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{path}: {done.stderr[-1000:]}")
        return Load.parse(done.stdout)

    def begin(self, server: Server, path: str, **plan: float) -> Background:
        return Background(self._command(server, path, plan))

    def _command(self, server: Server, path: str, plan: dict[str, float]) -> list[str]:
        _, core = cores()
        return ["taskset", "-c", str(core), str(self._program), f"--port={server.port}", f"--path={path}",
                *(f"--{name}={value}" for name, value in plan.items())]


class Background:
    """A run beside others. Use as a context manager: leaving it ends the run."""

    def __init__(self, command: list[str]):
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Background:
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.communicate()

    def check_running(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError(f"a load ended before its time: {self._process.communicate()[1][-1000:]}")

    def result(self, seconds: float) -> Load:
        out, errors = self._process.communicate(timeout=seconds)
        if self._process.returncode != 0:
            raise RuntimeError(errors[-1000:])
        return Load.parse(out)
