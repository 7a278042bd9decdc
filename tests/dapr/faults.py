"""Events by the thousand while sidecar, broker and Trilby are killed, and a count of what became of each. For `test_event_faults.py` and `make soak`.

Half of the events a function enters in a ledger, a folder with a file for each event and a line in it for each time that the event got there; of the
other half Trilby saves what the function returned, and Redis counts how often. They are published through a sidecar that no fault strikes.
"""

import collections
import json
import os
import re
import signal
import threading
import time

import httpx
from sidecar import Process, Redis, app_protocol, component, free_ports, is_running, write_resources

PATIENCE = 120  # seconds that anything may take on a busy machine
TOKEN = "app-token-of-the-shop"
PUBLISHERS = 4
SLOW_EVERY = 100  # of these one is slow the first time that it comes
TIMEOUT = "3s"  # after which the sidecar takes the slow for lost
CONCURRENCY, QUEUE = 10, 10  # of daprd's component for Redis
# What may be processed and not acknowledged when a fault strikes: what daprd has under way; and when the broker is away, what it has read and goes on
# to bring, with a batch of each topic that waits for its queue.
AT_A_STROKE = CONCURRENCY
AT_A_STROKE_OF_THE_BROKER = CONCURRENCY + QUEUE + 2 * QUEUE
FILED, SAVED, HASTY = "filed", "saved", "hasty"

MANIFEST = """
trilby = 1
[app.shop]
port = {port}
protocol = "{protocol}"
sidecar = {{ http = {sidecar}, timeout = "5s" }}
[[app.shop.topic]]
pubsub = "broker"
topic = "filed"
function = "ledger"
[[app.shop.topic]]
pubsub = "broker"
topic = "saved"
function = "echo"
output = [{{ state = "store", key = "{{CE_ID}}" }}]
[[app.shop.topic]]
pubsub = "careless"
topic = "hasty"
function = "ledger"

[function.ledger]
module = "{guests}/ledger.wasm"
limits.wall = "90s"
[function.ledger.allow.directories]
"/done" = {{ path = "{scratch}/done", access = "read-write" }}
"/slow" = {{ path = "{scratch}/slow", access = "read-write" }}
[function.echo]
module = "{guests}/echo.wasm"
content_type = "application/json"
"""
# Every state with how often it was saved: Dapr's component for Redis counts that as its version.
SAVED_STATES = """
local found = {}
for _, key in ipairs(redis.call('KEYS', 'shop||*')) do
  local state = redis.call('HMGET', key, 'data', 'version')
  found[#found + 1] = {key, state[1], state[2]}
end
return found
"""


def resiliency(timeout):
    """What docs/dapr.md tells to set. The component `careless` has none."""
    policies = {"retries": {"for-ever": {"policy": "constant", "duration": "200ms", "maxRetries": -1}}, "timeouts": {"patience": timeout}}
    targets = {"components": {"broker": {"inbound": {"retry": "for-ever", "timeout": "patience"}}}}
    return {"apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": "policies"}, "spec": {"policies": policies, "targets": targets}}


