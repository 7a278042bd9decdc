"""What a sidecar makes of what an app answers to an event, whatever the app is, and of events that do not come to it.

The answers here are plain routes with a text, which subscriptions beside the manifest lead to; none of Trilby's own verdicts is among them.
"""

import contextlib
import json
import time

import pytest
from images import own
from sidecar import Redis, component, write_resources
from world import World, stop_well

SHOP = own("shop")
TRIES = 3  # in all, as the policy of the component says
MANIFEST = """
trilby = 1
[app.{shop}]
port = 1
public = "127.0.0.1:0"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "dead"
on_failure = "drop"
function = "undertaker"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "choosy"
dead_letter = "dead"
match = 'event.type == "wanted"'
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "odd"
dead_letter = "dead"
match = "event.id"
function = "event"
[[app.{shop}.route]]
path = "/trap"
function = "trap"
{routes}
[function.event]
module = "{guests}/event.wasm"
[function.trap]
module = "{guests}/unreachable.wasm"
[function.undertaker]
module = "{guests}/event.wasm"
"""
ROUTE = """
[[app.{shop}.route]]
method = "POST"
path = "/{name}"
text = '{text}'
"""
# What is answered, by name: with how often the event comes then, and whether it ends in the dead letter topic.
ANSWERS = {
    "nothing": ("", 1, False),
    "no-json": ("thank you", 1, False),
    "no-status": ("{}", 1, False),
    "success": ('{"status":"SUCCESS"}', 1, False),
    "retry": ('{"status":"RETRY"}', TRIES, True),
    "drop": ('{"status":"DROP"}', 1, True),
    "unknown": ('{"status":"PERHAPS"}', TRIES, True),
    "not-found": (None, 1, True),
    "trap": (None, TRIES, True),  # 500
}
# The same of events that come in bulk; the second is of each entry.
IN_BULK = {
    "bulk-nothing": ("", TRIES, True),
    "bulk-no-entry": ('{"statuses":[]}', TRIES, True),
    "bulk-not-found": (None, 1, False),  # unlike an event that comes alone: daprd 1.18.1 drops them for good
}
POLICIES = {
    "apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": "policies"},
    "spec": {"policies": {"retries": {"twice": {"policy": "constant", "duration": "50ms", "maxRetries": TRIES - 1}}},
             "targets": {"components": {"broker": {"inbound": {"retry": "twice"}}}}},
}


def subscription(topic, path, dead_letter, in_bulk=False):
    spec = {"pubsubname": "broker", "topic": topic, "routes": {"default": path}}
    if dead_letter:
        spec["deadLetterTopic"] = "dead"
    if in_bulk:
        spec["bulkSubscribe"] = {"enabled": True, "maxMessagesCount": 10, "maxAwaitDurationMs": 200}
    return json.dumps({"apiVersion": "dapr.io/v2alpha1", "kind": "Subscription", "metadata": {"name": topic}, "spec": spec})


