"""What the machine may do to a system: no descriptors, no disk, no memory, a wrong clock, death in the middle of a write."""

import json
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import manifests
import pytest
from observed import metric, sleep_for
from raw_http import Peer, ask, request

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def echo(system, text=b"honest"):
    return ask(system.address("api"), request("POST", "/echo", body=text)).body


def wait(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_calls_go_on_where_no_descriptor_is_left(start_system, guests, tmp_path):
    """Connections that are open are served, functions included; new ones wait until others have closed."""
    (tmp_path / "page").write_text("page")
    text = manifests.of_guests(guests, ["echo"]) + '[app.web]\nport = 2\n[[app.web.route]]\npath = "/"\nfiles = "page"\n'
    system = start_system(text, "--loops", "2", folder=tmp_path, wrapper=["prlimit", "--nofile=64:64"])
    with Peer(system.address("api")) as api, Peer(system.address("web")) as web:
        for peer, data in ((api, request("POST", "/echo", body=b"x")), (web, request("GET", "/"))):
            peer.send(data)
            assert peer.answer().status == 200
        others = [Peer(system.address("api")) for _ in range(80)]
        try:
            wait(lambda: len(os.listdir(f"/proc/{system.ready['worker']}/fd")) >= 63)
            for _ in range(20):
                api.send(request("POST", "/echo", body=b"still here"))
                assert api.answer().body == b"still here"
            web.send(request("GET", "/"))
            answer = web.answer()
            assert (answer.status, answer.fields["trilby-reason"]) == (503, "overloaded"), "the file cannot be opened now"
        finally:
            for peer in others:
                peer.close()
        assert echo(system) == b"honest"

        def page():  # the other loop may close its last connections a little later
            web.send(request("GET", "/"))
            return (answer := web.answer()).status == 200 and answer.body

        assert wait(page) == b"page"
    assert system.ready["worker"] == worker_of(system)
    assert system.stop() == 0


def worker_of(system):
    return int(Path(f"/proc/{system.process.pid}/task/{system.process.pid}/children").read_text().split()[0])


def with_small_disk(folder, size):
    """Words that run a command where `folder` is a disk of its own."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
            f'mount -t tmpfs -o size={size},mode=700 none "{folder}" && exec "$@"', "sh"]


def test_a_full_disk_under_the_cache_costs_the_cache_only(start_system, guests, tmp_path):
    cache = tmp_path / "aot"
    cache.mkdir(mode=0o700)
    names = ["echo", "canary", "sleep", "spin", "grow", "exit", "flood", "fill"]
    system = start_system(manifests.of_guests(guests, names), "--aot-cache", cache, wrapper=with_small_disk(cache, "40k"))
    assert echo(system) == b"honest"
    assert "compiled code could not be kept" in system.log()
    inside = Path(f"/proc/{system.ready['worker']}/root{cache}")
    entries = [entry.name for entry in inside.iterdir()]
    assert all(len(name) == 64 for name in entries), "no half-written entry is left"
    os.kill(system.ready["worker"], signal.SIGKILL)
    assert echo(system) == b"honest", "the next worker starts from what was kept, and compiles the rest"
    assert "is refused" not in system.log()
    assert system.stop() == 0


def test_a_full_disk_under_the_log_costs_lines_only(start_system, guests):
    with open("/dev/full", "wb") as full:
        system = start_system(manifests.of_guests(guests, ["echo", "exit", "flood"]), stderr=full)
    for _ in range(50):
        assert echo(system) == b"honest"
        assert ask(system.address("api"), request("POST", "/exit", body=b"\x41")).status == 422
        assert ask(system.address("api"), request("POST", "/flood", body=b"\x02\x04")).status == 200
    wait(lambda: metric(system, "trilby_log_dropped_lines_total") > 0)
    assert system.stop() == 0


@pytest.fixture
def compile_into(program, guests, tmp_path):
    """Fills a cache with `trilby compile`; `wrapper` as in start_system."""
    manifest = tmp_path / "trilby.toml"
    manifest.write_text("trilby = 1\n" + manifests.of_guests(guests, ["echo", "canary", "exit"]))
    cache = tmp_path / "aot"

    def run(*wrapper, **options):
        return subprocess.run([*wrapper, program, "compile", "-m", manifest, "--aot-cache", cache], capture_output=True, text=True, timeout=120, **options)

    run.cache = cache
    run.command = [program, "compile", "-m", manifest, "--aot-cache", cache]
    return run


@pytest.mark.parametrize("bytes_", [0, 1, 39, 41, 4096])
def test_death_in_the_middle_of_a_write_leaves_no_entry_that_is_believed(compile_into, bytes_):
    """The kernel ends the process with SIGXFSZ at this byte of a file, unless that is ignored: then the write fails."""
    compile_into("prlimit", f"--fsize={bytes_}")
    done = compile_into()
    assert done.returncode == 0, done.stderr
    assert "refused" not in done.stderr
    again = compile_into()
    assert again.returncode == 0
    assert len([entry for entry in compile_into.cache.iterdir() if len(entry.name) == 64]) == 3


def test_death_at_any_moment_leaves_no_entry_that_is_believed(compile_into):
    started = time.monotonic()
    assert compile_into().returncode == 0
    usual = time.monotonic() - started
    moment = random.Random(4)
    for _ in range(10):
        for entry in compile_into.cache.iterdir():
            entry.unlink()
        process = subprocess.Popen(compile_into.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(moment.uniform(0, usual))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        done = compile_into()
        assert done.returncode == 0, done.stderr
        assert "refused" not in done.stderr


def test_death_between_write_and_rename_leaves_no_entry(compile_into):
    killed = compile_into("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:signal=SIGKILL")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not [entry for entry in compile_into.cache.iterdir() if len(entry.name) == 64]
    done = compile_into()
    assert done.returncode == 0, done.stderr
    assert len([entry for entry in compile_into.cache.iterdir() if len(entry.name) == 64]) == 3


@pytest.mark.parametrize("jump", ["+1d", "-1d", "+10y"])
def test_a_clock_that_jumps_changes_no_deadline(start_system, guests, tmp_path, jump):
    """The real-time clock of the system's processes is changed while calls run: limits and timers go by the monotonic one."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    text = manifests.of_guests(guests, ["spin", "echo", "sleep"]) + 'wall = "4s"\n'  # of the last one
    text += f'[[app.api.route]]\npath = "/nap"\nfunction = "nap"\n[function.nap]\nmodule = "{guests}/sleep.wasm"\nlimits.wall = "60s"\n'
    text += '[worker]\nlockdown = "off"\n'  # a locked-down worker does not get to read the clock's file
    fake = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1"}
    system = start_system(text, env=fake | {"TRILBY_LOG_FORMAT": "json"})
    address = system.address("api")
    with ThreadPoolExecutor(3) as pool:
        sleeper = pool.submit(ask, address, sleep_for(3000, "/nap"))
        forever = pool.submit(ask, address, sleep_for(3_600_000))
        wait(lambda: metric(system, "trilby_calls_live") == 2)
        clock.write_text(jump)
        spinner = pool.submit(ask, address, request("POST", "/spin"))
        assert echo(system) == b"honest"
        assert sleeper.result().body == b"awake"
        assert forever.result().fields["trilby-reason"] == "limit-wall"
        assert spinner.result().fields["trilby-reason"] == "limit-cpu"
    ask(address, request("POST", "/echo", ["X-Request-Id: seen-after-the-jump"], b"x"))
    logged = datetime.fromisoformat(json.loads(system.wait_for_log("seen-after-the-jump"))["time"])
    assert abs(logged - datetime.now(timezone.utc)) > timedelta(hours=20), "the clock did jump"
    assert echo(system) == b"honest"
    assert system.ready["worker"] == worker_of(system)
    assert system.stop() == 0
