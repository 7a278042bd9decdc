"""Start, drain, crash, and what cannot start."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import manifests
import pytest
from raw_http import Peer, ask, request

TEXT_APP = '[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n'


def sleep_for(milliseconds):
    return request("POST", "/sleep", body=(milliseconds * 1_000_000).to_bytes(8, "little"))


@pytest.fixture
def sleepers(start_system, guests):
    def start(*options):
        return start_system(manifests.of_guests(guests, ["sleep", "echo"]), *options)

    return start


def live_calls(system):
    page = httpx.get(f"{system.admin}/metrics").text
    return sum(int(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith("trilby_calls_live{"))


def begin(system, pool, data):
    """Sends a request whose function then runs."""
    answer = pool.submit(ask, system.address("api"), data)
    deadline = time.monotonic() + 30
    while live_calls(system) == 0:
        assert time.monotonic() < deadline
    return answer


def test_a_drain_lets_calls_end(sleepers):
    system = sleepers()
    with ThreadPoolExecutor(1) as pool:
        answer = begin(system, pool, sleep_for(1500))
        system.signal()
        assert answer.result().body == b"awake"
    assert system.stop() == 0


def test_a_drain_closes_idle_connections_and_is_not_ready(sleepers):
    system = sleepers()
    with ThreadPoolExecutor(1) as pool, Peer(system.address("api")) as idle:
        idle.send(request("POST", "/echo", body=b"x"))
        assert idle.answer().body == b"x"
        answer = begin(system, pool, sleep_for(2000))
        system.signal()
        assert idle.is_closed()
        assert httpx.get(f"{system.admin}/readyz").status_code == 503
        assert httpx.get(f"{system.admin}/livez").status_code == 200
        assert answer.result().status == 200
    assert system.stop() == 0


def test_calls_over_the_grace_period_are_told(sleepers):
    system = sleepers("--grace", "200ms")
    with ThreadPoolExecutor(1) as pool:
        answer = begin(system, pool, sleep_for(9000))
        system.signal()
        told = answer.result()
    assert (told.status, told.fields["trilby-reason"]) == (503, "draining")
    assert system.stop() in (0, 75)


def test_a_second_signal_stops_at_once(sleepers):
    system = sleepers()
    with ThreadPoolExecutor(1) as pool:
        answer = begin(system, pool, sleep_for(9000))
        system.signal()
        system.wait_for_log("draining")
        system.signal(signal.SIGINT)
        assert system.process.wait(20) == 75
        assert answer.exception() is not None or answer.result() is None or answer.result().status == 503


def test_a_worker_that_dies_is_replaced(start_system):
    system = start_system(TEXT_APP)
    os.kill(system.ready["worker"], signal.SIGKILL)
    assert ask(system.address("web"), request("GET", "/")).body == b"hi", "the socket stayed open, and the new worker answers"
    assert system.stop() == 0


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
