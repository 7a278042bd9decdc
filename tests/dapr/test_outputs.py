"""What functions return, sent on by Trilby through a real sidecar: published, saved, sent to a binding, passed on to an app of this process and to
one that only the sidecar knows."""

import json
import signal
import threading

import httpx
import pytest
from images import own
from sidecar import Redis, component, free_ports, write_resources
from world import World, served_far

APP_TOKEN = "app-token-51c7"
API_TOKEN = "api-token-9e02"
FAR_APP = own("far")
MANIFEST = """
trilby = 1

[app.shop]
port = 1
public = "127.0.0.1:0"
sidecar = {{ http = {port}, timeout = "5s", retry_store = "store" }}

[[app.shop.topic]]
pubsub = "broker"
topic = "orders"
dead_letter = "dead"
function = "price"
[[app.shop.topic.output]]
state = "store"
key = "order-{{CE_ID}}"
[[app.shop.topic.output]]
publish = "broker/priced"
attributes = {{ id = "{{CE_ID}}-priced", type = "order.priced" }}
[[app.shop.topic.output]]
binding = "files"
operation = "create"
metadata = {{ fileName = "{{CE_ID}}.json" }}
[[app.shop.topic.output]]
invoke = "ledger/entry"
[[app.shop.topic]]
pubsub = "broker"
topic = "priced"
function = "receiver"
[[app.shop.topic]]
pubsub = "broker"
topic = "dead"
function = "undertaker"

[[app.shop.topic]]
pubsub = "broker"
topic = "poisoned"
dead_letter = "dead"
max_retries = 2
function = "price"
[[app.shop.topic]]
pubsub = "broker"
topic = "many"
bulk = {{ max_messages = 20, max_wait = "50ms" }}
function = "price"
output = [{{ state = "store", key = "many-{{CE_ID}}" }}]
[[app.shop.topic]]
pubsub = "broker"
topic = "nowhere"
function = "price"
output = [{{ publish = "no-such-broker/t" }}]
[[app.shop.topic]]
pubsub = "broker"
topic = "texts"
function = "text"
output = [{{ state = "store", key = "text-{{CE_ID}}" }}]
[[app.shop.topic]]
pubsub = "broker"
topic = "bytes"
function = "bytes"
output = [{{ publish = "broker/bytes-on" }}, {{ state = "store", key = "bytes-{{CE_ID}}" }}]
[[app.shop.topic]]
pubsub = "broker"
topic = "bytes-on"
function = "receiver"
[[app.shop.topic]]
pubsub = "broker"
topic = "far"
function = "price"
output = [{{ invoke = "{far}/entry" }}]

[[app.shop.route]]
method = "POST"
path = "/price"
function = "price"
output = [{{ state = "store", key = "route-{{REQUEST_ID}}" }}]
[[app.shop.route]]
path = "/far/*"
invoke = "{far}/echo"
[[app.shop.route]]
path = "/absent"
invoke = "absent/x"

[app.ledger]
port = 0
[[app.ledger.route]]
method = "POST"
path = "/entry"
function = "entry"

[function.price]
module = "{guests}/event.wasm"
content_type = "application/json"
limits.log_lines_per_second = 100000
[function.text]
module = "{guests}/event.wasm"
content_type = "text/plain"
limits.log_lines_per_second = 100000
[function.bytes]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
[function.receiver]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
[function.undertaker]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
[function.entry]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
"""
RESILIENCY = {
    "apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": "policies"},
    "spec": {"policies": {"retries": {"often": {"policy": "constant", "duration": "100ms", "maxRetries": 4}}},
             "targets": {"components": {"broker": {"inbound": {"retry": "often"}}}}},
}


