"""`trilby up`: two processes, sockets that stay, signals, and what refuses to start."""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import termios
import time
from pathlib import Path

import httpx
import pytest
from sidecar import is_running

TEXT_APP = '[app.web]\nport = 1\n[[app.web.route]]\npath = "/"\ntext = "hi"\n'


def wait(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def crash(pid, number):
    """The engine's own handler takes a first SIGSEGV that no instruction caused, and lets the next one through."""
    while is_running(pid):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(pid, number)
        time.sleep(0.01)


@pytest.fixture
def up(trilby, clean_environment, tmp_path):
    """Starts `trilby up` in a process group of its own, as a shell does; waits until it serves."""
    started = []

    def start(text=TEXT_APP, *options, env=None, terminal=None, before=lambda: None):
        def prepare():
            before()
            if terminal is not None:
                fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

        (tmp_path / "trilby.toml").write_text("trilby = 1\n" + text)
        (tmp_path / "ready").unlink(missing_ok=True)
        process = subprocess.Popen([trilby, "up", "--port", "web=0", "--admin-port", "0", "--ready-file", "ready", *options],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   cwd=tmp_path, env=clean_environment | (env or {}), start_new_session=True, preexec_fn=prepare)
        started.append(process)
        wait(lambda: (tmp_path / "ready").exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1]
        process.ready = json.loads((tmp_path / "ready").read_text())
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, log = process.communicate(timeout=60)
    return process.returncode, out, log


def test_addresses_are_printed_and_written(up, tmp_path):
    process = up(TEXT_APP.replace("port = 1", 'port = 1\npublic = "127.0.0.1:0"'))
    web = process.ready["apps"]["web"]
    assert httpx.get(web["url"]).text == "hi"
    assert web["public"] == web["url"] != web["channel"]
    assert process.ready["supervisor"] == process.pid
    assert httpx.get(process.ready["admin"] + "/readyz").status_code == 200
    exit_code, out, _ = end(process)
    assert exit_code == 0
    assert out.splitlines() == [f"web      {web['url']}  app channel {web['channel']}",
                                f"(admin)  {process.ready['admin']}  /metrics /livez /readyz"]
    assert not (tmp_path / "ready").exists()


def test_addresses_as_json(up):
    process = up(TEXT_APP, "-o", "json")
    _, out, _ = end(process)
    assert json.loads(out) == process.ready


def test_ctrl_c_reaches_both_processes_and_drains_once(up):
    process = up()
    worker = process.ready["worker"]
    os.killpg(process.pid, signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert log.count("a second signal stops at once") == 1
    assert "stopping at once" not in log
    assert not is_running(worker)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_worker_that_crashes_is_replaced(up, tmp_path, number):
    process = up()
    address = httpx.URL(process.ready["apps"]["web"]["url"])
    crash(process.ready["worker"], number)
    with socket.create_connection((address.host, address.port)) as peer:  # never refused: the socket stays open
        peer.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert peer.makefile("rb").read().endswith(b"hi")
    wait(lambda: json.loads((tmp_path / "ready").read_text())["worker"] != process.ready["worker"])
    exit_code, _, log = end(process)
    assert exit_code == 0
    assert re.search(rf"the worker died; starting another +pid=\d+ +end=signal {int(number)} .* in=100ms +peak_memory=\d", log)
    assert "the system serves again" in log


def test_crashes_in_a_row_are_answered_more_slowly(up, tmp_path):
    process = up()
    for _ in range(3):
        worker = json.loads((tmp_path / "ready").read_text())["worker"]
        os.kill(worker, signal.SIGKILL)
        wait(lambda: json.loads((tmp_path / "ready").read_text())["worker"] != worker)
    _, _, log = end(process)
    assert re.findall(r" in=(\S+)", log) == ["100ms", "200ms", "400ms"]


def test_a_new_worker_serves_the_manifest_that_the_system_was_started_with(up, tmp_path):
    process = up()
    (tmp_path / "trilby.toml").write_text("nonsense")
    os.kill(process.ready["worker"], signal.SIGKILL)
    assert httpx.get(process.ready["apps"]["web"]["url"], timeout=60).text == "hi"
    assert end(process)[0] == 0


def test_a_signal_while_the_worker_is_down_stops_the_system(up, tmp_path):
    process = up()
    crash(process.ready["worker"], signal.SIGKILL)
    assert end(process)[0] == 0


def test_the_worker_dies_with_its_supervisor(up):
    process = up()
    process.kill()
    process.wait()
    wait(lambda: not is_running(process.ready["worker"]))


def test_signals_to_the_worker_itself_change_nothing(up):
    process = up()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(process.ready["worker"], number)
    assert httpx.get(process.ready["apps"]["web"]["url"]).text == "hi"
    assert is_running(process.ready["worker"])


def test_a_hangup_of_the_terminal_stops_the_system(up):
    """What a person asks for with `kill -HUP` is a reload (tests/e2e/test_reload.py); a window that is closed is an end."""
    terminal, slave = os.openpty()
    # Whoever runs the tests may ignore it, as nohup does.
    process = up(terminal=slave, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    os.close(slave)
    os.close(terminal)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "the terminal is gone" in log


def test_nohup_outlives_the_terminal(up):
    terminal, slave = os.openpty()
    process = up(terminal=slave, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    os.close(slave)
    os.close(terminal)
    process.send_signal(signal.SIGHUP)
    assert httpx.get(process.ready["apps"]["web"]["url"]).text == "hi"
    exit_code, _, log = end(process)
    assert exit_code == 0
    assert "the terminal is gone" not in log


def test_the_worker_holds_no_more_than_it_was_given(up):
    process = up()
    links = {os.readlink(path) for path in Path(f"/proc/{process.ready['worker']}/fd").iterdir()}
    assert not any("signalfd" in link or "trilby-manifest" in link for link in links)


def test_logs_of_both_processes_have_one_format(up):
    process = up(TEXT_APP, "--log-format", "json")
    os.kill(process.ready["worker"], signal.SIGKILL)
    assert httpx.get(process.ready["apps"]["web"]["url"], timeout=60).text == "hi"
    _, _, log = end(process)
    assert log and all(json.loads(line) for line in log.splitlines())


def start_fails(run, *options, env=None):
    done = run("up", "--admin-port", "0", *options, env=env)
    assert (done.returncode, done.stdout) == (78, ""), done.stderr
    return done.stderr


def test_a_port_in_use_names_the_field_the_owner_and_the_mend(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "trilby.toml").write_text(f"trilby = 1\n[app.web]\nport = {port}\n")
        said = start_fails(run).splitlines()
    assert re.fullmatch(rf"trilby: {tmp_path}/trilby.toml:3: app.web.port: 127.0.0.1:{port} is in use by \S+ \(pid {os.getpid()}\)", said[0])
    assert said[1:] == ["try: stop that, write another port, or add --port web=0 for any free one"]


def test_a_ready_file_that_cannot_be_written_ends_the_start(run, tmp_path):
    (tmp_path / "trilby.toml").write_text("trilby = 1\n" + TEXT_APP)
    assert "none/ready" in start_fails(run, "--port", "web=0", "--ready-file", "none/ready")


def test_a_module_that_is_wrong_ends_the_start_with_its_message_once(run, manifest, tmp_path):
    (tmp_path / "bad.wasm").write_bytes(b"\0asm\x01\0\0\0\xff")
    manifest(more='[app.web]\nport = 0\n[function.bad]\nmodule = "bad.wasm"\n')
    said = start_fails(run)
    assert said.count("function bad: ") == 1
    assert f"{tmp_path}/trilby.toml:4: " in said


def test_a_manifest_without_apps_has_nothing_to_serve(run, manifest):
    manifest("echo")
    assert "no app is defined" in start_fails(run)


def test_wrong_ports_are_a_matter_of_usage(run, tmp_path):
    (tmp_path / "trilby.toml").write_text("trilby = 1\n" + TEXT_APP)
    for option, said in (("wbe=1", 'there is no app "wbe"'), ("web", "is not APP=N"), ("web.public=1", "has no public address")):
        done = run("up", "--port", option)
        assert done.returncode == 64
        assert said in done.stderr
