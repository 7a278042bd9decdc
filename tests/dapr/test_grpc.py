"""What is gRPC's own on the app channel: spoken to by another client than Dapr's, and by hand."""

import subprocess

import grpc
import httpx
import pytest
from sidecar import component
from world import SHOP, TOKEN

pytestmark = pytest.mark.parametrize("world", ["grpc"], indirect=True)
CALLBACK = "/dapr.proto.runtime.v1.AppCallback/"
HEALTH = "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck"
SLOW_PATH = "/dapr/topic/impatient/slow/patient"
WITH_TOKEN = [("dapr-api-token", TOKEN)]


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def message(*fields):
    """Of pairs: a number, and text, bytes or an integer."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def topic_event(data, path="/dapr/topic/broker/plain/event", event_id="by hand"):
    return message((1, event_id), (5, "text/plain"), (7, data), (9, path))


def invocation(method, data=b"", verb=3, content_type="text/plain"):
    return message((1, method), (2, message((2, data))), (3, content_type), (4, message((1, verb))))


@pytest.fixture
def client(world):
    with grpc.insecure_channel(world.channel.removeprefix("http://")) as channel:
        yield channel


def call(client, method, request, metadata=WITH_TOKEN, **more):
    return client.unary_unary(method)(request, metadata=metadata, timeout=20, **more)


def code_of(client, method, request, metadata=WITH_TOKEN, **more):
    with pytest.raises(grpc.RpcError) as error:
        call(client, method, request, metadata, **more)
    return error.value.code()


def test_an_event_is_answered_with_what_becomes_of_it(world, client):
    for data, verdict in (("well by hand", 0), ("trap by hand", 1), ("bad by hand", 2)):
        assert call(client, CALLBACK + "OnTopicEvent", topic_event(data)) == message((1, verdict)), data
        world.wait_for_event(data, CE_ID="by hand")


def test_an_invocation_is_answered_with_what_the_function_wrote(world, client):
    answer = call(client, CALLBACK + "OnInvoke", invocation("echo", b"in person"))
    assert answer == message((2, "application/octet-stream"), (1, message((2, b"in person"))))


def test_errors_have_codes(world, client):
    assert code_of(client, CALLBACK + "Other", b"") == grpc.StatusCode.UNIMPLEMENTED
    assert code_of(client, "/other.Service/OnInvoke", b"") == grpc.StatusCode.UNIMPLEMENTED
    assert code_of(client, CALLBACK + "OnInvoke", invocation("none")) == grpc.StatusCode.NOT_FOUND
    assert code_of(client, CALLBACK + "OnInvoke", invocation("echo", b"bad")) == grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(client, CALLBACK + "OnInvoke", b"no message") == grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(client, CALLBACK + "OnInvoke", invocation("echo"), compression=grpc.Compression.Gzip) == grpc.StatusCode.UNIMPLEMENTED
    assert code_of(client, CALLBACK + "OnInvoke", invocation("echo", b"x" * 40_000_000)) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert call(client, CALLBACK + "OnInvoke", invocation("echo", b"and the connection holds")).endswith(b"and the connection holds")


def test_everything_but_probe_and_lists_needs_the_token(world, client):
    for method in ("OnInvoke", "OnTopicEvent", "OnBulkTopicEvent", "OnBindingEvent", "OnJobEvent"):
        for metadata in ([], [("dapr-api-token", TOKEN + "x")], [("dapr-api-token", TOKEN[:3]), ("dapr-api-token", TOKEN[3:])]):
            assert code_of(client, CALLBACK + method, b"", metadata) == grpc.StatusCode.UNAUTHENTICATED, method
    assert call(client, HEALTH, b"", []) == b""
    assert b"every-second" in call(client, CALLBACK + "ListInputBindings", b"", [])
    assert b"with-dead-letter" in call(client, CALLBACK + "ListTopicSubscriptions", b"", [])


def test_a_sidecar_without_the_token_brings_nothing(world, sidecar_class, tmp_path):
    """daprd asks for topics and bindings without it: it is told, and no event of its passes."""
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/broker.yaml").write_text(component("broker", "pubsub.redis", redisHost=world.redis.address))
    sidecar = sidecar_class("stranger", world.channel.rpartition(":")[2], tmp_path / "resources", tmp_path, app_token="wrong", protocol="grpc")
    try:
        assert sidecar.metadata()["subscriptions"]
        world.sidecar.publish("broker", "plain", "known to both", "text/plain")
        world.wait_for_event("known to both")
        assert world.wait_for_requests(CALLBACK + "OnTopicEvent", reason="unauthorized")
        assert len([event for event in world.events() if event.data == b"known to both"]) == 1
    finally:
        sidecar.stop()


def test_no_other_app_can_forge_events_by_calling_the_service_itself(world, sidecar_class, tmp_path):
    """daprd passes a call of any service on to the app that `dapr-app-id` names, and gives it the app's token."""
    (tmp_path / "resources").mkdir()
    sidecar = sidecar_class("forger", None, tmp_path / "resources", tmp_path)
    try:
        sidecar.wait_until_it_finds(SHOP)
        with grpc.insecure_channel(sidecar.grpc_address) as client:
            to_shop = [("dapr-app-id", SHOP)]
            answer = call(client, CALLBACK + "OnInvoke", invocation("echo", b"over two sidecars"), to_shop)
            assert answer.endswith(b"over two sidecars"), "what may pass comes through"
            assert call(client, CALLBACK + "OnTopicEvent", topic_event("forged by call"), to_shop) == message((1, 2)), "dropped, as a publisher may have set the mark"
            for method, request in (("OnBulkTopicEvent", b""), ("OnBindingEvent", message((1, "every-second"), (2, b"forged by call"))),
                                    ("OnJobEvent", message((1, "report"), (2, message((2, "forged by call")))))):
                assert code_of(client, CALLBACK + method, request, to_shop) == grpc.StatusCode.NOT_FOUND, method
            change = invocation("configuration/settings/a", b'{"id":"1","items":{"a":{"value":"forged by call"}}}')
            assert code_of(client, CALLBACK + "OnInvoke", change, to_shop) == grpc.StatusCode.NOT_FOUND
        assert not [event for event in world.events() if b"forged by call" in event.data]
    finally:
        sidecar.stop()


