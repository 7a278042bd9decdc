"""What the end-to-end tests share: the program, and the example's system, started once."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS = 60
STOP_SECONDS = 30


class System:
    """A running `trilby up`. Addresses come from its ready file."""

    def __init__(self, program: pathlib.Path, manifest: pathlib.Path, folder: pathlib.Path, apps: list[str]):
        self.ready_file = folder / "ready.json"
        self.log = folder / "log.txt"
        ports = [argument for app in apps for argument in ("--port", f"{app}=0")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, "up", manifest, *ports, "--admin-port", "0", "--ready-file", self.ready_file],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"the system did not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        self.ready = json.loads(self.ready_file.read_text())

    def url(self, app: str) -> str:
        return self.ready["apps"][app]["url"]

    @property
    def admin(self) -> str:
        return self.ready["admin"]

    def stop(self) -> int:
        """SIGTERM, as a service manager would; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"the system did not stop:\n{self.log.read_text()}")


@pytest.fixture(scope="session")
def trilby() -> pathlib.Path:
    """The program under test."""
    program = pathlib.Path(os.environ.get("TRILBY_BIN", ROOT / "build" / "trilby"))
    assert program.exists(), f"{program} is not built; run `make build`"
    return program


@pytest.fixture(scope="session")
def system(trilby, tmp_path_factory):
    """The article's system on free ports."""
    running = System(
        trilby,
        ROOT / "examples" / "images" / "trilby.toml",
        tmp_path_factory.mktemp("system"),
        ["go-web-port", "image-api-rs", "image-api-go"],
    )
    yield running
    assert running.stop() == 0, running.log.read_text()
