"""Dapr's tokens: needed by callers of an app channel, seen by nobody."""

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

APP = "app-token-4f1c9e"
DAPR = "dapr-token-77aa0b"
TEXT = """
[app.api]
port = 1
[[app.api.route]]
path = "/environment"
function = "environment"
[[app.api.route]]
path = "/exit"
function = "exit"
[[app.api.route]]
path = "/trap"
function = "unreachable"
[function.environment]
module = "{own}/environment.wasm"
[function.exit]
module = "{guests}/exit.wasm"
[function.unreachable]
module = "{guests}/unreachable.wasm"
"""


@pytest.fixture(scope="module")
def system(start_system, guests, tmp_path_factory):
    own = tmp_path_factory.mktemp("own")
    source = Path(__file__).parents[1] / "hostile/guests/tell_environment.wat"
    subprocess.run(["wat2wasm", source, "-o", own / "environment.wasm"], check=True)
    return start_system(TEXT.format(guests=guests, own=own), env={"APP_API_TOKEN": APP, "DAPR_API_TOKEN": DAPR, "TRILBY_LOG_LEVEL": "debug"})


def ask(system, path, token=APP):
    return httpx.post(system.url("api") + path, headers={"dapr-api-token": token} if token else {}, content=b"\x07")


def assert_clean(text):
    text = text if isinstance(text, bytes) else text.encode()
    assert APP.encode() not in text
    assert DAPR.encode() not in text


def test_a_caller_needs_the_token(system):
    assert ask(system, "/environment").status_code == 200
    for wrong in (None, "wrong", APP[:-1], DAPR):
        answer = ask(system, "/environment", wrong)
        assert answer.status_code == 401
        assert_clean(answer.content + str(answer.headers).encode())


def test_a_guest_does_not_see_them(system):
    assert_clean(ask(system, "/environment").content)


def test_neither_answers_nor_logs_nor_metrics_show_them(system):
    for path in ("/exit", "/trap", "/none", "/environment"):
        answer = ask(system, path)
        assert_clean(answer.content + str(answer.headers).encode())
    for path in ("/metrics", "/livez", "/readyz", "/none"):
        assert_clean(httpx.get(system.admin + path).content)
    system.wait_for_log("/none")
    assert_clean(system.log())


def processes(system):
    return system.process.pid, int(Path(f"/proc/{system.process.pid}/task/{system.process.pid}/children").read_text().split()[0])


def test_neither_process_shows_them_to_others(system):
    for pid in processes(system):
        assert_clean(Path(f"/proc/{pid}/cmdline").read_bytes())
        try:
            assert_clean(Path(f"/proc/{pid}/environ").read_bytes())
        except PermissionError:
            assert os.geteuid() != 0  # a worker that is not dumpable belongs to root


def test_neither_process_writes_a_core_file(system):
    for pid in processes(system):
        try:
            assert re.search(r"Max core file size +[01] +[01] ", Path(f"/proc/{pid}/limits").read_text())
        except PermissionError:
            assert os.geteuid() != 0


def test_the_next_worker_needs_them_too(system):
    before = processes(system)[1]
    os.kill(before, signal.SIGKILL)
    system.wait_for_log("the system serves again")
    assert ask(system, "/environment", None).status_code == 401
    assert ask(system, "/environment").status_code == 200
    test_neither_process_shows_them_to_others(system)
