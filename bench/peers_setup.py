#!/usr/bin/env python3
"""Fetches and builds the peers that registries have, pinned, into ~/.cache/trilby/peers; what is there already is left alone. Run by
`make bench` before anything is measured. The peers that this repository is the source of are built by CMake (bench/CMakeLists.txt)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("TRILBY_CACHE") or Path.home() / ".cache/trilby") / "peers"
WASMTIME = "48.0.8"
# What `wasmtime serve` needs, and nothing that would slow it down (logging, profiling, debugging).
WASMTIME_FEATURES = ("run,serve,compile,cranelift,parallel-compilation,pooling-allocator,component-model,component-model-async,"
                     "gc,gc-drc,gc-null,wat,backtrace,addr2line,demangle")
# Its best settings: with as much kept resident as Trilby keeps it answers a quarter more than with the pool alone.
POOLING = ("-O", "pooling-allocator=y", "-O", "pooling-memory-keep-resident=1048576", "-O", "pooling-table-keep-resident=65536")


def say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


def run(command: list[str | Path], **options) -> None:
    """What it prints is progress, so it goes where ours goes."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, **options)


def wasmtime() -> Path:
    """wasmtime-cli from crates.io, its own Cargo.lock, minutes of building."""
    root = CACHE / f"wasmtime-{WASMTIME}"
    program = root / "bin/wasmtime"
    if not program.exists():
        target = CACHE / "wasmtime-target"
        say(f"building wasmtime-cli {WASMTIME} from crates.io, the peer `wasmtime serve` (minutes, once)")
        run(["cargo", "install", "wasmtime-cli", "--locked", "--version", f"={WASMTIME}", "--no-default-features", "--features",
             WASMTIME_FEATURES, "--root", root], env=os.environ | {"CARGO_TARGET_DIR": str(target)})
        shutil.rmtree(target, ignore_errors=True)  # more than a gigabyte
    return program


def hello_component(program: Path) -> Path:
    """The component, compiled beforehand, so that no start has to."""
    source = HERE / "peers/hello_component.wat"
    compiled = CACHE / f"hello-{WASMTIME}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.cwasm"
    if not compiled.exists():
        run([program, "compile", *POOLING, source, "-o", compiled])
    return compiled


def wazero() -> Path:
    """The Go program of peers/wazero, with the modules that its go.sum names."""
    source = HERE / "peers/wazero"
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))).hexdigest()[:12]
    program = CACHE / f"wazero-{digest}"
    if not program.exists():
        say("building the peer on wazero (Go modules of bench/peers/wazero/go.sum)")
        run(["go", "build", "-trimpath", "-mod=readonly", "-o", program, "."], cwd=source)
    return program


def prepare(what: Callable[[], Path]) -> Path | str:
    """The file, or why there is none: the other peers can be measured without it."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        return what()
    except subprocess.CalledProcessError as error:
        why = f"`{Path(error.cmd[0]).name} {error.cmd[1]}` ended with {error.returncode}"
    except OSError as error:
        why = str(error)
    say(f"not available: {why}")
    return why


if __name__ == "__main__":
    server = prepare(wasmtime)
    prepare(wazero)
    if isinstance(server, Path):
        prepare(lambda: hello_component(server))
