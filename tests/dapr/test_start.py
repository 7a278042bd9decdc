"""What the sidecar asks the app when it starts, and what it makes of the answers."""

import httpx
import pytest
from sidecar import component
from world import SHOP, TOKEN

over_http = pytest.mark.parametrize("world", ["http"], indirect=True)


def test_the_app_is_asked_for_its_topics(world):
    """Over gRPC by another name; the log has one for both."""
    assert world.wait_for_requests("/dapr/subscribe", status=200)


@over_http
def test_the_app_is_asked_for_its_configuration(world):
    """Over gRPC an app that hosts actors says so by itself."""
    assert world.wait_for_requests("/dapr/config", status=200)


def test_the_topics_are_those_of_the_manifest(world):
    subscriptions = {(one["pubsubname"], one["topic"]): one for one in world.sidecar.metadata()["subscriptions"]}
    routed = subscriptions["broker", "routed"]
    assert routed["type"] == "PROGRAMMATIC"
    assert routed["rules"] == [
        {"match": 'event.type == "special"', "path": "/dapr/topic/broker/routed/special"},
        {"path": "/dapr/topic/broker/routed/event"},
    ]
    assert subscriptions["broker", "with-dead-letter"]["deadLetterTopic"] == "dead"
    assert subscriptions["broker", "raw"]["metadata"] == {"rawPayload": "true"}
    assert subscriptions["broker", "by-hand"]["type"] == "DECLARATIVE"


def test_the_app_is_probed(world):
    world.wait_for_requests("/healthz", count=2, status=200)


@over_http
def test_the_health_probe_carries_no_token_and_needs_none(world):
    assert httpx.get(world.channel + "/healthz").status_code == 200
    properties = world.sidecar.metadata()["appConnectionProperties"]
    assert properties["health"]["healthCheckPath"] == "/healthz"


@over_http
def test_everything_else_on_the_app_channel_needs_the_token(world):
    for method, path in (("GET", "/dapr/config"), ("GET", "/dapr/subscribe"), ("POST", "/dapr/topic/broker/plain/event"),
                         ("OPTIONS", "/every-second"), ("POST", "/every-second"), ("POST", "/job/report"),
                         ("POST", "/configuration/settings/a"), ("POST", "/echo"), ("GET", "/text")):
        for headers in ({}, {"dapr-api-token": TOKEN + "x"}):
            answer = httpx.request(method, world.channel + path, headers=headers)
            assert (answer.status_code, answer.headers["trilby-reason"]) == (401, "unauthorized"), path


def test_the_public_address_knows_routes_and_nothing_of_dapr(world):
    assert httpx.get(world.public + "/text").text == "a text"
    for headers in ({}, {"dapr-api-token": TOKEN}):
        for method, path in (("GET", "/healthz"), ("GET", "/dapr/config"), ("GET", "/dapr/subscribe"),
                             ("POST", "/dapr/topic/broker/plain/event"), ("OPTIONS", "/every-second"), ("POST", "/every-second"),
                             ("POST", "/job/report"), ("POST", "/configuration/settings/a")):
            assert httpx.request(method, world.public + path, headers=headers).status_code == 404, path


@over_http
def test_a_sidecar_without_the_token_is_told_nothing(world, sidecar_class, tmp_path):
    """daprd logs the 401 of /dapr/subscribe as an error and goes on without topics."""
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/broker.yaml").write_text(component("broker", "pubsub.redis", redisHost=world.redis.address))
    sidecar = sidecar_class("stranger", world.channel.rpartition(":")[2], tmp_path / "resources", tmp_path, app_token="wrong")
    try:
        assert "subscriptions" not in sidecar.metadata()
        assert world.wait_for_requests("/dapr/subscribe", reason="unauthorized")
    finally:
        sidecar.stop()


def test_another_app_cannot_forge_events(world, sidecar_class, tmp_path):
    """Service invocation reaches routes only: what another app asks for carries its app-id, events do not."""
    (tmp_path / "resources").mkdir()
    sidecar = sidecar_class("forger", None, tmp_path / "resources", tmp_path)
    try:
        sidecar.wait_until_it_finds(SHOP)
        assert sidecar.invoke(SHOP, "echo", content=b"over two sidecars").content == b"over two sidecars"
        forged = '{"id":"forged","specversion":"1.0","type":"t","source":"s","data":"forged"}'
        for path in ("dapr/topic/broker/plain/event", "dapr/topic/unknown", "every-second", "job/report", "configuration/settings/a"):
            answer = sidecar.invoke(SHOP, path, content=forged, headers={"content-type": "application/cloudevents+json"})
            assert answer.status_code == 404, path
        for path in ("dapr/config", "dapr/subscribe"):
            assert sidecar.invoke(SHOP, path, "GET").status_code == 404, path
        assert not [event for event in world.events() if b"forged" in event.data]
    finally:
        sidecar.stop()


def test_invocation_reaches_the_routes(world):
    answer = world.sidecar.invoke(SHOP, "echo?a=b", content=b"hello")
    assert (answer.status_code, answer.content, answer.headers["trilby-reason"]) == (200, b"hello", "ok")
    assert world.sidecar.invoke(SHOP, "text", "GET").text == "a text"
    assert world.sidecar.invoke(SHOP, "none", "GET").status_code == 404
    world.wait_for_requests("/none", method="GET", status=404)


@over_http
def test_a_failed_invocation_is_answered_as_the_app_does(world):
    failed = world.sidecar.invoke(SHOP, "echo", content=b"bad: no good")
    assert (failed.status_code, failed.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("world", ["grpc"], indirect=True)
def test_over_grpc_a_failed_invocation_is_answered_with_the_status_of_its_code(world):
    for data, status in (("bad: no good", 400), ("trap", 500), ("well", 200)):
        answer = world.sidecar.invoke(SHOP, "echo", content=data)
        assert answer.status_code == status, answer.text
    assert answer.text == "well"
