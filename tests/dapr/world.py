"""The system that Dapr brings everything it can, and what it tells of that."""

import contextlib
import json
import re
import time

import httpx
from images import own
from sidecar import log_records

TOKEN = "app-token-7d1a0c"
SHOP = own("shop")
MANIFEST = """
[app.{shop}]
port = 1
protocol = "{protocol}"
public = "127.0.0.1:0"

[[app.{shop}.route]]
method = "POST"
path = "/echo"
function = "event"
[[app.{shop}.route]]
method = "GET"
path = "/text"
text = "a text"

[[app.{shop}.topic]]
pubsub = "broker"
topic = "plain"
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "routed"
match = 'event.type == "special"'
function = "special"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "routed"
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "raw"
raw = true
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "with-dead-letter"
dead_letter = "dead"
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "dead"
on_failure = "drop"
function = "undertaker"
[[app.{shop}.topic]]
pubsub = "strict"
topic = "contrary"
on_bad_input = "retry"
on_failure = "drop"
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "many"
dead_letter = "dead"
bulk = { max_messages = 50, max_wait = "200ms" }
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "declared"
path = "/declared/by/hand"
match = "false"
function = "event"
[[app.{shop}.topic]]
pubsub = "strict"
topic = "retried"
dead_letter = "dead"
function = "event"
[[app.{shop}.topic]]
pubsub = "impatient"
topic = "slow"
dead_letter = "dead"
function = "patient"

[[app.{shop}.binding]]
name = "every-second"
function = "event"
[[app.{shop}.binding]]
name = "elsewhere"
path = "/bindings/elsewhere"
function = "special"

[[app.{shop}.job]]
name = "report"
function = "event"
[[app.{shop}.job]]
name = "failing"
function = "event"
[[app.{shop}.job]]
name = "dropped"
on_failure = "drop"
function = "event"

[[app.{shop}.configuration]]
store = "settings"
function = "event"

[function.event]
module = "{guests}/event.wasm"
[function.event.limits]
cpu = "100ms"
log_line_length = "4KiB"
log_lines_per_second = 100000
concurrency = 4
queue_wait = "1m"
[function.special]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
[function.undertaker]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
[function.patient]
module = "{guests}/event.wasm"
[function.patient.limits]
cpu = "30s"
wall = "30s"
log_lines_per_second = 100000
"""
RESILIENCY = {
    "apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": "policies"},
    "spec": {
        "policies": {"retries": {"twice": {"policy": "constant", "duration": "50ms", "maxRetries": 2}}, "timeouts": {"short": "500ms"}},
        "targets": {"components": {"strict": {"inbound": {"retry": "twice"}}, "impatient": {"inbound": {"timeout": "short"}}}},
    },
}


def subscription(name, pubsub, topic, path):
    return json.dumps({"apiVersion": "dapr.io/v2alpha1", "kind": "Subscription", "metadata": {"name": name}, "scopes": [SHOP],
                       "spec": {"pubsubname": pubsub, "topic": topic, "routes": {"default": path}}})


def stop_well(trilby):
    assert trilby.stop() == 0

# Of an app that another Trilby serves.
FAR = """
trilby = 1
[app.{far}]
port = 1
[[app.{far}.route]]
path = "/echo"
function = "event"
[[app.{far}.route]]
path = "/entry"
function = "event"
[function.event]
module = "{guests}/event.wasm"
content_type = "application/json"
limits.log_lines_per_second = 100000
"""


@contextlib.contextmanager
def served_far(system_class, sidecar_class, guests, scratch, app, caller):
    """That app and its sidecar, which others know only through theirs. `caller`: the sidecar that has found it then."""
    (scratch / "resources").mkdir()
    manifest = scratch / "trilby.toml"
    manifest.write_text(FAR.format(guests=guests, far=app))
    trilby = system_class(manifest, scratch, env={"TRILBY_LOG_FORMAT": "json"})
    sidecar = sidecar_class(app, trilby.address(app)[1], scratch / "resources", scratch)
    try:
        caller.wait_until_it_finds(app)
        yield trilby, sidecar
    finally:
        sidecar.stop()
        assert trilby.stop() == 0


class Event:
    """A call of a function of `event.wat`, as that told it."""

    def __init__(self, function, request):
        self.function = function
        self.request = request
        self.data = b""
        self.variables = {}


class World:
    """All of it together. Everything that Dapr brings is told in Trilby's log."""

    def __init__(self, trilby, sidecar, redis, scheduler, scratch, resources, protocol="http", app="shop"):
        self.app = app
        self.trilby = trilby
        self.sidecar = sidecar
        self.redis = redis
        self.scheduler = scheduler
        self.scratch = scratch
        self.resources = resources
        self.protocol = protocol
        self.channel = trilby.ready["apps"][app]["channel"]
        self.public = trilby.ready["apps"][app]["public"]

    def lines(self):
        return log_records(self.trilby)

    def events(self):
        """Every call that a function has told of."""
        calls = {}
        for line in self.lines():
            if line.get("message") != "stderr" or "line" not in line:
                continue
            event = calls.setdefault(line["request"], Event(line["function"], line["request"]))
            if line["line"].startswith("data "):
                event.data = bytes.fromhex(line["line"][5:])
            else:
                name, _, value = line["line"].partition("=")
                event.variables[name] = value
        return list(calls.values())

    def wait_for_events(self, condition, count=1, seconds=20):
        """The calls for events for which `condition(event)` is true, once there are `count`. Of each the last line that is told names the trigger;
        until then it may not be told whole."""
        def found():
            told = [event for event in self.events() if "DAPR_TRIGGER" in event.variables and condition(event)]
            return told[count - 1:] and told

        return self.trilby_waits(found, seconds)

    def wait_for_event(self, data, seconds=20, **variables):
        data = data if isinstance(data, bytes) else data.encode()
        return self.wait_for_events(
            lambda event: event.data == data and all(event.variables.get(name) == value for name, value in variables.items()), 1, seconds)[0]

    def requests(self, path):
        return [line for line in self.lines() if line.get("path") == path]

    def requests_with(self, path, data):
        """Those in which a function was given this."""
        calls = {event.request for event in self.events() if event.data == data}
        return [line for line in self.requests(path) if line["request_id"] in calls]

    def wait_for_requests(self, path, count=1, seconds=20, **members):
        return self.trilby_waits(
            lambda: (found := [line for line in self.requests(path) if all(line.get(key) == value for key, value in members.items())])[
                count - 1:] and found, seconds)

    def metric(self, name, **labels):
        """The sum of a series over all that have these labels."""
        total = 0
        for line in httpx.get(self.trilby.admin + "/metrics", timeout=60).text.splitlines():
            found = re.fullmatch(rf"{name}\{{(.*)\}} (\S+)", line)
            if found and all(f'{label}="{value}"' in found[1] for label, value in labels.items()):
                total += float(found[2])
        return total

    def trilby_waits(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, f"nothing came within {seconds} s; Trilby:\n{self.trilby.log()[-6000:]}\n" \
                                                f"the sidecar:\n{self.sidecar.log()[-6000:]}"
            time.sleep(0.05)
        return result

    def acknowledged(self, topic, seconds=20):
        """Waits until the broker has nothing of the topic that was brought and not acknowledged."""
        self.trilby_waits(lambda: self.redis.pending(topic, self.app) == 0, seconds)
