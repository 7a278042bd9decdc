"""Directories that functions are granted, and the loops on which such functions and those with much memory run."""

import json
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from raw_http import Peer, ask, request

OPEN, READ, WRITE, OPEN_UNTIL_IT_FAILS, READ_FOREVER = 1, 2, 3, 11, 17


def step(what, fd=0, a=0, b=0, text=b"", second=b""):
    """A record for tests/guests/files.wat."""
    return bytes([what, fd, a, b]) + len(text).to_bytes(2, "little") + len(second).to_bytes(2, "little") + text + second


DIRECTORIES = """[function.f.limits]
cpu = "200ms"
wall = "60s"
[function.f.allow.directories]
"/data" = "ro"
"/out" = { path = "rw", access = "read-write" }
"""
OTHERS = """[function.pipe]
module = "{guests}/files.wasm"
limits = { wall = "300ms" }
allow.directories = { "/data" = "ro" }
[function.sleep]
module = "{guests}/sleep.wasm"
[function.sleep.limits]
wall = "60s"
[function.sleep.allow.directories]
"/data" = "ro"
[function.large]
module = "{guests}/fill.wasm"
limits = { memory = "256MiB" }
"""


def lay_out(folder):
    (folder / "ro").mkdir()
    (folder / "rw").mkdir()
    (folder / "ro" / "a").write_text("content of a")
    (folder / "outside").write_text("secret")
    (folder / "ro" / "link").symlink_to("../outside")
    os.mkfifo(folder / "ro" / "pipe")


def manifest(guests, directories=DIRECTORIES):
    routes = "".join(f'[[app.api.route]]\npath = "/{name}"\nfunction = "{name}"\n' for name in ("echo", "f", "pipe", "sleep", "large"))
    return (f'[app.api]\nport = 1\n{routes}[function.echo]\nmodule = "{guests}/echo.wasm"\n[function.f]\nmodule = "{guests}/files.wasm"\n{directories}'
            + OTHERS.replace("{guests}", str(guests)))


