"""Paths that change while a guest follows them: what is outside of its directory stays there."""

import os
import subprocess
import threading
from pathlib import Path

import pytest
from raw_http import ask, request

SECRET = b"what no guest may read"
INSIDE = b"what a guest may read."


@pytest.fixture
def files(start_system, tmp_path):
    """A system whose function reads a path again and again in the folder `in`; what is beside that is secret."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(SECRET)
    (folder / "sub" / "secret").write_bytes(INSIDE)
    subprocess.run(["wat2wasm", Path(__file__).parent / "guests/read_again.wat", "-o", tmp_path / "f.wasm"], check=True)
    system = start_system('[app.api]\nport = 1\n[[app.api.route]]\npath = "/f"\nfunction = "f"\n[function.f]\nmodule = "f.wasm"\n'
                          'limits = { cpu = "10s", wall = "60s" }\nallow.directories = { "/in" = "in" }\n', folder=tmp_path)
    return system.address("api"), folder


def swap(place, others):
    """Puts each of `others` in turn where `place` is, each in one step."""
    done = threading.Event()

    def turn():
        step = place.with_name("next")
        for make in iter(lambda: others[next(order) % len(others)], None):
            if done.is_set():
                return
            make(step)
            os.rename(step, place)

    order = iter(range(10_000_000))
    thread = threading.Thread(target=turn)
    thread.start()
    return thread, done


def read_while(address, path, place, others):
    """What was read meanwhile, by 20 calls and as many more as it takes until it was there at times."""
    thread, done = swap(place, others)
    read = b""
    try:
        for calls in range(1000):
            read += ask(address, request("POST", "/f", body=path)).body
            if calls >= 20 and INSIDE in read:
                break
        return read
    finally:
        done.set()
        thread.join()


def test_a_file_that_becomes_a_link_out_is_never_followed(files):
    address, folder = files
    read = read_while(address, b"file", folder / "file", [lambda at: at.write_bytes(INSIDE), lambda at: at.symlink_to("../secret")])
    assert INSIDE in read, "it was there at times"
    assert SECRET not in read


def test_a_folder_that_becomes_a_link_out_is_never_followed(files):
    """A folder cannot be replaced in one step, so a link to it takes turns with a link to what is outside."""
    address, folder = files
    read = read_while(address, b"way/secret", folder / "way", [lambda at: at.symlink_to("sub"), lambda at: at.symlink_to("..")])
    assert INSIDE in read
    assert SECRET not in read
