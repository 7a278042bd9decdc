"""Delivery of topics' events, one by one and in bulk."""

import json

import pytest
from world import SHOP

RETRY = "the event is to be brought again"
DROP = "the event is dropped"


def path_of(topic, function="event", pubsub="broker"):
    part = "".join(c if c.isalnum() or c in "-_" else f".{ord(c):02X}" for c in topic)
    return f"/dapr/topic/{pubsub}/{part}/{function}"


def test_json_arrives_with_its_attributes(world):
    world.sidecar.publish("broker", "plain", '{"order": 1234567, "text":"caf\u00e9"}')
    event = world.wait_for_events(lambda one: b"1234567" in one.data)[0]
    assert json.loads(event.data) == {"order": 1234567, "text": "caf\u00e9"}
    assert event.variables["CE_DATACONTENTTYPE"] == "application/json"
    assert event.variables["DAPR_TRIGGER"] == "topic"
    assert event.variables["CE_PUBSUBNAME"] == "broker"
    assert event.variables["CE_TOPIC"] == "plain"
    assert event.variables["CE_SOURCE"] == SHOP
    assert event.variables["CE_TYPE"] == "com.dapr.event.sent"
    assert event.variables["CE_SPECVERSION"] == "1.0"
    assert len(event.variables["CE_ID"]) == 36


@pytest.mark.parametrize("world", ["http"], indirect=True)
def test_json_arrives_as_it_is(world):
    """Digit by digit. Over gRPC daprd writes it anew, and numbers are what its doubles can hold."""
    world.sidecar.publish("broker", "plain", '{"order": 12345678901234567890}')
    assert world.wait_for_events(lambda one: b"12345678901234567890" in one.data)


def test_text_and_bytes_arrive_decoded(world):
    world.sidecar.publish("broker", "plain", 'a "text"\nof two lines', "text/plain")
    world.wait_for_event('a "text"\nof two lines', CE_DATACONTENTTYPE="text/plain")
    world.sidecar.publish("broker", "plain", b"\x00\x01\xfe\xff", "application/octet-stream")
    world.wait_for_event(b"\x00\x01\xfe\xff", CE_DATACONTENTTYPE="application/octet-stream")


def test_what_is_no_json_is_a_json_text(world):
    """Dapr makes a text of a body that is not the JSON that its content type says."""
    world.sidecar.publish("broker", "plain", "{no json")
    world.wait_for_event('"{no json"')


def test_an_event_may_be_empty(world):
    """Dapr says nothing of a body that is not there: `data` is an empty text, and of JSON that is \"\"."""
    world.sidecar.publish("broker", "plain", b"", "text/plain", cloudevent__id="empty")
    world.wait_for_event(b"", CE_ID="empty")


def test_no_publisher_keeps_an_event_from_its_trigger(world):
    """What is set as metadata arrives as fields, or as gRPC's metadata: what callers say there of themselves is not heard of a publisher."""
    world.sidecar.publish("broker", "plain", "soon", "text/plain", **{"trilby-timeout": "soon", "trilby-hops": "8", "dapr-api-token": "x"})
    assert world.wait_for_events(lambda one: one.data == b"soon")


def test_attributes_may_be_set_by_the_publisher(world):
    world.sidecar.publish("broker", "plain", "attributed", "text/plain", cloudevent__id="id-7", cloudevent__type="t", cloudevent__source="s")
    world.wait_for_event("attributed", CE_ID="id-7", CE_TYPE="t", CE_SOURCE="s")


def test_a_cloud_event_keeps_what_it_says(world):
    cloud_event = {"specversion": "1.0", "id": "own", "source": "elsewhere", "type": "x", "subject": "a subject", "myextension": 7, "flag": True,
                   "Upper": "not an attribute", "datacontenttype": "text/plain", "data": "own event"}
    world.sidecar.publish("broker", "plain", json.dumps(cloud_event), "application/cloudevents+json")
    event = world.wait_for_event("own event", CE_ID="own", CE_SOURCE="elsewhere", CE_SUBJECT="a subject", CE_MYEXTENSION="7", CE_FLAG="true")
    assert not [name for name in event.variables if "UPPER" in name]


def test_a_raw_subscription_gives_the_bytes(world):
    world.sidecar.publish("broker", "raw", b'{"raw": [1]}\xff', "application/octet-stream", rawPayload="true")
    event = world.wait_for_event(b'{"raw": [1]}\xff', CE_DATACONTENTTYPE="application/octet-stream")
    assert event.variables["CE_TOPIC"] == "raw"


def test_rules_choose_the_function(world):
    world.sidecar.publish("broker", "routed", "one", "text/plain", cloudevent__type="special")
    world.sidecar.publish("broker", "routed", "other", "text/plain")
    assert world.wait_for_event("one").function == "special"
    assert world.wait_for_event("other").function == "event"


def test_a_subscription_may_be_declared_beside_the_manifest(world):
    world.sidecar.publish("broker", "by-hand", "declared", "text/plain")
    world.wait_for_event("declared", CE_TOPIC="by-hand")


def test_what_ends_well_is_not_brought_again(world):
    world.sidecar.publish("broker", "plain", "once", "text/plain")
    world.wait_for_event("once")
    world.acknowledged("plain")
    assert len([event for event in world.events() if event.data == b"once"]) == 1