@pytest.fixture(scope="module")
def files(start_system, guests, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    lay_out(folder)
    system = start_system(manifest(guests), folder=folder)
    system.folder = folder
    return system


def metric(system, line):
    page = httpx.get(f"{system.admin}/metrics", timeout=60).text
    return sum(float(found.rsplit(" ", 1)[1]) for found in page.splitlines() if found.startswith(line))


def do(system, *steps, function="f"):
    return ask(system.address("api"), request("POST", f"/{function}", [], b"".join(steps)))


def errors(answer):
    return [int.from_bytes(answer.body[at:at + 4], "little") for at in range(0, len(answer.body), 8)]


def wait_for_metric(system, line, value):
    system._wait(lambda: metric(system, line) == value, 30)


def test_directories_are_read_and_written_as_granted(files):
    answer = do(files, step(OPEN, 3, text=b"a"), step(READ, 5), step(OPEN, 4, a=1, b=1, text=b"new"), step(WRITE, 6, text=b"hello"))
    assert answer.status == 200
    assert b"content of a" in answer.body
    assert (files.folder / "rw/new").read_text() == "hello"
    denied = do(files, step(OPEN, 3, a=1, b=1, text=b"new"), step(OPEN, 3, text=b"../outside"), step(OPEN, 3, text=b"link"),
                step(OPEN, 3, text=b"/etc/passwd"))
    assert len(denied.body) == 32
    assert 0 not in errors(denied)
    assert not (files.folder / "ro/new").exists()


def test_the_outer_wall_leaves_what_functions_are_granted(files):
    """Otherwise the test above says little: without it, it would pass as well."""
    assert metric(files, 'trilby_lockdown{layer="seccomp"}') == 1
    steps = [step(5, 4, text=b"d"), step(1, 4, 1, 1, text=b"d/x"), step(12, 5, 9), step(6, 4, 4, text=b"d/x", second=b"y"), step(7, 4, 4, text=b"y", second=b"z"),
             step(8, 4, text=b"y", second=b"link"), step(13, 4, text=b"link"), step(4, 4, text=b"y"), step(4, 4, text=b"z"), step(4, 4, text=b"link"),
             step(15, 4, text=b"d"), step(13, 3, text=b"a")]
    assert errors(do(files, *steps)) == [0] * len(steps)


def test_calls_with_files_are_under_limits_and_in_metrics(files):
    answer = do(files, step(OPEN_UNTIL_IT_FAILS, 3, text=b"a"))
    assert answer.fields["trilby-reason"] == "limit-calls"
    assert json.loads(answer.body)["detail"] == "it may hold 16 handles"
    assert metric(files, 'trilby_calls_total{function="f",reason="limit-calls"}') == 1
    answer = do(files, step(OPEN, 3, text=b"a"), step(READ_FOREVER, 5))
    assert answer.fields["trilby-reason"] == "limit-cpu"
    assert metric(files, 'trilby_calls_live{function="f"}') == 0
    assert metric(files, "trilby_own_loops") >= 2
    assert metric(files, "trilby_own_loop_calls_live") == 0


def test_calls_with_files_leave_others_their_loops(files):
    with ThreadPoolExecutor(12) as pool:
        busy = [pool.submit(do, files, step(OPEN, 3, text=b"a"), step(READ_FOREVER, 5)) for _ in range(4)]
        quick = [pool.submit(ask, files.address("api"), request("POST", "/echo", [], b"quick")) for _ in range(40)]
        assert {answer.result().body for answer in quick} == {b"quick"}
        assert {answer.result().fields["trilby-reason"] for answer in busy} == {"limit-cpu"}


def test_who_waits_for_a_pipe_is_ended_at_its_limit_and_holds_up_nobody(files):
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(do, files, step(OPEN, 3, text=b"pipe"), function="pipe") for _ in range(4)]
        quick = [pool.submit(ask, files.address("api"), request("POST", "/echo", [], b"quick")) for _ in range(8)]
        assert {answer.result().body for answer in quick} == {b"quick"}
        assert {answer.result().fields["trilby-reason"] for answer in waiting} == {"limit-wall"}
    wait_for_metric(files, "trilby_own_loop_calls_live", 0)
    assert do(files, step(OPEN, 3, text=b"a")).status == 200
    assert httpx.get(f"{files.admin}/livez").status_code == 200


def test_a_caller_who_leaves_ends_a_call_elsewhere(files):
    with Peer(files.address("api")) as peer:
        peer.send(request("POST", "/sleep", [], b"\x7f" * 8))
        wait_for_metric(files, "trilby_own_loop_calls_live", 1)
    wait_for_metric(files, "trilby_own_loop_calls_live", 0)
    assert metric(files, 'trilby_calls_total{function="sleep",reason="cancelled"}') == 1


def test_functions_with_much_memory_run_there_too(files):
    answer = ask(files.address("api"), request("POST", "/large", [], b""))
    assert answer.fields["trilby-reason"] in ("ok", "trap", "limit-cpu")
    assert metric(files, 'trilby_calls_total{function="large"') == 1


def test_a_drain_lets_calls_elsewhere_end_and_cuts_off_the_rest(start_system, guests, tmp_path):
    lay_out(tmp_path)
    system = start_system(manifest(guests), "--grace", "4s", folder=tmp_path)
    with Peer(system.address("api")) as ends, Peer(system.address("api")) as sleeps:
        ends.send(request("POST", "/f", [], step(OPEN, 3, text=b"pipe")))  # which waits for somebody who writes
        sleeps.send(request("POST", "/sleep", [], b"\x7f" * 8))
        wait_for_metric(system, "trilby_own_loop_calls_live", 2)
        system.signal(signal.SIGTERM)
        system.wait_for_log("draining")
        os.close(os.open(tmp_path / "ro/pipe", os.O_WRONLY | os.O_NONBLOCK))
        assert errors(ends.answer()) == [0]
        assert sleeps.answer().fields["trilby-reason"] == "draining"
    assert system.stop() == 75