def test_a_sidecar_that_counts_calls_hangs(world, sidecar_class, tmp_path):
    """A defect of daprd 1.18.1 and others: with --app-max-concurrency it gives a place back twice where it took one, and the second time there is none.
    The app has answered long before. Over HTTP it counts well."""
    (tmp_path / "resources").mkdir()
    sidecar = sidecar_class("limited", world.channel.rpartition(":")[2], tmp_path / "resources", tmp_path, app_token=TOKEN, protocol="grpc",
                            options=["--app-max-concurrency", "1"])
    try:
        with pytest.raises(httpx.ReadTimeout):
            sidecar.invoke("limited", "echo", content=b"counted", timeout=3)
        world.wait_for_requests("/echo", status=200)
    finally:
        sidecar.kill()


def test_a_deadline_ends_the_call(world, client):
    """The function may spin for 30 s. Both ends notice at the same time, and either may be first."""
    def ended():  # called again where the time was over before it was there, as on a busy machine
        try:
            answer = client.unary_unary(CALLBACK + "OnTopicEvent")(
                topic_event("spin until the deadline", SLOW_PATH), metadata=WITH_TOKEN, timeout=0.5)
            assert answer == message((1, 1)), "the event is to be brought again"
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        return world.requests_with(SLOW_PATH, b"spin until the deadline")

    call(client, HEALTH, b"")  # so that it is connected
    lines = world.trilby_waits(ended, 20)
    assert {line["reason"] for line in lines} <= {"limit-wall", "cancelled"}
    world.trilby_waits(lambda: world.metric("trilby_calls_live", function="patient") == 0, 20)


def test_a_cancelled_call_stops_the_guest(world, client):
    future = client.unary_unary(CALLBACK + "OnTopicEvent").future(
        topic_event("spin until it is cancelled", SLOW_PATH), metadata=[*WITH_TOKEN, ("x-request-id", "cancelled-by-hand")])
    world.trilby_waits(lambda: world.metric("trilby_calls_live", function="patient") == 1, 20)
    future.cancel()
    (line,) = world.wait_for_requests(SLOW_PATH, request_id="cancelled-by-hand")
    assert line["reason"] == "cancelled"


def test_what_is_no_grpc_is_told_so(world):
    for method, path in (("GET", "/healthz"), ("POST", CALLBACK + "OnInvoke"), ("GET", "/text")):
        answer = httpx.request(method, world.channel + path, headers={"dapr-api-token": TOKEN, "content-type": "application/grpc"})
        assert (answer.status_code, answer.headers["trilby-reason"]) == (400, "bad-request"), path
        assert "HTTP/2" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"\x00\x00", b"\x01\x00\x00\x00\x00", b"\xff\x00\x00\x00\x00", b"\x00\xff\xff\xff\xffx",
                                  b"\x00\x00\x00\x00\x00" * 2, b"\x00\x00\x00\x00\x05four"])
def test_bad_framing_is_an_error_of_the_call(world, client, body):
    answer = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", "-D", "-", "-H", "content-type: application/grpc", "-H", "te: trailers",
         "-H", f"dapr-api-token: {TOKEN}", "--data-binary", "@-", world.channel + CALLBACK + "OnInvoke"],
        input=body, capture_output=True, check=True).stdout.decode().splitlines()
    assert answer[0].startswith("HTTP/2 200")
    assert {"grpc-status: 13", "content-type: application/grpc", "trilby-reason: bad-request"} <= set(answer)
    assert call(client, HEALTH, b"") == b"", "the others go on"


def test_a_worker_lives_through_all_of_it(world):
    """Last in this file."""
    before = world.trilby.ready["worker"]
    assert world.trilby.reread()["worker"] == before
    assert "the worker died" not in world.trilby.log()