def test_bad_input_is_dropped(world):
    world.sidecar.publish("broker", "plain", "bad one", "text/plain", cloudevent__id="bad-one")
    world.wait_for_event("bad one")
    world.wait_for_requests(path_of("plain"), reason="bad-input", status=200)
    world.acknowledged("plain")
    assert len([event for event in world.events() if event.data == b"bad one"]) == 1


def test_bad_input_goes_to_the_dead_letter_topic(world):
    world.sidecar.publish("broker", "with-dead-letter", "bad letter", "text/plain")
    assert world.wait_for_events(lambda event: event.function == "undertaker" and event.data == b"bad letter")
    world.acknowledged("with-dead-letter")


@pytest.mark.parametrize(("data", "reason"), [("trap", "trap"), ("fail", "function-failed"), ("spin", "limit-cpu")])
def test_what_fails_is_brought_again(world, data, reason):
    """As often as the inbound policy of the component says: twice more."""
    data = f"{data} again"
    world.sidecar.publish("strict", "retried", data, "text/plain")
    world.wait_for_events(lambda event: event.function == "event" and event.data == data.encode(), count=3)
    lines = world.wait_for_requests(path_of("retried", pubsub="strict"), count=3, reason=reason, status=200)
    assert all(line["detail"].startswith(RETRY) for line in lines)


def test_redis_forgets_what_fails_without_a_policy(world):
    """Dapr says that a broker brings it again. The component of 1.18 (pubsub/redis, processMessage) acknowledges what the app failed at, unless
    its processing time is over: what is to be brought again needs an inbound policy or a dead letter topic."""
    world.sidecar.publish("broker", "plain", "fail once", "text/plain")
    world.wait_for_event("fail once")
    world.wait_for_requests(path_of("plain"), reason="function-failed", status=200)
    world.acknowledged("plain")
    assert len([event for event in world.events() if event.data == b"fail once"]) == 1


def test_a_policy_tries_again_and_then_gives_the_event_to_the_dead_letter_topic(world):
    world.sidecar.publish("strict", "retried", "trap thrice", "text/plain")
    assert world.wait_for_events(lambda event: event.function == "undertaker" and event.data == b"trap thrice")
    assert len([event for event in world.events() if event.function == "event" and event.data == b"trap thrice"]) == 3


def test_a_trigger_may_say_otherwise(world):
    world.sidecar.publish("strict", "contrary", "trap is dropped", "text/plain")
    world.wait_for_event("trap is dropped")
    world.acknowledged("contrary")
    assert len([event for event in world.events() if event.data == b"trap is dropped"]) == 1
    world.sidecar.publish("strict", "contrary", "bad is brought again", "text/plain")
    assert len(world.wait_for_events(lambda event: event.data == b"bad is brought again", count=3)) == 3


def test_a_policys_timeout_cancels_the_guest(world):
    """The connection is closed, and what nobody waits for stops. Over gRPC Trilby is told the time, and may be the first to end the call."""
    ends = {"http": {"cancelled"}, "grpc": {"cancelled", "limit-wall"}}[world.protocol]

    data, buried = b"spin for ever", 0

    def was_cancelled():
        """It is published again where the time was over before the guest was reached, as on a busy machine. What nobody took goes to the dead letters."""
        nonlocal buried
        buried += 1
        world.sidecar.publish("impatient", "slow", data, "text/plain")
        world.wait_for_events(lambda event: event.function == "undertaker" and event.data == data, buried)
        return [one for one in world.requests_with(path_of("slow", "patient", "impatient"), data) if one["reason"] in ends]

    world.trilby_waits(was_cancelled, 20)


def test_events_of_a_topic_that_the_manifest_does_not_have_any_more_are_not_dropped(world):
    """404 would have daprd drop them at once."""
    world.sidecar.publish("strict", "stray", "stray", "text/plain")
    assert len(world.wait_for_requests("/dapr/topic/strict/of-an-earlier-manifest/event", count=3, reason="not-found", status=200)) == 3


def test_many_come_together_and_are_judged_one_by_one(world):
    events = [f"number {i}" for i in range(20)] + ["bad number", "trap number"]
    world.sidecar.publish_many("broker", "many", events)
    for data in events:
        world.wait_for_event(data, CE_TOPIC="many")
    lines = world.requests(path_of("many"))
    assert len(lines) < len(events), "they came together"
    assert world.wait_for_events(lambda event: event.function == "undertaker" and event.data == b"bad number")
    for i in range(20):
        assert len([event for event in world.events() if event.data == f"number {i}".encode()]) == 1


def test_an_event_with_more_attributes_than_it_may_have_is_dropped(world):
    cloud_event = {"specversion": "1.0", "id": "wide", "source": "s", "type": "t", "data": "wide"} | {f"a{i}": "x" for i in range(150)}
    world.sidecar.publish("broker", "plain", json.dumps(cloud_event), "application/cloudevents+json")
    world.wait_for_requests(path_of("plain"), reason="head-too-large", status=200)
    world.acknowledged("plain")


def test_the_log_says_what_became_of_an_event(world):
    world.sidecar.publish("broker", "plain", "bad for the log", "text/plain")
    world.wait_for_event("bad for the log")
    line = world.wait_for_requests(path_of("plain"), reason="bad-input")[-1]
    assert line["detail"].startswith(DROP)
    assert line["function"] == "event"