def test_a_reload_grants_what_the_manifest_says_then(start_system, guests, tmp_path):
    lay_out(tmp_path)
    system = start_system(manifest(guests), folder=tmp_path)
    write = [step(OPEN, 4, a=1, b=1, text=b"new")]
    assert errors(do(system, *write)) == [0]
    text = "trilby = 1\n" + manifest(guests, DIRECTORIES.replace('"read-write"', '"read-only"'))
    system.manifest.write_text(text)
    system.process.send_signal(signal.SIGHUP)
    system.wait_for_another_worker()
    assert 0 not in errors(do(system, *write))
    system.manifest.write_text(text.replace('"ro"', '"gone"'))
    system.process.send_signal(signal.SIGHUP)
    assert "there is no folder" in system.wait_for_log("/gone")
    assert errors(do(system, step(OPEN, 3, text=b"a"))) == [0], "what cannot be granted leaves the old worker serving"
    assert system.stop() == 0


# --- without a system


@pytest.fixture
def here(tmp_path, guests):
    lay_out(tmp_path)
    shutil.copy(guests / "files.wasm", tmp_path)
    (tmp_path / "modules").mkdir()
    shutil.move(tmp_path / "files.wasm", tmp_path / "modules")

    def write(directories):
        (tmp_path / "trilby.toml").write_text('trilby = 1\n[function.f]\nmodule = "modules/files.wasm"\n[function.f.allow.directories]\n' + directories
                                              + '\n[app.api]\nport = 1\n[[app.api.route]]\npath = "/"\nfunction = "f"\n')
        return tmp_path

    return write


def run(trilby, folder, *words, **more):
    return subprocess.run([trilby, *words], cwd=folder, capture_output=True, **more)


def test_check_shows_directories_and_where_they_come_from(trilby, here):
    folder = here('"/data" = "ro"\n"/out" = { path = "rw", access = "read-write" }\n')
    done = run(trilby, folder, "check")
    assert done.returncode == 0, done.stderr
    assert b"directories /data (read-only), /out (read-write)" in done.stdout
    settings = json.loads(run(trilby, folder, "check", "-o", "json").stdout)["settings"]
    found = {setting["name"]: (setting["value"], setting["line"]) for setting in settings if "directories" in setting["name"]}
    assert found == {"function.f.allow.directories./data": (f"{folder}/ro (read-only)", 5),
                     "function.f.allow.directories./out": (f"{folder}/rw (read-write)", 6)}


@pytest.mark.parametrize(("directories", "line", "words"), [
    ('"/data" = "absent"', 5, "there is no folder {here}/absent; make it, as in mkdir -p {here}/absent"),
    ('"/a" = "ro"\n"/data" = "ro/a"', 6, "{here}/ro/a is no folder"),
    ('"/data" = { path = ".", access = "read-write" }', 5, "{here} holds this manifest, which no function may write to"),
    ('"/data" = { path = "modules", access = "read-write" }', 5, "{here}/modules holds the module of f, which no function may write to"),
])
def test_what_cannot_be_granted_is_said_with_its_line(trilby, here, directories, line, words):
    folder = here(directories + "\n")
    for command in (["check"], ["up", "--port", "api=0", "--admin-port", "0"], ["invoke", "f"]):
        done = run(trilby, folder, *command, input=b"", timeout=60)
        assert done.returncode == 78, (command, done.stderr)
        assert f"trilby.toml:{line}: function.f.allow.directories./data: {words.format(here=folder)}" in done.stderr.decode()


def test_invoke_grants_directories_under_limits(trilby, here):
    folder = here('"/data" = "ro"\n"/out" = { path = "rw", access = "read-write" }\n[function.f.limits]\nwall = "300ms"\n')
    done = run(trilby, folder, "invoke", "f", input=step(OPEN, 3, text=b"a") + step(READ, 5) + step(OPEN, 4, 1, 1, text=b"new"))
    assert done.returncode == 0, done.stderr
    assert b"content of a" in done.stdout
    assert (folder / "rw/new").exists()
    done = run(trilby, folder, "invoke", "f", input=step(OPEN, 3, text=b"pipe"), timeout=60)
    assert done.returncode == 124, done.stderr


def test_inspect_names_the_grant_that_paths_need(trilby, guests):
    done = run(trilby, guests, "inspect", "files.wasm")
    assert done.returncode == 0
    assert b"allow.directories" in done.stdout
