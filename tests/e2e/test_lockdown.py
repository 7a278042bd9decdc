"""The outer wall around a running worker, seen from outside. (What it stops is tried from inside: src/app/lockdown_test.cc.)"""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import manifests
import pytest
from raw_http import ask, request

LAYERS = ("no_new_privs", "no_core_dumps", "capabilities", "landlock", "seccomp", "non_root")


def status(pid):
    """/proc/PID/status of each thread."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            lines = (task / "status").read_text().splitlines()
            found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return found


def assert_locked_down(pid):
    threads = status(pid)
    assert len(threads) > 3
    for thread in threads:
        assert thread["NoNewPrivs"] == "1", thread["Name"]
        assert thread["Seccomp"] == "2", thread["Name"]
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(thread[kind], 16) == 0, (thread["Name"], kind)
        if os.geteuid() == 0:
            assert int(thread["CapBnd"], 16) == 0, thread["Name"]
    limits = Path(f"/proc/{pid}/limits").read_text() if os.geteuid() == 0 else ""
    assert not limits or re.search(r"Max core file size +0 +0 ", limits)


def test_every_thread_of_a_worker_is_locked_down(guest_system):
    ask(guest_system.address("api"), request("POST", "/echo", body=b"x"))
    assert_locked_down(guest_system.ready["worker"])


def test_what_the_worker_asks_the_system_for_is_not_refused_by_mistake(guest_system):
    """Lockdown must not cost a feature silently: what fails here has a fallback that nobody would notice."""
    ask(guest_system.address("api"), request("POST", "/echo", body=b"x"))
    page = httpx.get(f"{guest_system.admin}/metrics").text
    started = float(re.search(r"^process_start_time_seconds ([0-9.e+]+)$", page, re.MULTILINE)[1])
    assert started > 1.7e9, "read from /proc/stat before it is closed"
    assert float(re.search(r"^process_open_fds ([0-9]+)$", page, re.MULTILINE)[1]) > 3


@pytest.mark.skipif(os.geteuid() != 0, reason="a process that is not dumpable shows its memory to root alone")
def test_guests_memories_are_still_copied_on_write(system):
    """The engine makes an image of a memory at the first call, and falls back to copying when it cannot."""
    answer = httpx.post(f"{system.url('image-api-rs')}/api/image", content=b"no picture")
    assert answer.status_code == 422
    assert "memfd:wasm-memory-image" in Path(f"/proc/{system.ready['worker']}/maps").read_text()


def test_the_log_says_what_is_in_force(guest_system):
    line = guest_system.wait_for_log('"message":"locked down"')
    for layer in LAYERS:
        assert f'"{layer}":"' in line


def test_metrics_say_what_is_in_force(guest_system):
    page = httpx.get(f"{guest_system.admin}/metrics").text
    found = dict(re.findall(r'^trilby_lockdown\{layer="([a-z_]+)"\} ([01])$', page, re.MULTILINE))
    assert set(found) == set(LAYERS)
    assert [found[layer] for layer in ("no_new_privs", "no_core_dumps", "capabilities", "seccomp")] == ["1"] * 4
    assert found["non_root"] == str(int(os.geteuid() != 0))


def test_doctor_says_what_the_kernel_has(trilby, tmp_path):
    told = subprocess.run([trilby, "doctor", "-m", tmp_path / "none.toml"], capture_output=True, text=True, check=False).stdout
    for layer in LAYERS:
        assert f"lockdown: {layer}" in told


def test_a_worker_that_crashes_behind_the_wall_is_replaced(start_system, guests):
    system = start_system(manifests.of_guests(guests, ["echo"]))
    before = system.ready["worker"]
    os.kill(before, signal.SIGABRT)
    system.wait_for_log("the system serves again")
    assert "signal 6" in system.wait_for_log("the worker died")
    after = int(re.search(r"worker=(\d+)", system.wait_for_log("the system serves again"))[1])
    assert after != before
    assert_locked_down(after)
    assert ask(system.address("api"), request("POST", "/echo", body=b"x")).body == b"x"


def test_a_file_that_is_replaced_is_served(start_system, tmp_path):
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("one")
    system = start_system(f'[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\nfiles = "{page}"\n')
    assert httpx.get(system.url("web")).text == "one"
    new = page.with_suffix(".new")
    new.write_text("two")
    new.rename(page)
    assert httpx.get(system.url("web")).text == "two"


def test_it_can_be_switched_off(start_system):
    system = start_system('[worker]\nlockdown = "off"\n[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n')
    assert "this worker is not locked down" in system.log()
    assert {thread["Seccomp"] for thread in status(system.ready["worker"])} == {"0"}
    assert 'trilby_lockdown{layer="seccomp"} 0' in httpx.get(f"{system.admin}/metrics").text


def test_it_can_be_required(start_system):
    text = '[worker]\nlockdown = "required"\n[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n'
    assert httpx.get(start_system(text).url("web")).text == "hi"
