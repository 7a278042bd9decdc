"""Drains, reloads and crashes under load: what clients see of them. Prints JSON; exit code 1 when a request was lost.

    build/venv/bin/python bench/soak/lifecycle.py --times 100

Each client goes on sending for as long as it can connect. Lost is a request that went out on a connection that was made and
did not get its whole answer, or another one than it should. After a drain new connections are refused, which loses nothing.
A killed worker may take with it what was under way when it died, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from figure import Figure  # noqa: E402

PROGRAM = Path(os.environ.get("TRILBY_BIN") or ROOT / "build" / "trilby")
PATIENCE = 60  # seconds that anything may take on a busy machine
KILLS_A_SYSTEM = 5  # the pause before a restart doubles each time
REQUESTS_BETWEEN = 100
CLIENTS_OF_A_KIND = 4
MANIFEST = """trilby = 1
[app.api]
port = 1
[[app.api.route]]
path = "/echo"
function = "echo"
[[app.api.route]]
path = "/sleep"
function = "sleep"
[function.echo]
module = "echo.wasm"
[function.sleep]
module = "sleep.wasm"
"""


def post(path, body):
    return b"POST %s HTTP/1.1\r\nHost: soak\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body)


ECHO = (post(b"/echo", b"a fresh sandbox"), b"a fresh sandbox")
SLEEP = (post(b"/sleep", (40_000_000).to_bytes(8, "little")), b"awake")
KINDS = {  # (request, answer), how clients of this kind go on
    "keep-alive": ECHO,
    "thinking": ECHO,  # idle between requests
    "fresh": ECHO,  # a connection for each request
    "slow": SLEEP,
}


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {PATIENCE} s")
        time.sleep(0.002)


class System:
    """A system on free ports, in a folder of its own."""

    def __init__(self, program, folder):
        self._ready_file = folder / "ready.json"
        self._log = (folder / "log").open("wb")
        command = [program, "up", folder / "trilby.toml", "--port", "api=0", "--admin-port", "0", "--ready-file", self._ready_file, "--aot-cache", folder / "aot"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env=os.environ | {"TRILBY_LOG_LEVEL": "warn"})
        wait_until(lambda: self._ready_file.exists() or self.process.poll() is not None, "the system")
        host, port = self.ready()["apps"]["api"]["url"].removeprefix("http://").rsplit(":", 1)
        self.address = (host, int(port))

    def ready(self):
        return json.loads(self._ready_file.read_text())

    @property
    def worker(self):
        return self.ready()["worker"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._log.close()


class Client(threading.Thread):
    """Sends one request after the other until it is told to stop, or refused where `may_be_refused`."""

    def __init__(self, address, kind, may_be_refused):
        super().__init__(daemon=True)
        self.answered = 0
        self.lost = []  # (when it began, when it was lost, what happened)
        self._address, self._kind, self._may_be_refused = address, kind, may_be_refused
        self._request, self._expected = KINDS[kind]
        self._ending = threading.Event()
        self._random = random.Random(id(self))

    def end(self):
        self._ending.set()

    def run(self):
        connection = None
        while not self._ending.is_set():
            if self._kind == "thinking":
                self._ending.wait(self._random.uniform(0, 0.03))
            began = time.monotonic()
            if connection and select.select([connection], [], [], 0)[0]:
                connection.close()  # ended by the server while idle, as it may
                connection = None
            try:
                connection = connection or socket.create_connection(self._address, timeout=PATIENCE)
            except OSError as error:
                # Refused, or kept waiting while the sockets close.
                if not (self._may_be_refused and isinstance(error, ConnectionRefusedError | TimeoutError)):
                    self.lost.append((began, time.monotonic(), f"{self._kind}: connect: {error!r}"))
                    continue
                return
            try:
                connection.sendall(self._request)
                head, body = self._read_answer(connection)
                if not head.startswith(b"HTTP/1.1 200") or body != self._expected:
                    raise ValueError(head.decode("latin-1") + body.decode("latin-1"))
                self.answered += 1
                if self._kind != "fresh" and b"connection: close" not in head.lower():
                    continue
            except (OSError, ValueError, EOFError) as error:
                self.lost.append((began, time.monotonic(), f"{self._kind}: {error!r}"))
            connection.close()
            connection = None
        if connection:
            connection.close()

    @staticmethod
    def _read_answer(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += Client._receive(connection, data)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += Client._receive(connection, data)
        return head, body

    @staticmethod
    def _receive(connection, so_far):
        if not (piece := connection.recv(65536)):
            raise EOFError("no answer" if not so_far else "half an answer")
        return piece


class Load:
    """Clients of every kind against one system."""

    def __init__(self, address, may_be_refused=False):
        self.clients = [Client(address, kind, may_be_refused) for kind in KINDS for _ in range(CLIENTS_OF_A_KIND)]
        for client in self.clients:
            client.start()

    def answered(self):
        return sum(client.answered for client in self.clients)

    def wait_for_more(self):
        enough = self.answered() + REQUESTS_BETWEEN
        wait_until(lambda: self.answered() >= enough, "answers")

    def end(self, ask=True):
        """Requests answered, and what was lost."""
        for client in self.clients:
            if ask:
                client.end()
        for client in self.clients:
            client.join(PATIENCE)
        assert not any(client.is_alive() for client in self.clients), "a client got no answer and no end"
        return self.answered(), [lost for client in self.clients for lost in client.lost]


def kill(pid, number):
    """Until it is gone: the engine's handler takes a first SIGSEGV that no instruction caused, and lets the next through."""

    def is_gone():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        return False

    wait_until(is_gone, "the worker's end")


