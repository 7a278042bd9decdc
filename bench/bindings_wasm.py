"""The same command module called by Dapr's own `bindings.wasm` (wazero, inside daprd) and by Trilby.

Trilby is asked twice: directly, as Dapr's callers would ask a service, and through the same daprd, which adds its own way to each request."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import peers_setup
from app_channel import await_port, daprd
from figure import Figure
from machine import cores
from stats import median, paired_ratio
from trilby import Trilby, function
from wrk import Post, load

BINDING, THROUGH, DIRECT = "daprd's bindings.wasm", "Trilby, through the same daprd", "Trilby, asked directly"
WORD = '"hello"'  # what the binding gives its guest is JSON


def measure(program: Path, guest: Path, scratch: Path, rounds: int, seconds: int) -> dict:
    prepared = peers_setup.prepare(peers_setup.daprd_with_all_components)
    if not isinstance(prepared, Path):
        raise RuntimeError(f"daprd with all components: {prepared}")
    resources = scratch / "resources"
    resources.mkdir()
    (resources / "guest.yaml").write_text(json.dumps({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "guest"},
        "spec": {"type": "bindings.wasm", "version": "v1", "metadata": [{"name": "url", "value": guest.as_uri()}]}}))
    text = '[[app.bench.route]]\nmethod = "POST"\npath = "/echo"\nfunction = "echo"\n\n' + function("echo", guest)
    runs: dict[str, list[dict]] = {BINDING: [], THROUGH: [], DIRECT: []}
    with Trilby(program, text, scratch, core=cores()[0]) as trilby, daprd("http", trilby.port, resources, scratch, prepared) as sidecar:
        await_port(sidecar)
        asked = {BINDING: (sidecar, "/v1.0/bindings/guest", json.dumps({"operation": "execute", "data": "hello"})),
                 THROUGH: (sidecar, "/v1.0/invoke/bench/method/echo", WORD), DIRECT: (trilby, "/echo", WORD)}
        for server, path, body in asked.values():
            answer = Post(body).once(server, path)
            if answer != WORD.encode():
                raise RuntimeError(f"{path} answered {answer[:100]!r}")
            load(server, path, 1, post=Post(body))
        for number in range(rounds):
            for name, (server, path, body) in asked.items():
                runs[name].append(load(server, path, seconds, post=Post(body)))
            print("  round", number + 1, {name: round(of[-1]["requests_per_second"]) for name, of in runs.items()}, file=sys.stderr)
    return {"runs": runs}


def figures(result: dict) -> list[Figure]:
    rates = {name: [run["requests_per_second"] for run in runs] for name, runs in result["runs"].items()}
    return [
        Figure("calls/s of a command, Trilby asked directly ÷ daprd's `bindings.wasm`", paired_ratio(rates[DIRECT], rates[BINDING]), "×", at_least=3.0),
        Figure("calls/s of a command, Trilby through the same daprd ÷ its `bindings.wasm`", paired_ratio(rates[THROUGH], rates[BINDING]), "×"),
        *(Figure(f"{name}: calls", median(of), "/s") for name, of in rates.items()),
        *(Figure(f"{name}: latency p99", median([run["p99_us"] for run in runs]) / 1000, "ms") for name, runs in result["runs"].items()),
    ]
