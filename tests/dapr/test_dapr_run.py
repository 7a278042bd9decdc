"""`dapr run` itself with a real sidecar: the article's command for one app, and for its three what dapr.yaml says, both as a shell would start them."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from images import APPS, FOLDER, is_gray, own, picture, write_manifest
from sidecar import PROGRAMS, Daprd, Process, free_ports, wait_until

TRILBYS = 2  # supervisor and worker


@pytest.fixture(scope="module")
def cat():
    return picture("chelsea.png", "PNG")


@pytest.fixture
def env(trilby, tmp_path):
    """What a shell has after `dapr init --slim`: daprd in a home folder, which is of this test alone, with no components; and `trilby` on its PATH."""
    assert (PROGRAMS / "dapr").exists(), "Dapr's command line is not built; run `make dapr`"
    installed, programs = tmp_path / "home/.dapr", tmp_path / "programs"
    for folder in (installed / "bin", installed / "components", programs):
        folder.mkdir(parents=True)
    (installed / "config.yaml").write_text(json.dumps({"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "daprConfig"}}))
    (installed / "bin/daprd").symlink_to(PROGRAMS.resolve() / "daprd")
    (programs / "trilby").symlink_to(trilby.resolve())
    # Compiled modules are those of other tests.
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return {"HOME": str(tmp_path / "home"), "PATH": f"{programs}:{os.environ['PATH']}", "XDG_CACHE_HOME": cache, "TRILBY_LOG_FORMAT": "json"}


class Run(Process):
    """`dapr run`, in a process group of its own as a shell's job, in `folder`."""

    def __init__(self, words, folder, env):
        super().__init__([PROGRAMS / "dapr", "run", *words], folder / "run.log", env=env, cwd=folder, process_group=0)

    def group(self):
        """The command lines of the processes that run, by pid."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                state, _, group = (process / "stat").read_text().rsplit(")", 1)[1].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    found[int(process.name)] = (process / "cmdline").read_text().rstrip("\0").split("\0")
        return found

    def programs(self):
        return sorted(Path(words[0]).name for words in self.group().values())

    def signal_group(self, number):
        with contextlib.suppress(ProcessLookupError):  # nobody is left
            os.killpg(self.process.pid, number)


@pytest.fixture
def run(env, tmp_path):
    """Starts `dapr run` with these words. What a test leaves of it is killed."""
    started = []

    def start(*words):
        started.append(Run(words, tmp_path, env))
        return started[-1]

    yield start
    for one in started:
        if one.group():
            one.signal_group(signal.SIGKILL)
        one.process.wait()


def end_by_ctrl_c(started, env):
    """A terminal sends it to every process of the job."""
    started.signal_group(signal.SIGINT)


def end_by_dapr_stop(started, env):
    """It asks the sidecar who has started it, and sends SIGTERM to that one alone."""
    subprocess.run([PROGRAMS / "dapr", "stop", "--app-id", own("image-api-rs")], env=os.environ | env, check=True, timeout=60)


def is_free(port):
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def wait_until_all_is_over(started, ports):
    started.process.wait(60)
    wait_until(lambda: not started.group())
    wait_until(lambda: all(map(is_free, ports)))  # what is killed seems to have ended while its other threads still do


def start_the_articles_command(run, tmp_path):
    """Word for word, but for app-id and ports. Returns what runs, and these ports."""
    write_manifest(tmp_path)
    app, (app_port, http_port) = own("image-api-rs"), free_ports(2)
    started = run("--app-id", app, "--app-port", app_port, "--dapr-http-port", http_port, "--", "trilby", "serve", app, "-m", "trilby.toml")
    started.wait_until(lambda: "You're up and running! Both Dapr and your app logs will appear here." in started.log(), "dapr run")
    started.wait_until(lambda: '"message":"the sidecar is there"' in started.log(), "the sidecar, which Trilby is told of by DAPR_HTTP_PORT alone")
    return started, app_port, http_port


@pytest.mark.parametrize("end", [end_by_ctrl_c, end_by_dapr_stop])
def test_the_articles_command_serves_until_it_is_ended(run, env, tmp_path, cat, end):
    started, app_port, http_port = start_the_articles_command(run, tmp_path)
    answer = httpx.post(f"http://127.0.0.1:{http_port}/v1.0/invoke/{own('image-api-rs')}/method/api/image", content=cat, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    assert is_gray(answer.content)
    assert started.programs() == ["dapr", "daprd", *["trilby"] * TRILBYS]
    end(started, env)
    wait_until_all_is_over(started, [app_port, http_port])


def test_a_call_under_way_is_lost_when_dapr_run_is_ended(run, env, tmp_path, cat):
    """It kills its app, which has no time to drain."""
    started, app_port, http_port = start_the_articles_command(run, tmp_path)
    with socket.create_connection(("127.0.0.1", app_port), timeout=60) as call:
        call.sendall(b"POST /api/image HTTP/1.1\r\nhost: app\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(cat))
        assert call.recv(100).startswith(b"HTTP/1.1 100 ")
        end_by_dapr_stop(started, env)
        wait_until_all_is_over(started, [app_port, http_port])
        with contextlib.suppress(ConnectionError):
            assert call.recv(100) == b""
    assert "draining" not in started.log()


def test_the_articles_three_services_run_as_dapr_yaml_says(run, tmp_path, cat):
    ports = free_ports(2 * len(APPS))
    text = (FOLDER / "dapr.yaml").read_text()
    for app in APPS:
        text = text.replace(app, own(app))
    given = iter(ports)
    text, count = re.subn(r"(?<=(?:appPort|TTPPort): )\d+", lambda _: str(next(given)), text)
    assert count == len(ports)
    (tmp_path / "dapr.yaml").write_text(text)
    write_manifest(tmp_path)
    started = run("-f", ".")
    for app in APPS:
        started.wait_until(lambda said=f'Started Dapr with app id "{own(app)}"': said in started.log(), app)
    page, sidecar = (f"http://127.0.0.1:{port}" for port in ports[:2])
    with httpx.Client(base_url=page, timeout=60) as web:
        assert "<html" in web.get("/").text
        for app in APPS[1:]:
            url = f"{sidecar}/v1.0/invoke/{own(app)}/method/nothing-of-the-kind"
            started.wait_until(lambda url=url: Daprd.has_found(httpx.get(url, timeout=60)), f"{app}, looked for by the page's sidecar")
        gray = web.post("/api/hello", content=cat)
        assert (gray.status_code, gray.headers["content-type"]) == (200, "image/png"), gray.text
        assert is_gray(gray.content)
    assert started.programs() == ["dapr", *["daprd"] * len(APPS), *["trilby"] * TRILBYS * len(APPS)]
    sidecars = [words for words in started.group().values() if Path(words[0]).name == "daprd"]
    assert not any("--placement-host-address" in words for words in sidecars)
    assert all("--scheduler-host-address" in words for words in sidecars), "which dapr.yaml turns off"
    end_by_ctrl_c(started, None)
    wait_until_all_is_over(started, ports)