def drain(program, folder, times):
    requests, lost, exits = 0, [], Counter()
    for _ in range(times):
        system = System(program, folder)
        load = Load(system.address, may_be_refused=True)
        load.wait_for_more()
        exits[system.stop()] += 1
        more, failed = load.end(ask=False)
        requests += more
        lost += failed
    return requests, lost, {"exit_codes": {str(code): count for code, count in exits.items()}, "unclean": times - exits[0]}


def reload(program, folder, times):
    system = System(program, folder)
    load = Load(system.address)
    for _ in range(times):
        load.wait_for_more()
        before = system.worker
        system.process.send_signal(signal.SIGHUP)
        wait_until(lambda before=before: system.worker != before, "the new worker")
        wait_until(lambda before=before: not Path(f"/proc/{before}").exists(), "the old worker's end")
    load.wait_for_more()
    requests, lost = load.end()
    return requests, lost, {"unclean": int(system.stop() != 0)}


def crash(program, folder, times):
    requests, lost, in_flight, unclean = 0, [], 0, 0
    for begun in range(0, times, KILLS_A_SYSTEM):
        system = System(program, folder)
        load = Load(system.address)
        deaths = []
        for number in range(min(KILLS_A_SYSTEM, times - begun)):
            load.wait_for_more()
            worker = system.worker
            killed = time.monotonic()
            kill(worker, signal.SIGSEGV if number % 2 else signal.SIGKILL)
            deaths.append((killed, time.monotonic()))
            wait_until(lambda worker=worker: system.worker != worker, "another worker")
        load.wait_for_more()
        more, failed = load.end()
        requests += more
        # Under way when a worker died: it began before that one was gone, and was lost after it was killed. A client has one request at
        # a time, so this allows one for each client and death.
        under_way = [loss for loss in failed if any(loss[0] <= died and loss[1] >= killed for killed, died in deaths)]
        in_flight += len(under_way)
        lost += [loss for loss in failed if loss not in under_way]
        unclean += system.stop() != 0
    return requests, lost, {"in_flight": in_flight, "unclean": unclean}


RUNS = {"drain": drain, "reload": reload, "crash": crash}


def measure(name, times, program, folder):
    (folder / "trilby.toml").write_text(MANIFEST)
    for guest in ("echo", "sleep"):
        subprocess.run(["wat2wasm", ROOT / f"tests/guests/{guest}.wat", "-o", folder / f"{guest}.wasm"], check=True)
    begin = time.monotonic()
    requests, lost, more = RUNS[name](program, folder, times)
    seconds = round(time.monotonic() - begin, 1)
    return {"times": times, "requests": requests, "failed": len(lost), **more, "seconds": seconds, "examples": [what for *_, what in lost[:5]]}


def figures(name, result):
    what = {"drain": "drained", "reload": "reloaded", "crash": "worker killed"}[name]
    of = " beyond those under way" if name == "crash" else ""
    return [
        Figure(f"{what} under load {result['times']} times: requests that failed{of}", result["failed"], at_most=0, note="; ".join(result["examples"])),
        Figure(f"{what} under load {result['times']} times: systems that did not end with 0", result["unclean"], at_most=0),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=100, help="how often each, 1 to 10000")
    parser.add_argument("--only", choices=RUNS)
    arguments = parser.parse_args()
    times = max(1, min(arguments.times, 10_000))
    report = {}
    for name in RUNS:
        if arguments.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="trilby-soak-") as scratch:
                report[name] = measure(name, times, PROGRAM, Path(scratch))
    print(json.dumps(report, indent=2))
    return 0 if all(not one["failed"] and not one["unclean"] for one in report.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
