"""Ten thousand events through a real sidecar while that, the broker and Trilby are killed and restarted: none may be lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from figure import Figure

ROOT = Path(__file__).resolve().parents[2]
TOTAL = 10_000
ROUNDS = 5  # of every fault
AHEAD = 100
PROTOCOLS = ("http", "h2c", "grpc")
sys.path.insert(0, str(ROOT / "tests/dapr"))

import faults  # noqa: E402
from sidecar import Daprd  # noqa: E402


def measure(program: Path, scratch: Path, protocol: str, total: int, rounds: int) -> dict:
    """What became of the events, which is also left in build/faults-PROTOCOL.json. `protocol`: what the sidecar speaks with the app."""
    for guest in ("ledger", "echo"):
        subprocess.run(["wat2wasm", ROOT / f"tests/guests/{guest}.wat", "-o", scratch / f"{guest}.wasm"], check=True)
    shop = faults.Shop(Daprd, program, scratch, scratch, protocol)
    try:
        result = faults.run(shop, total, rounds, AHEAD, tell=lambda line: print(line, file=sys.stderr))
    finally:
        shop.stop()
    (ROOT / f"build/faults-{protocol}.json").write_text(json.dumps(result, indent=1) + "\n")
    return result | {"protocol": protocol}


def figures(result: dict) -> list[Figure]:
    events = f"{result['events']:,} events".replace(",", " ") + f", {result['faults']} faults, {result['protocol']}"
    gaps = {name: max(seconds) for name, seconds in result["seconds_until_events_went_on"].items()}
    longest = max(gaps, key=gaps.__getitem__)
    return [
        Figure(f"{events}: lost", result["lost"], at_most=0, note="; ".join(result["examples_of_lost"])),
        Figure(f"{events}: acknowledged by daprd without an answer of the app, and so lost", result["lost_by_the_sidecar"]),
        Figure(f"{events}: processed that nobody published", len(result["strange"]), at_most=0),
        Figure(f"{events}: processed more than once, against what was under way when a fault struck", result["processed_again"],
               at_most=result["may_be_processed_again"]),
        Figure(f"{events}: published again, since the first answer was lost", result["published_again"]),
        Figure(f"{events}: given up by the sidecar's timeout and brought again", result["given_up_by_the_sidecar"]),
        Figure(f"{events}: longest time from a fault until events went on ({longest})", gaps[longest], "s"),
    ]
