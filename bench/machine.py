"""The machine that is measured on: what it is, which cores are used for what, how busy a core was."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

CLIENT_BUSY_LIMIT = 0.90  # above this the client, not the server, may be what was measured


def describe() -> dict:
    """CPU model, cores, kernel, memory and load, for the head of every report."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }


def cores() -> tuple[int, int]:
    """The core of the server and the core of the client."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise RuntimeError("two cores are needed: one for the server, one for the client")
    return allowed[0], allowed[1]


@dataclass(frozen=True)
class CoreTimes:
    """Ticks of one core since the machine started."""

    total: int
    idle: int
    stolen: int  # taken by the hypervisor

    @staticmethod
    def parse(stat: str, core: int) -> CoreTimes:
        """Reads the core's line of /proc/stat (proc(5): user nice system idle iowait irq softirq steal ...)."""
        for line in stat.splitlines():
            name, *numbers = line.split()
            if name == f"cpu{core}":
                ticks = [int(number) for number in numbers[:8]]
                return CoreTimes(total=sum(ticks), idle=ticks[3] + ticks[4], stolen=ticks[7])
        raise ValueError(f"/proc/stat has no cpu{core}")

    @staticmethod
    def now(core: int) -> CoreTimes:
        return CoreTimes.parse(Path("/proc/stat").read_text(), core)

    def busy_until(self, later: CoreTimes) -> float:
        """The share of the time between the two in which the core did not idle; stolen time counts as busy."""
        passed = later.total - self.total
        return 1 - (later.idle - self.idle) / passed if passed else 0.0


def client_kept_up(busy: float) -> bool:
    """Whether a run is valid: the client's core had time left."""
    return busy <= CLIENT_BUSY_LIMIT
