"""Real programs beside Trilby: Dapr's sidecar, its scheduler and placement, and Redis. Each listens on free ports of 127.0.0.1 and is ended by its pid.

Another implementation of Dapr can be put in daprd's place by `pytest --dapr NAME`: it needs what Daprd has here, and a name in IMPLEMENTATIONS. (Tests of
`trilby up --sidecar daprd`, and defects that are daprd's own, are about daprd in any case.)
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(os.environ.get("TRILBY_DAPR") or ROOT / "build" / "dapr")
DAPRD_WITH_LOCKS = PROGRAMS / "daprd-with-locks"  # Dapr calls no component for locks stable, so that daprd has none (tools/dapr/locks)
START_SECONDS = 60
STOP_SECONDS = 20
# Of a sidecar that looks every second whether its app is well. It stops bringing events to one that is not, so that it must not take a busy machine for
# that.
PROBES = ("--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-probe-timeout", "900", "--app-health-threshold", "30")


def _all_ports():
    """Below those that the kernel gives to whoever connects: one of these may be gone before it is listened on. None comes twice, for who was told of it
    may not listen on it yet."""
    first_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = range(10_000, max(first_given, 20_000))
    yield from random.sample(found, len(found))


_PORTS = _all_ports()


def free_ports(count):
    """Ports that nobody had a moment ago."""
    found = []
    while len(found) < count:
        port = next(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)
    return result


def log_records(system, **members):
    """What a Trilby that logs JSON has told so far, of what has these members; its last line may not be whole yet."""
    parsed = [json.loads(line) for line in system.log().rpartition("\n")[0].splitlines() if line.startswith("{")]
    return [line for line in parsed if all(line.get(name) == value for name, value in members.items())]


def sidecars_of(system):
    """Pid and command line, by app-id, of each sidecar that Trilby has started itself and that runs."""
    supervisor = system.ready["supervisor"]
    found = {}
    for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if words[0] == "daprd":
                found[words[words.index("--app-id") + 1]] = (int(pid), words)
    return found


def is_running(pid):
    """Whether it has not ended; one that did, and that nobody has waited for yet, has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Process:
    """A program that ends with the test. `more`: words for Popen."""

    def __init__(self, command, log_path, env=None, **more):
        self.log_path = log_path
        with log_path.open("ab") as log:  # one that is started again goes on in the log of the one before
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=os.environ | (env or {}), **more)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_until(self, condition, what, seconds=START_SECONDS):
        """Returns what `condition` gives once that is true."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()}"
            if time.monotonic() > deadline:
                self.process.kill()  # who waits for its start does not have it yet, to stop it
                raise AssertionError(f"{what}: not within {seconds} s:\n{self.log()[-20000:]}")
            time.sleep(0.02)
        return result

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not stop:\n{self.log()[-20000:]}") from None

    def kill(self):
        self.process.kill()
        self.process.wait(STOP_SECONDS)


class RedisError(Exception):
    """What Redis answers instead of a result."""


def converse(port, commands, timeout):
    """Sends all commands, lists of words, to the Redis at `port`, then reads all answers: each as redis-cli would print it, lists as lists."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"".join(map(_encoded, commands)))
        return [_answer(answers) for _ in commands]


def _encoded(words):
    encoded = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def _answer(answers):
    kind, rest = (line := answers.readline().rstrip(b"\r\n"))[:1], line[1:]
    if not line:
        raise ConnectionError("Redis ended")
    if kind == b"$":
        return None if rest == b"-1" else answers.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [_answer(answers) for _ in range(int(rest))]
    if kind == b"-":
        raise RedisError(rest.decode())
    return int(rest) if kind == b":" else rest.decode()


class Redis(Process):
    def __init__(self, scratch, port=None, durable=False, host="127.0.0.1"):
        """`port`: where it was before. `durable`: what it acknowledged is in a file of the folder, which the next one there reads. `host`: the address
        where others reach it; `ask` goes by 127.0.0.1."""
        self.port = port or free_ports(1)[0]
        self.address = f"{host}:{self.port}"
        # Keyspace events are what Dapr's configuration store listens to.
        super().__init__(["redis-server", "--port", self.port, "--bind", *{"127.0.0.1", host}, "--protected-mode", "no", "--save", "",
                          "--appendonly", "yes" if durable else "no", "--appendfsync", "always", "--dir", scratch, "--notify-keyspace-events", "KEA"],
                         scratch / "redis.log")
        self.wait_until(self._answers, "redis")

    def _answers(self):
        try:
            return self.ask("PING") == "PONG"
        except (OSError, RedisError):  # not there yet, or still reading its file
            return False

    def ask(self, *words):
        """One command, and its answer."""
        return converse(self.port, [words], 10)[0]

    def pending(self, topic, group):
        """How many events of a topic were brought and are not acknowledged."""
        return self.ask("XPENDING", topic, group)[0]