def wait_until(condition, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return result


class Trilby(Process):
    """Supervisor and worker; it listens where the one before did."""

    def __init__(self, program, manifest, scratch, token):
        self._ready_path = scratch / "ready.json"
        self._ready_path.unlink(missing_ok=True)
        super().__init__([program, "up", manifest, "--admin-port", "0", "--ready-file", self._ready_path, "--grace", "1s", "--aot-cache", scratch / "aot"],
                         scratch / "trilby.log", env={"APP_API_TOKEN": token, "TRILBY_LOG_FORMAT": "json"})
        self.wait_until(self._ready_path.exists, "Trilby")

    @property
    def worker(self):
        return json.loads(self._ready_path.read_text())["worker"]


class Shop:
    """Redis, a sidecar to publish through, and the app with its own. The app and its sidecar are not started yet."""

    def __init__(self, sidecar_class, program, guests, scratch, protocol="http", timeout=TIMEOUT, processing_timeout="6000"):
        """`protocol`: what the sidecar speaks with the app, "http", "h2c" or "grpc". `timeout`: of its policy. `processing_timeout`: after so many
        milliseconds the broker brings again what is not acknowledged."""
        self._protocol = protocol
        self._sidecar_class, self._program, self._scratch = sidecar_class, program, scratch
        self._redis_folder, self._resources = scratch / "redis", scratch / "resources"
        self.done, self.slow = scratch / "done", scratch / "slow"
        for folder in (self._redis_folder, self.done, self.slow):
            folder.mkdir()
        self.redis = Redis(self._redis_folder, durable=True)
        broker = {"redisHost": self.redis.address, "concurrency": str(CONCURRENCY), "queueDepth": str(QUEUE), "processingTimeout": processing_timeout,
                  "redeliverInterval": "1000"}  # ms: "1s" it does not read
        write_resources(self._resources, {
            "broker": component("broker", "pubsub.redis", **broker),
            "careless": component("careless", "pubsub.redis", **broker),
            "store": component("store", "state.redis", redisHost=self.redis.address),
            "policies": json.dumps(resiliency(timeout)),
        })
        self._port, self._http_port = free_ports(2)
        self._manifest = scratch / "trilby.toml"
        self._manifest.write_text(MANIFEST.format(port=self._port, protocol=app_protocol(protocol), sidecar=self._http_port, guests=guests, scratch=scratch))
        self.trilby = self.sidecar = None
        self.till = sidecar_class("till", None, self._resources, scratch, options=["--log-level", "warn"])
        self._lock = threading.Lock()
        self.published_again = collections.Counter()  # how often each may be in the broker once more, since nobody said that it is there

    def start_sidecar(self, token=TOKEN, ready=True):
        self.sidecar = self._sidecar_class("shop", self._port, self._resources, self._scratch, app_token=token, http_port=self._http_port, ready=ready,
                                           protocol=self._protocol)

    def start_trilby(self, token=TOKEN):
        self.trilby = Trilby(self._program, self._manifest, self._scratch, token)

    def stop(self):
        """Everything that runs, killed where it does not stop."""
        for process in (self.till, self.sidecar, self.trilby, self.redis):
            if process and process.process.poll() is None:
                try:
                    process.stop()
                except AssertionError:
                    process.kill()

    def publish(self, pubsub, topic, number):
        """Until the broker has it for certain."""
        name = f"e{number:05}"

        def is_published():
            try:
                answer = self.till.client.post(f"/publish/{pubsub}/{topic}", content=data_of(number), headers={"content-type": "application/json"},
                                               params={"metadata.cloudevent.id": name})
            except httpx.TransportError:
                answer = None
            if answer is None or answer.status_code != 204:
                with self._lock:
                    self.published_again[name] += 1
            return answer is not None and answer.status_code == 204

        wait_until(is_published, f"the publication of {name}")

    def entered(self):
        """How many events have a file in the ledger."""
        return len(os.listdir(self.done))

    def taken_for_processed(self):
        """Events for which the sidecar says that their answer was empty, and so a success. Trilby's answers never are. daprd 1.18.1 keeps the handler of
        a request where all share it (pkg/middleware/http/pipeline.go), so that of two that start at once one may have the other's error, and the other
        none: a connection that was refused is 200 without a body then, and what was never brought is acknowledged."""
        return set(re.findall(r"due to empty response body from pub/sub event (e\d+)", self.sidecar.log()))

    def ledger(self):
        """How often each event was entered whole."""
        counts = {}
        for path in self.done.iterdir():
            *lines, rest = path.read_text().split("\n")
            assert not rest and all(line == data_of(int(path.name[1:])) for line in lines), f"{path.name}: {lines} {rest}"
            counts[path.name] = len(lines)
        return collections.Counter(counts)

    def saved(self):
        """How often what came of each event was saved."""
        counts = {}
        for key, data, version in self.redis.ask("EVAL", SAVED_STATES, 0):
            name = key.removeprefix("shop||")
            assert data == data_of(int(name[1:])), f"{name}: {data}"
            counts[name] = int(version)
        return collections.Counter(counts)

    def group(self, topic):
        """What Redis says of the app and a topic: `lag` events are not read, `pending` not acknowledged."""
        (group,) = self.redis.ask("XINFO", "GROUPS", topic)
        return dict(zip(group[::2], group[1::2], strict=True))

    def is_quiet(self):
        """Whether the broker has nothing more for the app."""
        return all((group := self.group(topic))["lag"] == 0 and group["pending"] == 0 for topic in (FILED, SAVED))

    def log_of_trilby_from(self, offset):
        """Lines as they are written, of which the last may be half."""
        with self.trilby.log_path.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace").splitlines()

    def requests(self, offset, **members):
        lines = [json.loads(line) for line in self.log_of_trilby_from(offset) if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if all(line.get(name) == value for name, value in members.items())]

    def given_up(self):
        """Calls for which the sidecar's timeout was over. Over gRPC Trilby knows that time too, and may be the first to end the call."""
        return self.requests(0, reason="cancelled") + self.requests(0, reason="limit-wall")

    # What can go wrong. Each returns when all is there again.

    def kill_the_sidecar(self):
        self.sidecar.kill()
        self.start_sidecar()

    def restart_the_sidecar(self):
        self.sidecar.stop()
        self.start_sidecar()

    def kill_the_worker(self):
        before = self.trilby.worker
        os.kill(before, signal.SIGKILL)
        self.trilby.wait_until(lambda: self.trilby.worker != before, "another worker")

    def kill_the_supervisor(self):
        worker = self.trilby.worker
        self.trilby.kill()
        wait_until(lambda: not is_running(worker), "the end of the worker, which does not outlive its supervisor")
        self.start_trilby()

    def restart_trilby(self):
        self.trilby.stop()
        self.start_trilby()

    def restart_the_broker(self):
        self.redis.stop()
        self.start_broker()

    def start_broker(self):
        self.redis = Redis(self._redis_folder, self.redis.port, durable=True)

    def give_trilby_a_wrong_token(self):
        """The sidecar's is another then. Nothing is processed meanwhile."""
        self.trilby.stop()
        before, offset = self.entered(), self.trilby.log_path.stat().st_size
        self.start_trilby(token="another-token")
        wait_until(lambda: self.requests(offset, reason="unauthorized"), "a refusal")
        self.trilby.stop()
        assert self.entered() == before
        self.start_trilby()

    def give_the_sidecar_no_token(self):
        """It is refused what it brings. Over HTTP it is not even told what the app wants; over gRPC it asks for that without a token in any case."""
        self.sidecar.stop()
        offset = self.trilby.log_path.stat().st_size
        self.start_sidecar(token=None)
        wait_until(lambda: self.requests(offset, reason="unauthorized"), "a refusal")
        assert bool(self.sidecar.metadata().get("subscriptions")) == (self._protocol == "grpc")
        self.sidecar.kill()
        self.start_sidecar()


def data_of(number):
    """As daprd writes it again."""
    return f'["slow",{number}]' if is_slow(number) else f'{{"n":{number}}}'


def is_slow(number):
    return number % SLOW_EVERY == 0


class Publishers:
    """Threads that publish events 0 to `total`, those with even numbers for the ledger, and keep only a little ahead of that."""

    def __init__(self, shop, total, ahead):
        self._shop, self._total, self._ahead = shop, total, ahead
        self._next, self._ending, self._lock = 0, False, threading.Lock()
        self.failed = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(PUBLISHERS)]
        for thread in self._threads:
            thread.start()

    def is_waiting(self):
        """Whether as many events wait as may, or all are published."""
        return self._next >= min(self._total, 2 * (self._shop.entered() + self._ahead))

    def end(self):
        self._ending = True
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads) and not self.failed, self.failed

    def wait(self):
        for thread in self._threads:
            thread.join(PATIENCE)
        self.end()

    def _run(self):
        try:
            while (number := self._take()) is not None:
                wait_until(lambda number=number: self._ending or number < 2 * (self._shop.entered() + self._ahead), "a place for another event")
                self._shop.publish("broker", SAVED if number % 2 else FILED, number)
        except Exception as error:  # told by the thread that ends us
            self.failed.append(error)

    def _take(self):
        with self._lock:
            if self._ending or self._next == self._total:
                return None
            self._next += 1
            return self._next - 1


