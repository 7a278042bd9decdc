"""Starts real systems: `build/trilby up` on a manifest, with every port free, stopped by SIGTERM."""

import json
import os
import re
import resource
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = Path(os.environ.get("TRILBY_BIN") or ROOT / "build" / "trilby")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
START_SECONDS = 120  # a cold cache on a slow machine compiles the example's functions first
STOP_SECONDS = 30
# What a program built by `make asan` says of a defect before it dies.
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|:\d+:\d+: runtime error: ")


class System:
    """A running system. `url(app)` and `admin` are without a slash at the end. `wrapper` are words of a command that execs the rest."""

    def __init__(self, manifest, scratch, options=(), env=None, stderr=None, file_size=None, prepare=None, pass_fds=(), wrapper=(), serve=None):
        """`serve`: an app-id; the system is this app alone, by `trilby serve`. `stderr`: where the log goes instead of `log()`. `file_size`: the most bytes that a file may have, as on a full disk. `prepare`:
        what the process does before it is the program."""
        self.manifest = Path(manifest)
        self.log_path = scratch / "log"
        self._ready_path = scratch / "ready.json"
        self._was_signalled = False
        apps = [serve] if serve else tomllib.loads(Path(manifest).read_text())["app"]
        ports = [word for app in apps for word in ("--port", f"{app}=0")]
        words = ["serve", serve, "-m", manifest] if serve else ["up", manifest]
        command = [*wrapper, PROGRAM, *words, *ports, "--admin-port", "0", "--ready-file", self._ready_path, *options]

        def before():
            if file_size:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
            if prepare:
                prepare()

        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log if stderr is None else stderr, env=os.environ | (env or {}),
                preexec_fn=before, pass_fds=pass_fds)
        self._wait(self._ready_path.exists, START_SECONDS)
        self.reread()

    def reread(self):
        """Reads the ready file again: after a restart or a reload."""
        self.ready = json.loads(self._ready_path.read_text())
        self.admin = self.ready["admin"]
        return self.ready

    def wait_for_another_worker(self, seconds=30):
        """Waits until the system serves with another worker than the one last read about. Returns that one's pid."""
        before = self.ready["worker"]
        self._wait(lambda: self.reread()["worker"] != before, seconds)
        return before

    def url(self, app):
        return self.ready["apps"][app]["url"]

    def address(self, app):
        host, port = self.url(app).rpartition("//")[2].rsplit(":", 1)
        return host, int(port)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text, seconds=20):
        """Access lines are written in batches, so a line may come a moment after its answer."""
        self._wait(lambda: text in self.log(), seconds)
        return self.log_line(text)

    def log_line(self, text):
        """The last one with this text, of a log that has it already."""
        return next(line for line in reversed(self.log().splitlines()) if text in line)

    def signal(self, number=signal.SIGTERM):
        self._was_signalled = True
        self.process.send_signal(number)

    def stop(self):
        """Drains, unless that was asked for before: a second signal would cut calls off. Returns the exit code."""
        if self.process.poll() is None and not self._was_signalled:
            self.signal()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the system did not stop:\n{self.log()}") from None
        assert not SANITIZER_REPORT.search(self.log()), self.log()  # a worker that died of it was started again
        return code

    def _wait(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the system ended with {self.process.returncode}:\n{self.log()}"
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"nothing came within {seconds} s:\n{self.log()}")
            time.sleep(0.02)


def write_certificate(folder, serial=1, days=30, age=0, names=("certificate", "key")):
    """A certificate of this machine that signs itself, and its key, as files of `folder`. One file takes the place of another as certbot does it: by rename.
    `age`: how many days ago it was made."""
    env = os.environ | ({"LD_PRELOAD": FAKETIME, "FAKETIME": f"-{age}d"} if age else {})
    new = [folder / f"{name}.new" for name in names]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", new[1], "-out", new[0], "-days", str(days),
                    "-set_serial", str(serial), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True, env=env)
    for name, file in zip(names, new, strict=True):
        file.rename(folder / f"{name}.pem")
    return folder / f"{names[0]}.pem"


@pytest.fixture(scope="session")
def make_certificate():
    return write_certificate


@pytest.fixture(scope="session")
def trilby():
    """The program under test."""
    assert PROGRAM.exists(), f"{PROGRAM} is not built; run `make build`"
    return PROGRAM


@pytest.fixture(scope="session")
def program():
    return PROGRAM


@pytest.fixture(scope="session")
def system_class():
    """For fixtures that start systems of their own."""
    return System


@pytest.fixture(scope="session")
def system(tmp_path_factory):
    """The article's system."""
    running = System(ROOT / "examples/images/trilby.toml", tmp_path_factory.mktemp("system"))
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def guests(tmp_path_factory):
    """A folder with the hostile and the simple guests of tests/guests, assembled."""
    folder = tmp_path_factory.mktemp("guests")
    for source in (ROOT / "tests/guests").glob("*.wat"):
        subprocess.run(["wat2wasm", "--enable-exceptions", source, "-o", folder / f"{source.stem}.wasm"], check=True)
    return folder


@pytest.fixture(scope="module")
def start_system(tmp_path_factory):
    """Starts systems from the text of a manifest, for one module of tests; each must stop well if it still runs at the end."""
    started = []

    def start(text, *options, folder=None, **more):
        folder = folder or tmp_path_factory.mktemp("manifest")
        manifest = folder / "trilby.toml"
        manifest.write_text("trilby = 1\n" + text)
        started.append(System(manifest, tmp_path_factory.mktemp("scratch"), options, **more))
        return started[-1]

    yield start
    assert [running.stop() for running in started] == [running.process.returncode for running in started]
