"""Start, drain, crash, and what cannot start."""

import contextlib
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import manifests
import pytest
from observed import HeldCall, begin, metric, sleep_for
from raw_http import Peer, ask, request

TEXT_APP = '[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n'


@pytest.fixture
def sleepers(start_system, guests):
    def start(*options):
        return start_system(manifests.of_guests(guests, ["sleep", "echo"]), *options)

    return start


@pytest.mark.parametrize(("settings", "batches"), [("", 0), ('[worker]\nscheduling = "batch"\n', 2)])
def test_loops_are_scheduled_as_the_manifest_says(start_system, settings, batches):
    """Only loops: the thread that ends guests' turns must interrupt whoever computes."""
    system = start_system(settings + TEXT_APP, "--loops", "2")
    threads = []
    for thread in os.listdir(f"/proc/{system.ready['worker']}/task"):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            threads.append(os.sched_getscheduler(int(thread)))
    assert threads.count(os.SCHED_BATCH) == batches
    assert threads.count(os.SCHED_OTHER) == len(threads) - batches > 1
    assert httpx.get(f"{system.url('web')}/").text == "hi"


def test_a_drain_lets_calls_end(sleepers):
    system = sleepers()
    with ThreadPoolExecutor(1) as pool:
        answer = begin(system, pool, sleep_for(1500))
        system.signal()
        assert answer.result().body == b"awake"
    assert system.stop() == 0


def test_a_drain_closes_idle_connections_and_is_not_ready(sleepers):
    system = sleepers()
    with Peer(system.address("api")) as idle, HeldCall(system) as call:
        idle.send(request("POST", "/echo", body=b"x"))
        assert idle.answer().body == b"x"
        system.signal()
        assert idle.is_closed()
        assert httpx.get(f"{system.admin}/readyz").status_code == 503
        assert httpx.get(f"{system.admin}/livez").status_code == 200
        assert call.release().body == b"held"
    assert system.stop() == 0


def test_calls_over_the_grace_period_are_told(sleepers):
    system = sleepers("--grace", "200ms")
    with ThreadPoolExecutor(1) as pool:
        answer = begin(system, pool, sleep_for(9000))
        system.signal()
        told = answer.result()
    assert (told.status, told.fields["trilby-reason"]) == (503, "draining")
    assert system.stop() == 75
    assert "requests=1" in system.log_line("cutting off requests that did not end within the grace period")


def test_a_second_signal_stops_at_once(sleepers):
    system = sleepers()
    with ThreadPoolExecutor(1) as pool:
        answer = begin(system, pool, sleep_for(9000))
        system.signal()
        system.wait_for_log("draining")
        system.signal(signal.SIGINT)
        assert system.process.wait(20) == 75
        assert answer.exception() is not None or answer.result() is None or answer.result().status == 503
    assert "requests=1" in system.log_line("cutting off requests, for an end at once was asked for")


def test_what_waits_in_the_queue_is_served_before_the_sockets_close(sleepers):
    system = sleepers("--loops", "1")
    host_and_port = system.address("api")
    with HeldCall(system) as call:
        os.kill(system.ready["worker"], signal.SIGSTOP)  # nobody accepts now
        waiting = [Peer(host_and_port) for _ in range(20)]
        for peer in waiting:
            peer.send(request("POST", "/echo", body=b"here"))
        system.signal()
        system.wait_for_log("draining")
        os.kill(system.ready["worker"], signal.SIGCONT)
        for peer in waiting:
            with peer:
                assert peer.answer().body == b"here"
        assert call.release().body == b"held"
    assert system.stop() == 0


def test_only_requests_under_way_fail_when_a_worker_dies(sleepers):
    system = sleepers()
    with ThreadPoolExecutor(1) as pool:
        lost = begin(system, pool, sleep_for(9000))
        os.kill(system.ready["worker"], signal.SIGKILL)
        assert lost.exception() is not None or lost.result() is None
        assert ask(system.address("api"), request("POST", "/echo", body=b"x")).body == b"x"
    assert metric(system, "trilby_worker_crashes_total") == 1, "the next one tells"
    assert system.stop() == 0


def test_a_stop_while_the_worker_is_being_replaced_is_clean(start_system):
    system = start_system(TEXT_APP)
    os.kill(system.ready["worker"], signal.SIGKILL)
    system.wait_for_log("the worker died")
    assert system.stop() == 0


