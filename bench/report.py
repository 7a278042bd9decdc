"""What is left behind: figures as JSON, the table in docs/benchmarks.md, the plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import app_channel
import hello
import idle
import neighbours
import overload
import peers
from figure import Figure
from stats import percentile
from svg import Bar, bar_chart

def table(figures: Sequence[Figure]) -> str:
    rows = ["| what | measured | goal | met |", "|---|---|---|---|"]
    for figure in figures:
        what = f"{figure.what} ({figure.note})" if figure.note else figure.what
        rows.append(f"| {what} | {figure.measured_text()} | {figure.goal_text()} | {figure.met_text()} |")
    return "\n".join(rows)


def tables(results: dict) -> list[str]:
    """Those that figures do not make."""
    return [of.table(results[name]) for name, of in (("peers", peers), ("dapr", app_channel)) if name in results]


def section(machine: dict, date: str, results: dict, figures: Sequence[Figure], failed: dict[str, str]) -> str:
    """Goals first, then the peers, then what is only reported."""
    held = [figure for figure in figures if figure.goal_text() != "reported"]
    reported = [figure for figure in figures if figure.goal_text() == "reported"]
    where = (f"Measured on {date}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
             f"{machine['kernel']}, load {machine['load_1min']} before the run.")
    plain = "\n".join(["| what | measured |", "|---|---|",
                       *(f"| {figure.what} | {figure.measured_text()} |" for figure in reported)]) if reported else ""
    missing = "\n".join(f"Could not be measured: `{name}` ({why})." for name, why in failed.items())
    return "\n\n".join(piece for piece in (where, missing, table(held), *tables(results), plain) if piece) + "\n"


def between_markers(text: str, name: str, content: str) -> str:
    """Replaces what stands between the two markers of that name, each of which has to be there once."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"{begin} and {end} must stand there once, in this order")
    head, rest = text.split(begin)
    return f"{head}{begin}\n{content.strip()}\n{end}{rest.split(end)[1]}"


def write_docs(docs: Path, name: str, content: str) -> None:
    docs.write_text(between_markers(docs.read_text(), name, content))


def plots(results: dict) -> dict[str, str]:
    """File name to SVG, for whatever was measured."""
    made = {}
    if "echo" in results:
        made["echo.svg"] = bar_chart(
            "In-process call of an echo command, fresh instance each time", "µs",
            [Bar(name, values, name == "p50") for name, values in results["echo"]["percentiles_us"].items()], 5.0, "goal p50 ≤ 5")
    if "hello" in results:
        runs = results["hello"]["runs"]
        made["hello_requests.svg"] = bar_chart(
            "Requests per second, one core, 32 connections", "requests/s",
            [Bar(name, [run["requests_per_second"] for run in of], name == hello.HELLO) for name, of in runs.items()])
        made["hello_latency.svg"] = bar_chart(
            "Latency under full load, 32 connections", "µs",
            [Bar(f"{name} {rank}", [run[f"{rank}_us"] for run in of], name == hello.HELLO)
             for name, of in runs.items() for rank in ("p50", "p99")])
    if "peers" in results:
        of_peers = results["peers"]
        names = {name: name.replace("`", "") for name in of_peers["runs"]}
        made["peers_requests.svg"] = bar_chart(
            "hello: requests per second, one core, 32 connections", "requests/s",
            [Bar(names[name], [run["requests_per_second"] for run in runs], name == peers.TRILBY) for name, runs in of_peers["runs"].items()])
        made["peers_alone.svg"] = bar_chart(
            "hello: one request at a time (p10, p50, p90)", "ms",
            [Bar(names[name], [value / 1000 for value in values], name == peers.TRILBY) for name, values in of_peers["alone_us"].items()])
        made["peers_memory.svg"] = bar_chart(
            "hello: memory under load (Pss)", "MiB",
            [Bar(names[name], [value], name == peers.TRILBY) for name, value in of_peers["loaded_mib"].items()])
        made["peers_start.svg"] = bar_chart(
            "hello: start of the server to its first answer, caches warm", "ms",
            [Bar(names[name], values, name == peers.TRILBY) for name, values in of_peers["start_ms"].items()])
    if "neighbours" in results:
        made["neighbours.svg"] = bar_chart(
            f"hello at {results['neighbours']['rate']}/s, p99, one core", "µs",
            [Bar(name, [run["p99_us"] for run in runs], name != neighbours.QUIET) for name, runs in results["neighbours"]["runs"].items()])
    if "overload" in results:
        runs = results["overload"]["runs"][overload.TUNED]
        made["overload.svg"] = bar_chart(
            "Overload: requests each second, one core", "requests/s",
            [Bar("capacity", [run["capacity"] for run in runs]),
             Bar("due at 4 × capacity", [run["heavy"]["due_per_second"] for run in runs]),
             Bar("answered in time", [run["heavy"]["goodput"] for run in runs], True)])
    if "images" in results:
        made["images.svg"] = bar_chart(
            "A 640×427 JPEG, in process (p10 to p90 as dots)", "ms",
            [Bar(name.replace("_", ", "), [percentile(samples, p) for p in (10, 50, 90)], name.endswith("wasm"))
             for name, samples in results["images"].items()])
    if "idle" in results:
        for key, title, unit in (("pss", "Memory of the idle system (Pss)", "MiB"),
                                 ("start_ms", "Start to first answer, warm cache", "ms")):
            made[f"idle_{'memory' if key == 'pss' else 'start'}.svg"] = bar_chart(
                title, unit, [Bar(name, [sample[key] for sample in samples], name != idle.NODE)
                              for name, samples in results["idle"].items()])
    return made


def write(folder: Path, docs: Path | None, machine: dict, date: str, results: dict, figures: Sequence[Figure],
          failed: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"date": date, "machine": machine, "figures": [figure.as_json() for figure in figures], "failed": failed,
                "samples": _rounded(results)}
    (folder / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for name, svg in plots(results).items():
        (folder / name).write_text(svg)
    if docs is not None:
        write_docs(docs, "bench", section(machine, date, results, figures, failed))


def _rounded(value):
    """Four significant digits: what the machine's noise leaves, and a small file."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