class Scheduler(Process):
    def __init__(self, scratch):
        self.port, health, metrics, peer, client = free_ports(5)
        self.address = f"127.0.0.1:{self.port}"
        super().__init__(
            [PROGRAMS / "scheduler", "--port", self.port, "--listen-address", "127.0.0.1", "--healthz-port", health, "--healthz-listen-address",
             "127.0.0.1", "--metrics-port", metrics, "--metrics-listen-address", "127.0.0.1", "--id", "scheduler-0", "--etcd-data-dir",
             scratch / "etcd", "--etcd-client-port", client, "--etcd-client-listen-address", "127.0.0.1", "--etcd-initial-cluster",
             f"scheduler-0=http://127.0.0.1:{peer}", "--log-level", "warn"],
            scratch / "scheduler.log")
        self.wait_until(lambda: _status(f"http://127.0.0.1:{health}/healthz") == 200, "the scheduler")


class Placement(Process):
    """Tells sidecars which of them has which actor."""

    def __init__(self, scratch):
        self.port, health, metrics, peer = free_ports(4)
        self.address = f"127.0.0.1:{self.port}"
        super().__init__(
            [PROGRAMS / "placement", "--port", self.port, "--listen-address", "127.0.0.1", "--healthz-port", health, "--healthz-listen-address",
             "127.0.0.1", "--metrics-port", metrics, "--metrics-listen-address", "127.0.0.1", "--id", "placement-0", "--initial-cluster",
             f"placement-0=127.0.0.1:{peer}", "--log-level", "warn"],
            scratch / "placement.log")
        self.wait_until(lambda: _status(f"http://127.0.0.1:{health}/healthz") == 200, "placement")


def _status(url, **headers):
    try:
        return httpx.get(url, headers=headers, timeout=5).status_code
    except httpx.TransportError:
        return None


class Sentry(Process):
    """Dapr's certificate authority; it makes its own root, in a folder that the next one there reads."""

    def __init__(self, scratch, host="127.0.0.1", trust_domain="localhost"):
        """`host`: the address where sidecars reach it. `trust_domain`: its own and that of the other programs of Dapr's, not that of sidecars."""
        port, health, metrics = free_ports(3)
        self.address = f"{host}:{port}"
        self.trust_domain = trust_domain
        folder, configuration = scratch / "sentry", scratch / "sentry.yaml"
        folder.mkdir(exist_ok=True)
        configuration.write_text('{"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "sentry"}}')
        super().__init__([PROGRAMS / "sentry", "--config", configuration, "--port", port, "--listen-address", host, "--healthz-port", health,
                          "--healthz-listen-address", "127.0.0.1", "--metrics-port", metrics, "--metrics-listen-address", "127.0.0.1",
                          "--issuer-credentials", folder, "--trust-domain", trust_domain], scratch / "sentry.log")
        self.wait_until(lambda: _status(f"http://127.0.0.1:{health}/healthz") == 200, "sentry")
        self.root = folder / "ca.crt"

    @property
    def options(self):
        """What a sidecar is told on its command line so that it has its certificate from here."""
        return ["--enable-mtls", "--sentry-address", self.address, "--control-plane-trust-domain", self.trust_domain]

    @property
    def env(self):
        return {"DAPR_TRUST_ANCHORS": self.root.read_text()}