class Desk(World):
    """Trilby, its sidecar, and Redis behind that."""

    def __init__(self, system_class, sidecar_class, guests, scratch, redis, trilby_token=API_TOKEN, options=(), processing_timeout="30000"):
        """`processing_timeout`: after so many milliseconds the broker brings again what is not acknowledged."""
        resources = scratch / "resources"
        write_resources(resources, {
            "broker": component("broker", "pubsub.redis", redisHost=redis.address, concurrency="4", processingTimeout=processing_timeout,
                                redeliverInterval="1000"),
            "store": component("store", "state.redis", redisHost=redis.address),
            "files": component("files", "bindings.localstorage", rootPath=str(scratch / "files")),
            "policies": json.dumps(RESILIENCY),
        })
        (self.http_port,) = free_ports(1)
        manifest = scratch / "trilby.toml"
        manifest.write_text(MANIFEST.format(port=self.http_port, guests=guests, far=FAR_APP))
        self.sidecar_class = sidecar_class
        trilby = system_class(manifest, scratch, ["--port", "shop.public=0", *options],
                              env={"APP_API_TOKEN": APP_TOKEN, "DAPR_API_TOKEN": trilby_token, "TRILBY_LOG_FORMAT": "json"})
        super().__init__(trilby, None, redis, None, scratch, resources)
        self.start_sidecar()

    def start_sidecar(self):
        self.sidecar = self.sidecar_class("shop", self.channel.rpartition(":")[2], self.resources, self.scratch, app_token=APP_TOKEN,
                                          api_token=API_TOKEN, http_port=self.http_port)

    def state(self, key):
        """What is saved under `key`, as the sidecar gives it; None when nothing is."""
        answer = self.sidecar.client.get(f"/state/store/{key}")
        return answer.content if answer.status_code == 200 else None

    def wait_for_state(self, key, seconds=20):
        return self.trilby_waits(lambda: self.state(key), seconds)

    def stop(self):
        self.sidecar.stop()
        assert self.trilby.stop() == 0
        assert API_TOKEN not in self.trilby.log()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("redis"))
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def desk(system_class, sidecar_class, guests, redis, tmp_path_factory):
    desk = Desk(system_class, sidecar_class, guests, tmp_path_factory.mktemp("desk"), redis)
    yield desk
    desk.stop()


def event_of(desk, data):
    """The call of the function that is to price `data`."""
    return desk.wait_for_events(lambda event: event.function == "price" and event.data == data.encode())[0]


def test_an_event_is_saved_published_written_and_passed_on(desk):
    order = '{"order":1,"text":"caf\u00e9"}'  # as daprd writes it again
    desk.sidecar.publish("broker", "orders", order, cloudevent__id="first")
    assert json.loads(desk.wait_for_state("order-first")) == json.loads(order)
    priced = desk.wait_for_event(order, CE_TOPIC="priced")
    assert priced.function == "receiver"
    assert priced.variables["CE_ID"] == "first-priced"
    assert priced.variables["CE_TYPE"] == "order.priced"
    assert priced.variables["CE_DATACONTENTTYPE"] == "application/json"
    assert priced.variables["CE_SOURCE"] == "shop"
    written = desk.trilby_waits(lambda: [path for path in (desk.scratch / "files").rglob("first.json")], 20)[0]
    assert json.loads(written.read_text()) == json.loads(order)
    # Passed on under the request's own id.
    passed = f'"function":"entry","request":"{event_of(desk, order).request}","line":"data {order.encode().hex()}"'
    assert passed in desk.trilby.wait_for_log(passed)
    line = desk.wait_for_requests("/dapr/topic/broker/orders/price", reason="ok", status=200)[0]
    assert line["function"] == "price"
    for kind in ("state", "publish", "binding", "invoke"):
        desk.trilby_waits(lambda kind=kind: desk.metric("trilby_outputs_total", app="shop", kind=kind, reason="ok"), 20)