@pytest.fixture(scope="module")
def shop(system_class, sidecar_class, guests, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("deliveries")
    texts = {name: text for name, (text, *_) in (ANSWERS | IN_BULK).items() if text is not None}
    routes = "".join(ROUTE.format(shop=SHOP, name=name, text=text) for name, text in texts.items())
    (scratch / "trilby.toml").write_text(MANIFEST.format(shop=SHOP, guests=guests, routes=routes))
    with contextlib.ExitStack() as started:
        redis = Redis(scratch)
        started.callback(redis.stop)
        topics = {f"{name}{end}": subscription(f"{name}{end}", f"/{name}", dead_letter=not end, in_bulk=name in IN_BULK)
                  for name in ANSWERS | IN_BULK for end in ("", "-alone")}
        write_resources(scratch / "resources", topics | {
            "broker": component("broker", "pubsub.redis", redisHost=redis.address, concurrency="4", poolSize="100"), "policies": json.dumps(POLICIES)})
        trilby = system_class(scratch / "trilby.toml", scratch, ["--port", f"{SHOP}.public=0"], env={"TRILBY_LOG_FORMAT": "json"})
        started.callback(stop_well, trilby)
        sidecar = sidecar_class(SHOP, trilby.ready["apps"][SHOP]["channel"].rpartition(":")[2], scratch / "resources", scratch)
        started.callback(sidecar.stop)
        yield World(trilby, sidecar, redis, None, scratch, scratch / "resources", "http", SHOP)


def buried(shop, event_id):
    return [event for event in shop.events() if event.function == "undertaker" and event.variables.get("CE_ID") == event_id]


def deliver(shop, topic, path, times=1):
    """Publishes an event and waits until it was brought so many times and the broker has nothing more of it. Returns how often it was brought, and
    whether it ended in the dead letter topic."""
    event_id = f"of-{topic}"
    before = len(shop.requests(path))
    shop.sidecar.publish("broker", topic, f"trap {topic}", "text/plain", cloudevent__id=event_id)
    shop.wait_for_requests(path, before + times)
    settle(shop, topic)
    return len(shop.requests(path)) - before, bool(buried(shop, event_id))


def settle(shop, topic):
    """Waits until the topic has nothing more, and what came of it is in the log."""
    shop.acknowledged(topic)
    marker = f"after {topic} {time.monotonic()}"
    shop.sidecar.publish("broker", "dead", marker, "text/plain")
    shop.wait_for_event(marker)
    shop.acknowledged("dead")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_sidecar_reads_an_answer(shop, name):
    _, times, dead = ANSWERS[name]
    assert deliver(shop, name, f"/{name}", times) == (times, dead)
    assert deliver(shop, f"{name}-alone", f"/{name}", times) == (times, False)


@pytest.mark.parametrize("name", IN_BULK)
def test_a_sidecar_reads_an_answer_to_events_in_bulk(shop, name):
    """What says nothing of an entry is RETRY, where it would be SUCCESS for an event that comes alone."""
    _, times, dead = IN_BULK[name]
    assert deliver(shop, name, f"/{name}", times) == (times, dead)
    assert deliver(shop, f"{name}-alone", f"/{name}", times) == (times, False)


def test_a_rule_that_no_event_matches_drops_it(shop):
    shop.sidecar.publish("broker", "choosy", "unwanted", "text/plain", cloudevent__id="unwanted")
    shop.wait_for_events(lambda event: event.function == "undertaker" and event.data == b"unwanted")
    shop.sidecar.publish("broker", "choosy", "wanted", "text/plain", cloudevent__type="wanted")
    shop.wait_for_event("wanted", CE_TOPIC="choosy")
    assert not [event for event in shop.events() if event.function == "event" and event.data == b"unwanted"]


def test_a_rule_that_is_no_condition_is_a_failure(shop):
    shop.sidecar.publish("broker", "odd", "odd", "text/plain", cloudevent__id="odd")
    shop.wait_for_events(lambda event: event.function == "undertaker" and event.data == b"odd")
    assert not [event for event in shop.events() if event.function == "event" and event.data == b"odd"]


def in_dead_letter_topic(shop, text):
    """Whether the broker has that there; a sidecar brings no such event of any topic, and so not of that one either."""
    return any(text in str(entry) for entry in shop.redis.ask("XRANGE", "dead", "-", "+"))


@pytest.mark.parametrize("event", [
    "no event at all",
    json.dumps({"specversion": "1.0", "id": "old", "source": "s", "type": "wanted", "expiration": "2020-01-01T00:00:00Z", "data": "an event of old"}),
], ids=["unreadable", "expired"])
def test_what_is_no_event_or_none_any_more_goes_to_the_dead_letter_topic(shop, event):
    """As whoever writes to the broker without a sidecar may leave it there."""
    shop.redis.ask("XADD", "choosy", "*", "data", event)
    told = "an event of old" if "old" in event else event
    shop.sidecar.wait_until(lambda: in_dead_letter_topic(shop, told), "a dead letter")
    settle(shop, "choosy")
    assert not [one for one in shop.events() if one.function == "event" and told.encode() in one.data]


def test_one_rule_that_is_none_takes_all_subscriptions_away(shop, system_class, sidecar_class, guests, tmp_path):
    """`match` is the sidecar's to read; Trilby hands it on."""
    manifest = tmp_path / "trilby.toml"
    manifest.write_text(MANIFEST.format(shop=SHOP, guests=guests, routes="").replace("event.type ==", "event.type === "))
    trilby = system_class(manifest, tmp_path, ["--port", f"{SHOP}.public=0"])
    try:
        sidecar = sidecar_class(SHOP, trilby.ready["apps"][SHOP]["channel"].rpartition(":")[2], shop.resources, tmp_path)
        try:
            sidecar.wait_until(lambda: sidecar.has_said("no subscriptions"), "the error")
            assert "PROGRAMMATIC" not in json.dumps(sidecar.metadata().get("subscriptions", []))
        finally:
            sidecar.stop()
    finally:
        stop_well(trilby)
