"""SIGHUP and `trilby up --watch`: another manifest, another module, and the old ones while the new ones are no good."""

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import manifests
import pytest
from observed import HeldCall, begin, metric, sleep_for
from raw_http import Peer, ask, request

GET = request("GET", "/")


def saying(text, app="web", fields="", more=""):
    return f'[app.{app}]\nport = 1\n{fields}[[app.{app}.route]]\npath = "/"\ntext = "{text}"\n{more}'


def rewrite(system, text):
    """As editors do it: another file, renamed over the old one."""
    new = system.manifest.with_suffix(".new")
    new.write_text("trilby = 1\n" + text)
    new.rename(system.manifest)


def reloads(system):
    """As the worker shows them that serves: those that went well, and the others."""
    return [metric(system, "trilby_reloads_total", result=result) for result in ("ok", "failed")]


def hang_up(system):
    system.process.send_signal(signal.SIGHUP)


def reload(system):
    hang_up(system)
    return system.wait_for_another_worker()


def wait_for_end(pid):
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < deadline, f"process {pid} goes on"
        time.sleep(0.01)


def test_a_reload_serves_the_new_manifest_on_the_same_sockets(start_system):
    system = start_system(saying("old"))
    address, admin = system.address("web"), system.admin
    rewrite(system, saying("new"))
    old = reload(system)
    assert (system.address("web"), system.admin) == (address, admin), "--port and --admin-port hold, and any free port stays the same one"
    assert ask(address, GET).body == b"new"
    wait_for_end(old)
    assert system.ready["supervisor"] == system.process.pid
    assert system.stop() == 0


def test_a_manifest_whose_jobs_nobody_schedules_is_told_once(start_system, guests):
    warning = "jobs are not scheduled: the app has no sidecar"
    job = f'[[app.web.job]]\nname = "nightly"\nschedule = "@daily"\nfunction = "echo"\n[function.echo]\nmodule = "{guests}/echo.wasm"\n'
    system = start_system(saying("text", more=job))
    system.wait_for_log(warning)
    os.kill(system.ready["worker"], signal.SIGKILL)
    system.wait_for_another_worker()  # with the same manifest
    reload(system)
    assert system.stop() == 0
    assert system.log().count(warning) == 2
    assert "app=web" in system.log_line(warning)


def test_a_reload_opens_new_addresses_and_closes_those_that_are_gone(start_system):
    system = start_system(saying("one"))
    channel = system.address("web")
    rewrite(system, saying("two", fields='public = "127.0.0.1:0"\n'))
    reload(system)
    public = system.address("web")
    assert public != channel
    assert ask(public, GET).body == b"two"
    assert ask(channel, GET) is not None, "the channel stays open"
    rewrite(system, saying("three"))
    wait_for_end(reload(system))
    assert system.address("web") == channel
    assert ask(channel, GET).body == b"three"
    with pytest.raises(ConnectionRefusedError):
        Peer(public)
    assert system.stop() == 0


def test_what_waits_on_an_address_that_goes_is_still_served(start_system):
    system = start_system(saying("one", fields='public = "127.0.0.1:0"\n'))
    old, public = system.ready["worker"], system.address("web")
    os.kill(old, signal.SIGSTOP)  # nobody accepts now
    with Peer(public) as waiting:
        waiting.send(GET)
        rewrite(system, saying("two"))
        hang_up(system)
        system.wait_for_log("no longer listening")
        os.kill(old, signal.SIGCONT)
        assert waiting.answer().body == b"one"
    wait_for_end(old)
    assert system.stop() == 0


def test_a_reload_reads_modules_anew(start_system, guests, tmp_path):
    module = tmp_path / "f.wasm"
    shutil.copy(guests / "echo.wasm", module)
    system = start_system(f'[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\nfunction = "f"\n[function.f]\nmodule = "{module}"\n')
    call = request("POST", "/", body=b"\0")
    assert ask(system.address("web"), call).body == b"\0"
    shutil.copy(guests / "exit.wasm", module)
    assert ask(system.address("web"), call).body == b"\0", "nobody asked for a reload"
    reload(system)
    assert ask(system.address("web"), call).body == b""
    assert system.stop() == 0