def test_one_trace_leads_through_what_is_published(desk):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = desk.sidecar.client.post("/publish/broker/orders", content='"traced"', params={"metadata.cloudevent.id": "traced"},
                                      headers={"content-type": "application/json", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert answer.status_code == 204
    priced = desk.wait_for_event('"traced"', CE_ID="traced-priced")
    assert priced.variables["CE_TRACEPARENT"].split("-")[1] == trace


def test_an_event_without_a_key_is_dropped_before_its_function_runs(desk):
    desk.sidecar.publish("broker", "orders", '"poison"', cloudevent__id="a||b")
    desk.wait_for_requests("/dapr/topic/broker/orders/price", reason="bad-request", status=200)
    buried = desk.wait_for_events(lambda event: event.function == "undertaker" and event.data == b'"poison"')
    assert len(buried) == 1
    assert not [event for event in desk.events() if event.function == "price" and event.data == b'"poison"']


def test_what_fails_is_not_sent_on(desk):
    desk.sidecar.publish("broker", "orders", "true", cloudevent__id="trapped")  # the first letter of which is a trap
    desk.wait_for_events(lambda event: event.function == "undertaker" and event.data == b"true")
    assert desk.state("order-trapped") is None


def test_an_event_that_always_fails_is_given_up_even_by_the_next_worker(desk):
    path = "/dapr/topic/broker/poisoned/price"

    def publish_poison():
        desk.sidecar.publish("broker", "poisoned", "true", cloudevent__id="poison one")  # the first letter of which is a trap

    publish_poison()
    lines = desk.wait_for_requests(path, count=3, reason="trap", status=200)
    assert [line["detail"].partition(":")[0] for line in lines] == ["the event is to be brought again"] * 2 + ["the event is dropped"]
    assert lines[2]["detail"].startswith("the event is dropped: it was brought again 2 times")
    desk.wait_for_events(lambda event: event.function == "undertaker" and event.variables["CE_ID"] == "poison one")
    given_up = next(line for line in desk.lines() if line["message"] == "an event is given up" and line["trigger"] == path)
    assert (given_up["level"], given_up["event"], given_up["brought_again"], given_up["dead_letter"]) == ("error", "poison one", "2", "true")
    assert desk.metric("trilby_events_given_up_total", app="shop", trigger="topic broker/poisoned") == 1
    desk.trilby.process.send_signal(signal.SIGHUP)
    desk.trilby.wait_for_another_worker()
    publish_poison()
    desk.wait_for_events(lambda event: event.function == "undertaker" and event.variables["CE_ID"] == "poison one", 2)
    lines = desk.wait_for_requests(path, count=4)  # what its own loop writes may come after what another loop's undertaker tells
    assert len(lines) == 4, [(line["time"], line["reason"], line.get("detail")) for line in lines]


def test_many_events_are_saved_each(desk):
    events = [{"entryId": str(i), "event": {"number": i}, "contentType": "application/json", "metadata": {"cloudevent.id": f"b{i}"}} for i in range(40)]
    answer = desk.sidecar.client.post("/publish/bulk/broker/many", json=events)
    assert answer.status_code == 204, answer.text
    keys = desk.trilby_waits(lambda: (found := sorted(desk.redis.ask("KEYS", "shop||many-*")))[39:] and found, 30)
    saved = sorted(json.loads(desk.state(key.removeprefix("shop||")))["number"] for key in keys)
    assert saved == list(range(40))


def test_texts_and_bytes_are_what_they_were(desk):
    """Where Dapr wants JSON, a text is a JSON text and bytes are base64; what is published has its own content type."""
    desk.sidecar.publish("broker", "texts", 'a "text"', "text/plain", cloudevent__id="t1")
    assert json.loads(desk.wait_for_state("text-t1")) == 'a "text"'
    desk.sidecar.publish("broker", "bytes", b"\x00\xff\x01", "application/octet-stream", cloudevent__id="b1")
    assert json.loads(desk.wait_for_state("bytes-b1")) == "AP8B"
    desk.wait_for_event(b"\x00\xff\x01", CE_TOPIC="bytes-on", CE_DATACONTENTTYPE="application/octet-stream")


def test_a_number_loses_digits_in_a_state(desk):
    """daprd 1.18 reads a state's value into doubles; what is published keeps its digits."""
    desk.sidecar.publish("broker", "orders", '{"n":12345678901234567890}', cloudevent__id="digits")
    desk.wait_for_event('{"n":12345678901234567890}', CE_ID="digits-priced")
    assert desk.state("order-digits") == b'{"n":12345678901234567000}'


def test_a_route_answers_when_its_outputs_are_done(desk):
    answer = httpx.post(desk.public + "/price", content='{"by": "route"}', headers={"x-request-id": "route-0123456789"})
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {"by": "route"}, "application/json")
    assert json.loads(desk.state("route-route-0123456789")) == {"by": "route"}
    assert httpx.post(desk.public + "/price", content=b"", headers={"x-request-id": "route-empty-0123456789"}).status_code == 200
    assert desk.state("route-route-empty-0123456789") is None, "nothing was returned, so nothing is sent on"


def test_an_output_that_nobody_takes_is_a_retry(desk):
    desk.sidecar.publish("broker", "nowhere", '"lost?"')
    lines = desk.wait_for_requests("/dapr/topic/broker/nowhere/price", count=5, reason="upstream-failed", status=200)
    assert lines[0]["detail"].startswith("the event is to be brought again: output 1 of 1, publish no-such-broker/t: the sidecar refuses: ")
    assert "ERR_PUBSUB_NOT_FOUND" in lines[0]["detail"]


@pytest.fixture(scope="module")
def far(desk, system_class, sidecar_class, guests, tmp_path_factory):
    """An app of another Trilby, which the first knows only through the sidecars."""
    with served_far(system_class, sidecar_class, guests, tmp_path_factory.mktemp("far"), FAR_APP, desk.sidecar) as (trilby, sidecar):
        yield trilby
    assert API_TOKEN not in trilby.log() + sidecar.log(), "it is between the first and its sidecar"


def test_a_route_reaches_an_app_that_only_the_sidecar_knows(desk, far):
    answer = httpx.post(desk.public + "/far/x", content=b"over the hills", headers={"authorization": "Basic ZGFwci1hcHAtaWQ6c2hvcA=="}, timeout=30)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"over the hills", "application/json"), answer.text
    failed = httpx.post(desk.public + "/far/x", content=b"bad input", timeout=30)
    assert (failed.status_code, failed.headers["trilby-reason"]) == (422, "bad-input"), "as that Trilby says"


