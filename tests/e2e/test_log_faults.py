"""Whoever reads the log may be slow or gone, and its disk full: the system serves all the same, and counts what is lost."""

import fcntl
import os

import httpx
import manifests
import pytest
from raw_http import ask, request

NOISE = request("POST", "/flood", body=b"\x02\x01")  # 64 KiB on standard error
ECHO = request("POST", "/echo", body=b"x")


def dropped(system, log):
    page = httpx.get(f"{system.admin}/metrics").text
    return next(int(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(f'trilby_log_dropped_lines_total{{log="{log}"}}'))


def make_noise_until(system, condition):
    api = system.address("api")
    for _ in range(2000):
        assert ask(api, NOISE).status == 200
        assert ask(api, ECHO).body == b"x"
        if condition():
            return
    raise AssertionError("nothing was dropped")


@pytest.fixture
def text(guests):
    return manifests.of_guests(guests, ["echo", "flood"])


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            pass  # the test did


def test_a_reader_that_stands_still_holds_nobody_up(start_system, text, pipe):
    system = start_system(text, stderr=pipe[1])
    worker = system.ready["worker"]
    make_noise_until(system, lambda: dropped(system, "program") > 0)
    assert ask(system.address("api"), ECHO).body == b"x"
    assert os.path.exists(f"/proc/{worker}")
    assert system.stop() == 0


def test_a_reader_that_leaves_ends_nobody(start_system, text, pipe):
    system = start_system(text, stderr=pipe[1])
    os.close(pipe[0])
    make_noise_until(system, lambda: dropped(system, "program") > 0 and dropped(system, "access") > 0)
    assert os.path.exists(f"/proc/{system.ready['worker']}")
    assert system.stop() == 0


def test_a_full_disk_ends_nobody(start_system, text, tmp_path):
    # The compiled functions do not fit either: they are compiled, and not kept.
    system = start_system(text, "--aot-cache", str(tmp_path / "aot"), file_size=8192)
    make_noise_until(system, lambda: dropped(system, "program") > 0 and dropped(system, "access") > 0)
    assert os.path.exists(f"/proc/{system.ready['worker']}")
    assert "could not be kept" in system.log()
    assert list((tmp_path / "aot").iterdir()) == [], "no half of an entry is left"
    assert system.stop() == 0