@pytest.mark.parametrize(("text", "words"), [
    ("[app.web]\nport = 1\nprot = 2\n", ["trilby.toml:4", "prot"]),
    ("[app.web\n", ["trilby.toml:2"]),
    ("", ["no app"]),
    (saying("x", more='[function.f]\nmodule = "missing.wasm"\n'), ["missing.wasm"]),
    (saying("x", more='[function.f]\nmodule = "broken.wasm"\n'), ["function f", "trilby.toml:7"]),
    (saying("x", more='[model.m]\npath = "broken.xml"\n'), ["broken.xml"]),
    (saying("x", app="other"), ["web"]),
], ids=["a slip", "no TOML", "nothing", "no module", "no wasm", "no model", "an app that --port names is gone"])
def test_what_cannot_be_loaded_leaves_the_old_worker_serving(start_system, text, words):
    system = start_system(saying("old"))
    worker = system.ready["worker"]
    (system.manifest.parent / "broken.wasm").write_bytes(b"\0asm\x01\0\0\0garbage")
    (system.manifest.parent / "broken.xml").write_text("<net")
    rewrite(system, text)
    hang_up(system)
    system.wait_for_log("the reload failed")
    assert all(word in system.log() for word in words), system.log()
    assert ask(system.address("web"), GET).body == b"old"
    assert httpx.get(f"{system.admin}/readyz").status_code == 200
    assert system.reread()["worker"] == worker
    assert reloads(system) == [0, 1], "the old worker tells"
    rewrite(system, saying("mended"))
    reload(system)
    assert ask(system.address("web"), GET).body == b"mended"
    assert reloads(system) == [1, 1]
    assert system.stop() == 0


def test_a_reload_says_ready_all_the_time(start_system):
    system = start_system(saying("old"))
    with httpx.Client() as prober:  # on a connection that it keeps
        for _ in range(3):
            worker = system.ready["worker"]
            hang_up(system)
            while system.reread()["worker"] == worker:
                assert prober.get(f"{system.admin}/readyz").text == "ok\n"
                assert httpx.get(f"{system.admin}/readyz").text == "ok\n"
    assert system.stop() == 0


def test_requests_under_way_end_on_the_old_worker(start_system, guests):
    system = start_system(manifests.of_guests(guests, ["sleep", "echo"]))
    with ThreadPoolExecutor(1) as pool:
        answer = begin(system, pool, sleep_for(1500))
        old = reload(system)
        assert ask(system.address("api"), request("POST", "/echo", body=b"x")).body == b"x", "the new one serves meanwhile"
        assert answer.result().body == b"awake"
    wait_for_end(old)
    assert system.stop() == 0


def test_many_hangups_are_few_reloads(start_system):
    system = start_system(saying("old"))
    rewrite(system, saying("new"))
    for _ in range(50):
        hang_up(system)
    system.wait_for_another_worker()
    deadline = time.monotonic() + 30
    while "reloading" not in system.log() or system.log().count("reloaded") != system.log().count("reloading"):
        assert time.monotonic() < deadline, system.log()
    assert ask(system.address("web"), GET).body == b"new"
    assert system.log().count("reloading") < 10
    assert system.stop() == 0


def test_a_stop_during_a_reload_stops_both(start_system):
    system = start_system(saying("old"))
    hang_up(system)
    system.wait_for_log("reloading")
    assert system.stop() == 0
    assert "the worker died" not in system.log()


def test_an_old_worker_that_dies_while_it_drains_is_counted(start_system, guests):
    system = start_system(manifests.of_guests(guests, ["sleep"]))
    old = system.ready["worker"]
    with ThreadPoolExecutor(1) as pool:
        lost = begin(system, pool, sleep_for(60_000))
        reload(system)
        os.kill(old, signal.SIGKILL)
        assert lost.exception() is not None or lost.result() is None
    wait_for_end(old)
    system.wait_for_log("the worker died while it drained")
    assert metric(system, "trilby_worker_crashes_total") == 1
    assert system.stop() == 0


def test_a_hangup_while_draining_is_nothing(start_system, guests):
    system = start_system(manifests.of_guests(guests, ["echo"]))
    with HeldCall(system) as call:
        system.signal()
        system.wait_for_log("draining")
        hang_up(system)
        assert call.release().body == b"held"
    assert system.stop() == 0
    assert "reloading" not in system.log()


def test_a_watched_manifest_is_reloaded_when_it_changes(start_system):
    system = start_system(saying("old"), "--watch")
    rewrite(system, saying("new"))
    system.wait_for_another_worker()
    assert ask(system.address("web"), GET).body == b"new"
    with system.manifest.open("w") as file:  # half of it, then the rest
        file.write("trilby = 1\n[app.we")
        file.flush()
        assert ask(system.address("web"), GET).body == b"new"
        file.write('b]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "whole"\n')
    system.wait_for_another_worker()
    assert ask(system.address("web"), GET).body == b"whole"
    assert system.stop() == 0


def test_a_watched_module_is_reloaded_when_it_changes(start_system, guests, tmp_path):
    module = tmp_path / "build" / "f.wasm"
    module.parent.mkdir()
    shutil.copy(guests / "echo.wasm", module)
    system = start_system(f'[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\nfunction = "f"\n[function.f]\nmodule = "{module}"\n', "--watch")
    call = request("POST", "/", body=b"\0")
    module.write_bytes(b"\0asm")
    system.wait_for_log("the reload failed")
    assert ask(system.address("web"), call).body == b"\0"
    shutil.rmtree(module.parent)
    module.parent.mkdir()
    shutil.copy(guests / "exit.wasm", module)
    system.wait_for_another_worker()
    assert ask(system.address("web"), call).body == b""
    assert system.stop() == 0