def faults_of(shop, publishers):
    """Each with how many events it may have processed again."""
    def let_the_sidecar_be_absent():
        shop.sidecar.kill()
        wait_until(publishers.is_waiting, "events that wait")
        shop.start_sidecar()

    def kill_the_broker():
        """Until somebody notices."""
        shop.redis.kill()
        refused = shop.published_again.total()
        wait_until(lambda: shop.published_again.total() > refused or publishers.is_waiting(), "a refusal")
        shop.start_broker()

    return {
        # First those that wait for a refusal: later a busy machine may have no event left to refuse.
        "token of Trilby wrong": (shop.give_trilby_a_wrong_token, 2 * AT_A_STROKE),
        "token of the sidecar missing": (shop.give_the_sidecar_no_token, AT_A_STROKE),
        "sidecar killed": (shop.kill_the_sidecar, AT_A_STROKE),
        "worker killed": (shop.kill_the_worker, AT_A_STROKE),
        "broker killed": (kill_the_broker, AT_A_STROKE_OF_THE_BROKER),
        "supervisor killed": (shop.kill_the_supervisor, AT_A_STROKE),
        "sidecar absent": (let_the_sidecar_be_absent, AT_A_STROKE),
        "broker restarted": (shop.restart_the_broker, AT_A_STROKE_OF_THE_BROKER),
        "sidecar restarted": (shop.restart_the_sidecar, AT_A_STROKE),
        "Trilby restarted": (shop.restart_trilby, AT_A_STROKE),
    }


