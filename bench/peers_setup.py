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


def digest_of(source: Path, *names: str) -> str:
    return hashlib.sha256(b"".join((source / name).read_bytes() for name in names)).hexdigest()[:12]


def go_program(name: str) -> Path:
    """The Go program of a folder of peers/, with the modules that its go.sum names."""
    source = HERE / "peers" / name
    program = CACHE / f"{name}-{digest_of(source, 'go.mod', 'go.sum', 'main.go')}"
    if not program.exists():
        say(f"building the peer {name} (Go modules of bench/peers/{name}/go.sum)")
        run(["go", "build", "-trimpath", "-mod=readonly", "-o", program, "."], cwd=source)
    return program


def dapr_node() -> Path:
    """The app on @dapr/dapr, beside the packages that its package-lock.json names."""
    source, names = HERE / "peers/dapr_node", ("package.json", "package-lock.json", "app.js")
    folder = CACHE / f"dapr_node-{digest_of(source, *names)}"
    if not (folder / "complete").exists():
        say("fetching the packages of the peer dapr_node")
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(source / name, folder)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        (folder / "complete").touch()
    return folder / "app.js"


def dapr_python() -> Path:
    """A Python with the packages that requirements.txt names."""
    source = HERE / "peers/dapr_python"
    folder = CACHE / f"dapr_python-{digest_of(source, 'requirements.txt')}"
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        say("fetching the packages of the peer dapr_python")
        run([sys.executable, "-m", "venv", folder])
        run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", source / "requirements.txt"])
        (folder / "complete").touch()
    return python


def daprd_with_all_components() -> Path:
    """The sidecar with the components too that Dapr does not call stable, bindings.wasm among them, of the modules that the real one is
    built of (tools/dapr). Some minutes."""
    source = HERE.parent / "tools/dapr"
    program = CACHE / f"daprd-all-{digest_of(source, 'go.mod', 'go.sum')}"
    if not program.exists():
        say("building daprd with all its components, for its bindings.wasm (minutes, once)")
        run(["go", "build", "-trimpath", "-mod=readonly", "-tags", "allcomponents", "-ldflags", "-s -w", "-o", program, "github.com/dapr/dapr/cmd/daprd"],
            cwd=source, env=os.environ | {"CGO_ENABLED": "0"})
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
    for peer in (lambda: go_program("wazero"), lambda: go_program("dapr_go"), dapr_node, dapr_python, daprd_with_all_components):
        prepare(peer)
    if isinstance(server, Path):
        prepare(lambda: hello_component(server))