class Daprd(Process):
    """Dapr's sidecar, before one app. Ready once the app has told it what it wants."""

    def __init__(self, app_id, app_port, resources, scratch, options=(), app_token=None, ready=True, http_port=None, protocol="http", api_token=None,
                 internal_port=None, env=None, program=None):
        """`http_port`: where it answers, if that was told somebody before; `internal_port`: where it answers other sidecars. `api_token`: what it wants
        to see from whoever asks it for something. `program`: another build of it."""
        self.app_id = app_id
        http, grpc, internal, metrics = free_ports(4)
        http, self.internal_port = http_port or http, internal_port or internal
        self.url = f"http://127.0.0.1:{http}/v1.0"
        self.grpc_address = f"127.0.0.1:{grpc}"
        command = [program or PROGRAMS / "daprd", "--app-id", app_id, "--dapr-http-port", http, "--dapr-grpc-port", grpc, "--dapr-internal-grpc-port",
                   self.internal_port, "--metrics-port", metrics, "--dapr-listen-addresses", "127.0.0.1", "--metrics-listen-address", "127.0.0.1",
                   "--resources-path", resources, "--log-level", "debug", "--dapr-graceful-shutdown-seconds", "2", *options]
        if app_port is not None:
            command += ["--app-port", app_port, "--app-protocol", protocol]
        tokens = {"APP_API_TOKEN": app_token, "DAPR_API_TOKEN": api_token}
        super().__init__(command, scratch / f"{app_id}.log", env={name: token for name, token in tokens.items() if token} | (env or {}))
        self.client = httpx.Client(base_url=self.url, timeout=20, headers={"dapr-api-token": api_token} if api_token else {})
        if ready:
            self.wait_until(lambda: _status(f"{self.url}/healthz") == 204, "the sidecar")

    def publish(self, pubsub, topic, data, content_type="application/json", **metadata):
        """`metadata`: with '__' for '.', as in cloudevent__id="7"."""
        answer = self.client.post(f"/publish/{pubsub}/{topic}", content=data, headers={"content-type": content_type},
                                  params={f"metadata.{name.replace('__', '.')}": value for name, value in metadata.items()})
        assert answer.status_code == 204, answer.text

    def publish_many(self, pubsub, topic, events):
        entries = [{"entryId": str(number), "event": event, "contentType": "text/plain"} for number, event in enumerate(events)]
        answer = self.client.post(f"/publish/bulk/{pubsub}/{topic}", json=entries)
        assert answer.status_code == 204, answer.text

    def invoke(self, app_id, method, verb="POST", **more):
        return self.client.request(verb, f"/invoke/{app_id}/method/{method}", **more)

    @staticmethod
    def has_found(answer):
        """Whether what an invocation was answered is of an app that was found."""
        return "couldn't find service" not in answer.text and "timeout waiting for address" not in answer.text

    def wait_until_it_finds(self, app_id):
        """Asks for an app, for nothing that it has, until it is found. A sidecar that does not know it yet looks for a second and then refuses the call,
        so that a call too many fails where a machine is busy or a datagram is lost. What was found is known for a minute."""
        self.wait_until(lambda: self.has_found(self.invoke(app_id, "nothing-of-the-kind", "GET")), f"the sidecar of {app_id}")

    def metadata(self):
        return self.client.get("/metadata").json()

    # What is seen nowhere but in its log. Another implementation has other words.
    _SAYS = {
        "app is well": "App entered healthy status",
        "app is unwell": "App entered un-healthy status",
        "stops later": "Blocking graceful shutdown for",
        "binding is declined": "app has not subscribed to binding {}",
        "binding is not answered": "could not invoke OPTIONS method on input binding subscription endpoint",
        "no subscriptions": "failed to subscribe to topics",
        "job cannot be written": "google.protobuf.Value: none of the oneof fields is set",
    }

    def has_said(self, what, *of):
        return self._SAYS[what].format(*of) in self.log()

    def has_said_last(self, what, other):
        """Whether it has said the one, and the other not since then."""
        log = self.log()
        return log.rfind(self._SAYS[what]) > log.rfind(self._SAYS[other])


IMPLEMENTATIONS = {"daprd": Daprd}


def app_protocol(protocol):
    """What a manifest says for an app whose sidecar speaks `protocol` with it: a channel that takes HTTP/1.1 takes HTTP/2 as well."""
    return "http" if protocol == "h2c" else protocol


def component(name, kind, scopes=(), **metadata):
    """The text of a component's file."""
    return json.dumps({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": name},
        "spec": {"type": kind, "version": "v1", "metadata": [{"name": key, "value": value} for key, value in metadata.items()]},
        "scopes": list(scopes)})


def write_resources(folder, texts):
    """Makes the folder, with a file for each text of `texts`, by its name."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