def expected(total, topic):
    return {f"e{number:05}" for number in range(total) if (number % 2 == 0) == (topic == FILED)}


def again(counts):
    return sum(count - 1 for count in counts.values())


def run(shop, total, rounds, ahead, tell=print):
    """Publishes `total` events while every fault strikes `rounds` times. Returns what became of them."""
    begin, struck, may_be_again = time.monotonic(), collections.defaultdict(list), 0
    shop.start_sidecar(ready=False)  # before the app, which is late
    publishers = Publishers(shop, total, ahead)
    try:
        wait_until(publishers.is_waiting, "events that wait")
        shop.start_trilby()
        faults = list(faults_of(shop, publishers).items()) * rounds
        for number, (name, (fault, processed_again)) in enumerate(faults, 1):
            wait_until(lambda number=number: shop.entered() >= total // 2 * number // (len(faults) + 1), "progress")
            at = time.monotonic()
            fault()
            entered = shop.entered()
            wait_until(lambda entered=entered: shop.entered() > entered or entered == total // 2, f"progress after: {name}")
            struck[name].append(round(time.monotonic() - at, 2))
            may_be_again += processed_again
            tell(f"  {name}: {struck[name][-1]} s until events went on; {shop.entered()} of {total // 2} in the ledger")
        publishers.wait()
    finally:
        publishers.end()
    wait_until(shop.is_quiet, "the rest")
    entered, saved = shop.ledger(), shop.saved()
    missing = (expected(total, FILED) - set(+entered)) | (expected(total, SAVED) - set(saved))
    lost = sorted(missing - shop.taken_for_processed())
    strange = sorted((set(entered) - expected(total, FILED)) | (set(saved) - expected(total, SAVED)))
    return {
        "events": total, "seconds": round(time.monotonic() - begin, 1), "faults": len(faults), "seconds_until_events_went_on": struck,
        "lost": len(lost), "examples_of_lost": lost[:5], "lost_by_the_sidecar": len(missing) - len(lost), "strange": strange[:5],
        "processed_again": again(entered) + again(saved), "processed_most_often": max([*entered.values(), *saved.values()]),
        "may_be_processed_again": may_be_again + shop.published_again.total(), "published_again": shop.published_again.total(),
        "slow": len(list(shop.slow.iterdir())), "given_up_by_the_sidecar": len(shop.given_up()),
    }
