"""Modules that are too much, files that change under the reader, and compiled code that somebody touched."""

import json
import os
import subprocess
import threading

import manifests
import pytest
from binary import command, number, section, sized
from raw_http import ask, request

BLOCKS = 20_000


@pytest.fixture
def load(program, tmp_path):
    """Compiles a module and, if that works, calls it. Returns what both said."""

    def run(module):
        (tmp_path / "m.wasm").write_bytes(module)
        (tmp_path / "trilby.toml").write_text('trilby = 1\n[function.m]\nmodule = "m.wasm"\n')
        options = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120, "stdin": subprocess.DEVNULL}
        compiled = subprocess.run([program, "compile", "--aot-cache", "aot"], **options)
        if compiled.returncode != 0:
            return compiled.returncode, compiled.stderr
        called = subprocess.run([program, "invoke", "m", "--aot-cache", "aot", "-o", "json"], **options)
        return called.returncode, json.loads(called.stderr)["reason"]

    return run


@pytest.mark.parametrize("module", [
    command(bodies=[b"\x00\x0b"] * 3000),
    command(bodies=[b"\x00" + b"\x02\x40" * BLOCKS + b"\x0b" * BLOCKS + b"\x0b"]),
    command(bodies=[b"\x00" + b"\x41\x00\x04\x40" * BLOCKS + b"\x0b" * BLOCKS + b"\x0b"]),
    command(bodies=[b"\x00" + b"\x41\x00" * BLOCKS + b"\x1a" * BLOCKS + b"\x0b"]),
    command(bodies=[b"\x01" + number(50_000) + b"\x7b\x0b"]),
    command(types=[b"\x60" + number(1000) + b"\x7f" * 1000 + number(1000) + b"\x7e" * 1000] * 100),
    command(data=[b"\x00\x41\x00\x0b" + sized(b"x")] * 50_000),
    command(custom=section(0, sized(b"x") + bytes(8 << 20))),
    command(custom=section(0, sized(b"name") + b"\x01" + sized(number(1) + number(0) + sized(b"n" * (4 << 20))))),
], ids=["functions", "blocks in blocks", "ifs in ifs", "values on the stack", "locals", "types", "data", "a section nobody knows", "a name"])
def test_a_module_of_very_much_runs(load, module):
    assert load(module) == (0, "ok")


@pytest.mark.parametrize(("module", "words"), [
    (command(globals_=[b"\x7e\x01\x42\x00\x0b"] * 100_000), "exceeds the configured maximum"),
    (command(bodies=[b"\x02" + number(4_000_000_000) + b"\x7f" + number(4_000_000_000) + b"\x7f\x0b"]), "too many locals"),
    (command(bodies=[b"\x00\x02\x40\x41\x00\x0e" + number(100_000) + b"\x00" * 100_001 + b"\x0b\x0b"]), "exceeds the implementation limit"),
    (command(types=[b"\x60" + number(1001) + b"\x7f" * 1001 + b"\x00"]), "function params"),
    (command(custom=section(0, sized(b"x"))[:-1]), "it is truncated"),
], ids=["globals", "locals", "targets", "parameters", "less than it says"])
def test_a_module_of_too_much_is_refused_in_words(load, module, words):
    exit_code, said = load(module)
    assert exit_code == 78
    assert words in said


def test_a_module_that_is_swapped_while_it_is_read_is_never_taken_for_another(program, guests, tmp_path):
    """Whatever was compiled is kept under the digest of the bytes that were compiled: what is called in the end is what is there."""
    honest, other = (guests / "echo.wasm").read_bytes(), (guests / "exit.wasm").read_bytes()
    module = tmp_path / "m.wasm"
    module.write_bytes(honest)
    (tmp_path / "trilby.toml").write_text('trilby = 1\n[function.m]\nmodule = "m.wasm"\n')
    done = threading.Event()

    def swap():
        with module.open("r+b") as file:
            for turn in range(1_000_000):
                if done.is_set():
                    break
                file.seek(0)
                file.write(other if turn % 2 else honest)
                file.truncate()
                file.flush()

    def run(*arguments, **more):
        return subprocess.run([program, *arguments, "--aot-cache", "aot"], cwd=tmp_path, capture_output=True, timeout=60, **more)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        assert {run("compile", stdin=subprocess.DEVNULL).returncode for _ in range(20)} <= {0, 78}
    finally:
        done.set()
        swapper.join()
    module.write_bytes(honest)
    assert run("invoke", "m", input=b"honest").stdout == b"honest"
    module.write_bytes(other)
    assert run("invoke", "m", input=b"\x41").returncode == 65


def test_compiled_code_that_somebody_touched_is_compiled_again(start_system, guests, tmp_path):
    """With its digest, name and owner right the code would be believed: here each is wrong in turn, while the system runs."""
    cache = tmp_path / "aot"
    text = manifests.of_guests(guests, ["echo", "exit"])
    first = start_system(text, "--aot-cache", cache)
    assert first.stop() == 0
    one, two = sorted(cache.iterdir())
    whole = one.read_bytes()
    header = len(b"TRILBY1\n") + 32
    for touched in (whole[:-1], whole + b"\0", whole[:header] + b"\xcc" * (len(whole) - header), two.read_bytes(), b"", b"TRILBY1\n"):
        one.write_bytes(touched)
        system = start_system(text, "--aot-cache", cache)
        assert "an entry of the cache of compiled code is refused" in system.log()
        assert ask(system.address("api"), request("POST", "/echo", body=b"right")).body == b"right"
        assert ask(system.address("api"), request("POST", "/exit", body=b"\x41")).status == 422
        assert system.stop() == 0
        assert one.read_bytes() == whole
    os.chmod(one, 0o666)
    system = start_system(text, "--aot-cache", cache)
    assert "is refused" in system.log()
    assert system.stop() == 0