def test_a_stop_at_any_moment_of_the_start_is_clean(program, tmp_path):
    (tmp_path / "trilby.toml").write_text("trilby = 1\n" + TEXT_APP)
    ready = tmp_path / "ready.json"
    command = [program, "up", tmp_path / "trilby.toml", "--port", "web=0", "--admin-port", "0", "--ready-file", ready]
    for delay in range(0, 60, 3):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        blocked = f"/proc/{process.pid}/status"
        while not signals_are_blocked(blocked):  # before that, SIGTERM is not the program's to answer
            assert process.poll() is None
        time.sleep(delay / 1000)  # where in the start it comes is chance; any place must do
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
        assert not ready.exists()


def signals_are_blocked(status):
    with open(status) as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("SigBlk:"))
    return mask & (1 << (signal.SIGTERM - 1)) != 0


def test_a_worker_gets_no_descriptor_that_its_supervisor_inherited(start_system, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)
        system = start_system(TEXT_APP, pass_fds=[file.fileno()])
    assert str(secret) in descriptors(system.ready["supervisor"]), "or else this test shows nothing"
    assert str(secret) not in descriptors(system.ready["worker"])
    assert system.stop() == 0


def descriptors(pid):
    found = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            found.add(os.readlink(entry.path))
    return found


def test_signals_that_the_parent_ignored_are_answered_all_the_same(start_system):
    def ignore():
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    system = start_system(TEXT_APP, prepare=ignore)
    os.kill(system.ready["worker"], signal.SIGKILL)
    system.wait_for_another_worker()
    assert system.stop() == 0


def test_closed_standard_streams_are_no_sockets(start_system):
    system = start_system(TEXT_APP, prepare=lambda: os.close(0))
    for pid in (system.ready["supervisor"], system.ready["worker"]):
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert system.stop() == 0


def test_a_ready_file_of_one_that_was_killed_is_removed_at_the_start(program, tmp_path):
    stale = tmp_path / "ready.json"
    stale.write_text('{"worker":1}')
    (tmp_path / "trilby.toml").write_text('trilby = 1\n[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\nfiles = "nowhere"\n')
    done = subprocess.run([program, "up", tmp_path / "trilby.toml", "--port", "a=0", "--admin-port", "0", "--ready-file", stale], capture_output=True, timeout=60)
    assert done.returncode == 78
    assert not stale.exists()


def test_nothing_grows_with_requests(guest_system):
    api = guest_system.address("api")

    def process(name):
        page = httpx.get(f"{guest_system.admin}/metrics").text
        return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(name + " "))

    def run(count):
        with Peer(api) as peer:
            for _ in range(count):
                peer.send(request("POST", "/echo", body=b"x"))
                assert peer.answer().body == b"x"
                peer.send(request("GET", "/missing"))
                assert peer.answer().status == 404

    run(500)
    descriptors, memory = process("process_open_fds"), process("process_resident_memory_bytes")
    run(3000)
    assert process("process_open_fds") <= descriptors + 2
    assert process("process_resident_memory_bytes") < memory + (8 << 20)


@pytest.mark.parametrize(("text", "words"), [
    ('[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\nfunction = "f"\n[function.f]\nmodule = "missing.wasm"\n', ["missing.wasm", "f"]),
    ('[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\nfunction = "f"\n[function.f]\nmodule = "broken.wasm"\n', ["f"]),
    ('[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\nfiles = "nowhere"\n', ["nowhere", "trilby.toml:4"]),
    ('[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\nfiles = "."\n', ["folder", "/*"]),
    ('[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\ntext = "a"\n[model.m]\npath = "broken.xml"\n', ["broken.xml"]),
    ('[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\ntxt = "a"\n', ["txt", "text"]),
], ids=["no module", "no wasm", "no file", "a folder", "no model", "a slip"])
def test_what_cannot_be_served_is_said_at_once(program, tmp_path, text, words):
    (tmp_path / "trilby.toml").write_text("trilby = 1\n" + text)
    (tmp_path / "broken.wasm").write_bytes(b"\0asm\x01\0\0\0garbage")
    (tmp_path / "broken.xml").write_text("<net")
    done = subprocess.run([program, "up", tmp_path / "trilby.toml", "--port", "a=0", "--admin-port", "0"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 78, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_a_port_in_use_is_said_at_once(program, start_system, tmp_path):
    _, port = start_system(TEXT_APP).address("web")
    (tmp_path / "trilby.toml").write_text("trilby = 1\n" + TEXT_APP)
    done = subprocess.run([program, "up", tmp_path / "trilby.toml", "--port", f"web={port}", "--admin-port", "0"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78, done.stderr
    assert str(port) in done.stderr