def test_an_event_is_passed_on_to_an_app_that_only_the_sidecar_knows(desk, far):
    desk.sidecar.publish("broker", "far", '"to the far app"')
    desk.wait_for_requests("/dapr/topic/broker/far/price", reason="ok", status=200)
    far.wait_for_log(b'"to the far app"'.hex())


def test_a_caller_is_not_told_why_the_sidecar_finds_no_app(desk):
    answer = httpx.get(desk.public + "/absent", timeout=30)
    assert (answer.status_code, answer.headers["trilby-reason"]) == (502, "upstream-failed")
    assert "ERR_" not in answer.text and "absent" not in answer.json().get("detail", "")
    line = desk.wait_for_requests("/absent", reason="upstream-failed")[0]
    assert "absent" in line["detail"] and "ERR_DIRECT_INVOKE" in line["detail"]


def test_a_wrong_token_is_said_and_the_event_brought_again(system_class, sidecar_class, guests, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("wrong")
    redis = Redis(scratch)
    desk = Desk(system_class, sidecar_class, guests, scratch, redis, trilby_token="wrong-token-77")
    try:
        desk.sidecar.publish("broker", "orders", '"kept"', cloudevent__id="kept")
        lines = desk.wait_for_requests("/dapr/topic/broker/orders/price", count=5, reason="upstream-failed", status=200)
        assert "output 1 of 4, state store: the sidecar refuses: it refuses the API token: DAPR_API_TOKEN must be" in lines[0]["detail"]
        desk.wait_for_events(lambda event: event.function == "undertaker" and event.data == b'"kept"')
        answer = httpx.post(desk.public + "/price", content='"x"')
        assert (answer.status_code, answer.headers["trilby-reason"]) == (502, "upstream-failed")
        assert "token" not in answer.text.lower() and str(desk.http_port) not in answer.text
        assert "wrong-token-77" not in desk.trilby.log()
    finally:
        desk.stop()
        redis.stop()


def test_a_drain_does_not_wait_for_a_sidecar_for_ever(system_class, sidecar_class, guests, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("drain")
    redis = Redis(scratch)
    desk = Desk(system_class, sidecar_class, guests, scratch, redis, options=["--grace", "500ms"])
    answers = []
    try:
        desk.sidecar.process.send_signal(signal.SIGSTOP)
        asking = threading.Thread(target=lambda: answers.append(httpx.post(desk.public + "/price", content='"x"', timeout=30)))
        asking.start()
        desk.trilby.wait_for_log("data " + b'"x"'.hex())
        desk.trilby.signal()
        asking.join(30)
        assert (answers[0].status_code, answers[0].headers["trilby-reason"]) == (503, "draining")
        assert desk.trilby.stop() == 75, "a request was cut off"
    finally:
        desk.sidecar.process.send_signal(signal.SIGCONT)
        desk.sidecar.stop()
        redis.stop()


def test_nothing_is_lost_when_the_sidecar_is_killed_between(system_class, sidecar_class, guests, tmp_path_factory):
    """Killed again and again while events are on their way: what was not acknowledged is brought again, so each is saved in the end."""
    scratch = tmp_path_factory.mktemp("killed")
    redis = Redis(scratch)
    desk = Desk(system_class, sidecar_class, guests, scratch, redis, processing_timeout="1000")
    count, published = 300, 0
    try:
        def saved():
            return len(redis.ask("KEYS", "shop||order-k*"))

        for kill_at in (40, 120, 200):
            while published < kill_at + 60:
                desk.sidecar.publish("broker", "orders", json.dumps({"n": published}), cloudevent__id=f"k{published}")
                published += 1
            desk.trilby_waits(lambda at=kill_at: saved() >= at, 60)
            desk.sidecar.process.kill()
            desk.sidecar.process.wait()
            answer = httpx.post(desk.public + "/price", content='"meanwhile"')
            assert (answer.status_code, answer.headers["trilby-reason"]) == (502, "upstream-failed")
            desk.start_sidecar()
        while published < count:
            desk.sidecar.publish("broker", "orders", json.dumps({"n": published}), cloudevent__id=f"k{published}")
            published += 1
        desk.trilby_waits(lambda: saved() == count, 60)
        desk.trilby_waits(lambda: redis.pending("orders", "shop") == 0, 60)
        assert sorted(json.loads(desk.state(f"order-k{i}"))["n"] for i in range(count)) == list(range(count))
        # Each was published too: once, or more often where a kill fell between.
        seen = {event.variables["CE_ID"] for event in desk.wait_for_events(lambda event: event.function == "receiver", count)}
        assert seen >= {f"k{i}-priced" for i in range(count)}
    finally:
        desk.stop()
        redis.stop()
