"""The C++ benchmarks: they print samples, the statistics are made here."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

from figure import Figure
from stats import median, paired_ratio, percentile

WIDTH, HEIGHT = 640, 427


def photograph() -> bytes:
    """A JPEG as a phone or a web page would send it, from a picture that scikit-image brings along."""
    from PIL import Image
    from skimage import data

    image = Image.fromarray(data.coffee()).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def run(command: list[str], core: int | None) -> dict:
    """Runs a benchmark, on one core where it is to be alone there, and reads the JSON that it prints."""
    pinned = ["taskset", "-c", str(core), *command] if core is not None else command
    done = subprocess.run(pinned, check=False, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def echo(program: Path, guest: Path, calls: int, rounds: int, core: int) -> dict:
    """Latency of an in-process call in µs: percentiles of each round."""
    percentiles: dict[str, list[float]] = {"p50": [], "p90": [], "p99": []}
    bare: list[float] = []
    curve: list[float] = []
    for _ in range(rounds):
        samples = run([str(program), str(guest), str(calls)], core)
        nanoseconds = samples["echo_ns"]
        bare.append(percentile(samples["bare_ns"], 50) / 1000)
        for name, values in percentiles.items():
            values.append(percentile(nanoseconds, float(name[1:])) / 1000)
        curve = [percentile(nanoseconds, percent) / 1000 for percent in range(1, 100)]
    return {"calls": calls, "percentiles_us": percentiles, "curve_us": curve, "bare_p50_us": bare}


def echo_figures(result: dict) -> list[Figure]:
    goals = {"p50": 5.0}
    return [Figure(f"in-process call of a command that echoes 5 bytes, {name}", median(values), "µs", at_most=goals.get(name))
            for name, values in result["percentiles_us"].items()] + [
        Figure("the engine's part of it alone (store, instance, call on a fiber, teardown), p50", median(result["bare_p50_us"]), "µs"),
        Figure("in-process call ÷ the engine's part of it, p50", paired_ratio(result["percentiles_us"]["p50"], result["bare_p50_us"])),
    ]


def images(program: Path, functions: Path, model: Path, scratch: Path, iterations: int) -> dict:
    """Milliseconds of each function, as Wasm and compiled natively, call by call in turn."""
    picture = scratch / "coffee.jpg"
    picture.write_bytes(photograph())
    samples = run([str(program), str(functions), str(model), str(picture), str(iterations)], None)
    return {name: [nanoseconds / 1e6 for nanoseconds in values] for name, values in samples.items()}


def image_figures(result: dict) -> list[Figure]:
    lines = []
    for function in ("grayscale", "classify"):
        wasm, native = result[f"{function}_wasm"], result[f"{function}_native"]
        lines += [
            Figure(f"`{function}` of a {WIDTH}×{HEIGHT} JPEG, Wasm ÷ native C++ -O3", paired_ratio(wasm, native), at_most=1.5),
            Figure(f"`{function}`: Wasm", median(wasm), "ms"),
            Figure(f"`{function}`: native", median(native), "ms"),
        ]
    return lines
