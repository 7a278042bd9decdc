"""What a sidecar does with an app over HTTP, whatever the app is: what it sends, what it passes on, how much at a time, and when it stops.

A tap between the sidecar and Trilby keeps what the sidecar sends.
"""

import contextlib
import http.server
import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest
from forwarder import Tap
from images import own
from sidecar import PROBES, Redis, component, free_ports, write_resources
from test_grpc import invocation, message
from world import World, stop_well

TOKEN = "app-token-of-the-channel"
MANIFEST = """
trilby = 1
[app.{shop}]
port = 1
public = "127.0.0.1:0"
sidecar = {{ http = {sidecar} }}
[[app.{shop}.route]]
path = "/sleep"
function = "sleep"
[[app.{shop}.route]]
path = "/told/*"
function = "told"
[[app.{shop}.route]]
path = "/large"
files = "{scratch}/large"
[[app.{shop}.route]]
path = "/relay"
invoke = "{source}/ticks"
[[app.{shop}.route]]
path = "/echo"
function = "echo"
[[app.{shop}.route]]
method = "POST"
path = "/only-post"
text = "posted"
[[app.{shop}.route]]
method = "POST"
path = "/reply"
text = '{{"storeName": "store", "state": [{{"key": "of-a-binding", "value": 1}}], "to": ["elsewhere"], "data": 1}}'
[[app.{shop}.topic]]
pubsub = "broker"
topic = "plain"
function = "event"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "naps"
function = "sleep"
[function.sleep]
module = "{guests}/sleep.wasm"
limits.wall = "30s"
[function.told]
module = "{guests}/env.wasm"
output = "cgi"
[function.echo]
module = "{guests}/echo.wasm"
[function.event]
module = "{guests}/event.wasm"
"""
SHOP, CALLER, SOURCE, FLAPPY = map(own, ("shop", "caller", "source", "flappy"))
EVENT_PATH, NAP_PATH = "/dapr/topic/broker/plain/event", "/dapr/topic/broker/naps/sleep"
CGI = b"Content-Type: text/plain\n\n"
LARGE = 9 << 20  # more than a sidecar takes of a request


def nanoseconds(seconds):
    return int(seconds * 1e9).to_bytes(8, "little")


class Channel(World):
    """Trilby, a tap before it, and a sidecar before that."""

    def __init__(self, tap, *parts):
        super().__init__(*parts)
        self.tap = tap

    def wait_for_heard(self, path, condition=lambda request: True):
        """A request that the sidecar sent for a path."""
        return self.trilby_waits(lambda: [request for request in self.tap.requests(path) if condition(request)], 20)[-1]

    def live_calls(self):
        return self.metric("trilby_calls_live")

    def cancelled(self):
        return [line for line in self.lines() if line.get("reason") == "cancelled"]

    def invoke(self, *words, **more):
        return self.sidecar.invoke(SHOP, *words, **more)


def wait_until_well(sidecar):
    """A sidecar that probes its app is ready before it has; until then it passes nothing on."""
    sidecar.wait_until(lambda: sidecar.has_said("app is well"), "the first good probe")


@pytest.fixture(scope="module")
def channel(system_class, sidecar_class, guests, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("channel")
    (http_port,) = free_ports(1)
    (scratch / "large").write_bytes(bytes(range(256)) * (LARGE // 256))
    (scratch / "trilby.toml").write_text(MANIFEST.format(shop=SHOP, source=SOURCE, sidecar=http_port, guests=guests, scratch=scratch))
    with contextlib.ExitStack() as started:
        redis = Redis(scratch)
        started.callback(redis.stop)
        write_resources(scratch / "resources", {"broker": component(
            "broker", "pubsub.redis", redisHost=redis.address, processingTimeout="6000", redeliverInterval="1000")})
        trilby = system_class(scratch / "trilby.toml", scratch, ["--port", f"{SHOP}.public=0"],
                              env={"APP_API_TOKEN": TOKEN, "TRILBY_LOG_FORMAT": "json"})
        started.callback(stop_well, trilby)
        tap = Tap(int(trilby.ready["apps"][SHOP]["channel"].rpartition(":")[2]))
        started.callback(tap.close)
        sidecar = sidecar_class(SHOP, tap.port, scratch / "resources", scratch, app_token=TOKEN, http_port=http_port, options=PROBES)
        started.callback(sidecar.stop)
        wait_until_well(sidecar)
        yield Channel(tap, trilby, sidecar, redis, None, scratch, scratch / "resources", "http", SHOP)


@pytest.fixture
def another(channel, sidecar_class, tmp_path):
    """Starts one more sidecar: before Trilby, with a tap of its own; before another app; or without any."""
    with contextlib.ExitStack() as started:
        def start(app_id, *options, before_app=False, app_port=None, resources=None, broker=False, held=None):
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            write_resources(folder / "resources", (resources or {}) | (
                {"broker": (channel.resources / "broker.yaml").read_text()} if broker else {}))
            tap = None
            if before_app:
                tap = Tap(int(channel.channel.rpartition(":")[2]), held)
                started.callback(tap.close)
            sidecar = sidecar_class(app_id, tap.port if tap else app_port, folder / "resources", folder, app_token=TOKEN if tap else None,
                                    options=options)
            started.callback(lambda: sidecar.process.poll() is None and sidecar.stop())
            sidecar.tap, sidecar.resources = tap, folder / "resources"
            if "--enable-app-health-check" in options:
                wait_until_well(sidecar)
            if app_id == CALLER:
                sidecar.wait_until_it_finds(SHOP)
            return sidecar

        yield start


# ---- What it sends


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_verb_and_a_query_arrive(channel, verb):
    answer = channel.invoke(f"told/by-{verb}?a=%20b&a=c", verb, content=CGI)
    assert answer.status_code == 200, answer.text
    told = dict(pair.split("=", 1) for pair in answer.text.split("\0")[:-1])
    assert (told["REQUEST_METHOD"], told["PATH_INFO"], told["QUERY_STRING"]) == (verb, f"/by-{verb}", "a=%20b&a=c")


@pytest.mark.parametrize("path", ["a/b/..%2F../echo", "//echo", "echo/"])
def test_a_path_is_cleaned(channel, path):
    """A slash at its end goes as well."""
    assert channel.invoke(path, content=b"cleaned").content == b"cleaned"


@pytest.mark.parametrize("path", ["echo%23x", "echo%3Fx", "echo%00x", "echo%0Ax"])
def test_a_path_that_could_mean_something_else_does_not_arrive(channel, path):
    """The caller is told 500, though it is its own fault."""
    before = len(channel.tap.requests())
    answer = channel.invoke(path, content=b"x")
    assert answer.status_code == 500 and "rpc error: code = InvalidArgument desc = invalid method: method contains" in answer.text, answer.text
    assert not [request for request in channel.tap.requests()[before:] if "echo" in request.path]


def test_every_call_carries_the_token_but_the_probe(channel):
    channel.invoke("echo", content=b"x")
    channel.sidecar.publish("broker", "plain", "with the token", "text/plain")
    channel.wait_for_event("with the token")
    channel.wait_for_heard("/healthz")
    requests = channel.tap.requests()
    assert {request.path for request in requests} >= {"/healthz", "/dapr/config", "/dapr/subscribe", "/echo", EVENT_PATH}
    for request in requests:
        assert request.field("dapr-api-token") == (None if request.path == "/healthz" else TOKEN), request.path


def test_invocations_and_events_are_part_of_a_trace(channel):
    """What a sidecar asks on its own account is not."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    channel.invoke("echo?traced", content=b"x", headers={"traceparent": trace, "baggage": "a=b"})
    channel.sidecar.publish("broker", "plain", "traced", "text/plain")
    channel.wait_for_event("traced")
    heard = channel.wait_for_heard("/echo?traced")
    assert heard.field("traceparent")[:36] == trace[:36]
    assert heard.field("baggage") == "a=b"
    for request in channel.tap.requests():
        assert bool(request.field("traceparent")) == (request.path not in ("/healthz", "/dapr/config", "/dapr/subscribe")), request.path


def test_fields_of_the_connection_are_not_passed_on(channel):
    """Those that `Connection` names, too. Answers come in chunks: their length is not passed on either."""
    hop = {"connection": "keep-alive, x-hop", "x-hop": "1", "keep-alive": "timeout=5", "te": "trailers", "proxy-authorization": "Basic eDp5",
           "proxy-connection": "keep-alive", "trailer": "x-late"}
    answer = channel.invoke("echo?hops", content=b"x", headers=hop | {"x-kept": "2"})
    heard = channel.wait_for_heard("/echo?hops")
    assert heard.field("x-kept") == "2"
    assert not [name for name, _ in heard.fields if name in hop]
    assert answer.content == b"x" and answer.headers["transfer-encoding"] == "chunked"
    assert not {"content-length", "connection", "keep-alive"} & set(answer.headers)


def test_a_sidecar_says_whose_it_is_when_it_asks(channel):
    for path in ("/dapr/config", "/dapr/subscribe"):
        assert channel.wait_for_heard(path).field("dapr-app-id") == SHOP


def test_a_sidecar_may_be_told_not_to_ask(channel, another):
    asked = another(FLAPPY, before_app=True, broker=True)
    asked.wait_until(lambda: asked.tap.requests("/dapr/config") and asked.tap.requests("/dapr/subscribe"), "questions")
    silent = another(FLAPPY, "--disable-init-endpoints", "config,subscribe", before_app=True, broker=True)
    assert silent.invoke(FLAPPY, "echo?silent", content=b"x").content == b"x"
    assert {request.path for request in silent.tap.requests()} == {"/echo?silent"}


def test_a_call_of_another_app_says_whose_it_is(channel, another):
    """What an app asks of itself does not. Which app is asked for is not passed on, however it was said."""
    caller = another(CALLER)
    assert caller.invoke(SHOP, "echo?by-path", content=b"x").content == b"x"
    root = caller.url.removesuffix("/v1.0")
    assert httpx.post(f"{root}/echo?by-field", content=b"x", headers={"dapr-app-id": SHOP}, timeout=20).content == b"x"
    for path in ("/echo?by-path", "/echo?by-field"):
        heard = channel.wait_for_heard(path)
        assert (heard.field("dapr-caller-app-id"), heard.field("dapr-callee-app-id")) == (CALLER, SHOP)
        assert heard.field("dapr-caller-namespace") == "default"
        assert heard.field("x-forwarded-for") and heard.field("x-forwarded-host") and "for=" in heard.field("forwarded")
        assert heard.field("dapr-app-id") is heard.field("destination-app-id") is None
    channel.invoke("echo?by-itself", content=b"x")
    assert not {"dapr-caller-app-id", "x-forwarded-for"} & {name for name, _ in channel.wait_for_heard("/echo?by-itself").fields}


def test_a_caller_over_grpc_has_its_metadata_passed_on_as_fields(channel):
    """But for what are bytes; what is gRPC's own has another name."""
    request = message((1, SHOP), (3, invocation("told/by-grpc", CGI)))
    metadata = [("x-kept", "1"), ("x-bytes-bin", b"\1"), ("grpc-previous-rpc-attempts", "0")]
    with grpc.insecure_channel(channel.sidecar.grpc_address) as client:
        answer = client.unary_unary("/dapr.proto.runtime.v1.Dapr/InvokeService")(request, metadata=metadata, timeout=20)
    assert b"PATH_INFO=/by-grpc" in answer
    heard = channel.wait_for_heard("/told/by-grpc")
    assert heard.field("x-kept") == "1"
    assert not [name for name, _ in heard.fields if name.endswith("-bin") or name.startswith((":", "grpc-"))]
    assert heard.field("dapr-authority")


# ---- What it passes on


def test_a_redirect_is_the_callers_affair(channel):
    answer = channel.invoke("told/elsewhere", content=b"Location: /echo\n" + CGI)
    assert (answer.status_code, answer.headers.get("location")) == (302, "/echo"), answer.headers


def test_a_large_answer_comes_whole(channel):
    assert channel.invoke("large", "GET").content == (channel.scratch / "large").read_bytes()


def test_an_answer_with_a_long_head_is_refused(channel):
    """Of more than --read-buffer-size, 4 KiB."""
    for length, status in ((3000, 200), (9000, 500)):
        answer = channel.invoke("told/long", content=b"X-Long: " + b"x" * length + b"\n" + CGI)
        assert answer.status_code == status, answer.text


def test_what_stands_before_the_app_stands_before_every_call(channel, another, tmp_path):
    """A middleware of the app's pipeline, here one that writes bodies in capitals."""
    kind = "middleware.http.uppercase"
    (tmp_path / "configuration.yaml").write_text(json.dumps({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "loud"},
        "spec": {"appHttpPipeline": {"handlers": [{"name": "loud", "type": kind}]}}}))
    sidecar = another(FLAPPY, "--config", str(tmp_path / "configuration.yaml"), before_app=True, resources={"loud": component("loud", kind)})
    assert sidecar.invoke(FLAPPY, "echo", content=b"quiet").content == b"QUIET"


def test_a_body_that_comes_in_chunks_arrives_whole(channel, another):
    pieces = [b"one", b"two" * 9000, b"three"]
    for sidecar in (channel.sidecar, another(CALLER)):
        assert sidecar.invoke(SHOP, "echo", content=iter(pieces)).content == b"".join(pieces)


def test_events_of_a_stream_arrive_as_they_are_sent(channel, another):
    """From an app of somebody else's, through its sidecar, the caller's, Trilby, and the sidecar again."""
    go_on = threading.Event()

    class Ticks(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            if self.path == "/ticks":
                for data in (b"data: first\n\n", b"data: second\n\n"):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                    go_on.wait(20)
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ticks) as source:
        threading.Thread(target=source.serve_forever, daemon=True).start()
        try:
            another(SOURCE, app_port=source.server_port)
            channel.sidecar.wait_until_it_finds(SOURCE)
            url = f"{channel.sidecar.url}/invoke/{SHOP}/method/relay"
            with httpx.stream("GET", url, headers={"accept": "text/event-stream"}, timeout=60) as answer:
                assert answer.status_code == 200, answer.read()
                events = answer.iter_text()
                assert next(events) == "data: first\n\n"
                assert not go_on.is_set()
                go_on.set()
                assert "".join(events) == "data: second\n\n"
        finally:
            go_on.set()
            source.shutdown()


# ---- How much at a time


def test_at_most_so_many_calls_at_a_time_and_the_rest_waits(channel, another):
    """The probe is no such call."""
    sidecar = another(SHOP, "--app-max-concurrency", "2", *PROBES, before_app=True)
    calls, most = 5, 0
    with ThreadPoolExecutor(calls) as pool:
        answers = [pool.submit(sidecar.invoke, SHOP, "sleep?crowd", content=nanoseconds(1), timeout=60) for _ in range(calls)]
        while not all(answer.done() for answer in answers):
            if (live := channel.live_calls()) > most:
                most, probes = live, len(sidecar.tap.requests("/healthz"))
            time.sleep(0.01)
        assert [answer.result().text for answer in answers] == ["awake"] * calls
    assert most == 2
    assert len(sidecar.tap.requests("/healthz")) > probes


# ---- When it stops


@pytest.mark.parametrize("sidecars", [1, 2])
def test_a_caller_that_leaves_stops_the_guest(channel, another, sidecars):
    sidecar = channel.sidecar if sidecars == 1 else another(CALLER)
    before = len(channel.cancelled())
    port = httpx.URL(sidecar.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        body = nanoseconds(25)
        caller.sendall(b"POST /v1.0/invoke/%s/method/sleep HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n" % SHOP.encode() + body)
        channel.trilby_waits(lambda: channel.live_calls() == 1, 20)
    channel.trilby_waits(lambda: len(channel.cancelled()) > before and channel.live_calls() == 0, 20)


def test_a_policys_timeout_of_an_invocation_stops_the_guest(channel, another):
    """It is the caller's sidecar that has the policy."""
    policies = {"apiVersion": "dapr.io/v1alpha1", "kind": "Resiliency", "metadata": {"name": "policies"},
                "spec": {"policies": {"timeouts": {"short": "500ms"}}, "targets": {"apps": {SHOP: {"timeout": "short"}}}}}
    caller = another(CALLER, resources={"policies": json.dumps(policies)})
    before = len(channel.cancelled())

    def was_cancelled():  # on a busy machine the time may be over before the guest is reached
        answer = caller.invoke(SHOP, "sleep", content=nanoseconds(25))
        assert answer.status_code == 500, answer.text
        return len(channel.cancelled()) > before

    channel.trilby_waits(was_cancelled, 20)
    channel.trilby_waits(lambda: channel.live_calls() == 0, 20)


def test_an_app_that_is_not_well_is_brought_nothing_until_it_is_well_again(channel, another):
    """Its worker stands still, so that probes are not answered in time. daprd 1.18.1 remembers what the app subscribed to, and does not ask again. What
    is published just then may be read by a subscription that has stopped: it is brought when the component's processingTimeout is over."""
    sidecar = another(FLAPPY, *PROBES, "--app-health-threshold", "1", before_app=True, broker=True)
    os.kill(channel.trilby.ready["worker"], signal.SIGSTOP)
    probes = len(sidecar.tap.requests("/healthz"))

    def is_unwell():  # since the stop, and not for a probe that was late before
        return len(sidecar.tap.requests("/healthz")) >= probes + 2 and sidecar.has_said_last("app is unwell", "app is well")

    try:
        sidecar.wait_until(is_unwell, "the unhealthy edge")
        heard = len(sidecar.tap.requests(EVENT_PATH))
        sidecar.publish("broker", "plain", "when it is well", "text/plain")
        answer = sidecar.invoke(FLAPPY, "echo", content=b"x")
        assert answer.status_code == 500 and "app is not in a healthy state" in answer.text, answer.text
        probes = len(sidecar.tap.requests("/healthz"))
        sidecar.wait_until(lambda: len(sidecar.tap.requests("/healthz")) > probes, "another probe")
        assert len(sidecar.tap.requests(EVENT_PATH)) == heard
    finally:
        os.kill(channel.trilby.ready["worker"], signal.SIGCONT)
    sidecar.wait_until(lambda: len(sidecar.tap.requests(EVENT_PATH)) > heard, "the event")
    sidecar.wait_until(lambda: channel.redis.pending("plain", FLAPPY) == 0, "its acknowledgement")
    assert len(sidecar.tap.requests("/dapr/subscribe")) == 1


def test_a_sidecar_that_stops_lets_an_event_end(channel, another):
    sidecar = another(FLAPPY, "--dapr-graceful-shutdown-seconds", "15", before_app=True, broker=True)
    sidecar.publish("broker", "naps", nanoseconds(4), "application/octet-stream")
    sidecar.wait_until(lambda: sidecar.tap.requests(NAP_PATH) and channel.redis.pending("naps", FLAPPY) == 1, "the event")
    assert sidecar.stop() == 0
    assert channel.redis.pending("naps", FLAPPY) == 0, "and acknowledges it"


def test_a_sidecar_may_serve_for_a_while_before_it_stops(channel, another):
    sidecar = another(FLAPPY, "--dapr-block-shutdown-duration", "5m", before_app=True, broker=True)
    sidecar.process.send_signal(signal.SIGTERM)
    sidecar.wait_until(lambda: sidecar.has_said("stops later"), "the stop")
    sidecar.publish("broker", "plain", "nobody brings that now", "text/plain")
    channel.wait_for_event("nobody brings that now")  # but the other sidecar
    assert sidecar.invoke(FLAPPY, "echo", content=b"still there").content == b"still there"
    assert not sidecar.tap.requests(EVENT_PATH)
    sidecar.kill()


def test_a_sidecar_that_begins_anew_asks_anew(channel, another):
    """SIGHUP."""
    sidecar = another(SHOP, before_app=True)
    sidecar.process.send_signal(signal.SIGHUP)
    sidecar.wait_until(lambda: len(sidecar.tap.requests("/dapr/config")) == 2, "another question")


def test_a_component_that_comes_later_is_taken_up(channel, another):
    """Whoever writes a file needs no restart."""
    sidecar = another(FLAPPY, before_app=True)
    (sidecar.resources / "late.yaml").write_text(cron("late", direction="input", route="/reply"))
    sidecar.wait_until(lambda: [request for request in sidecar.tap.requests("/reply") if request.method == "POST"], "an event")


# ---- Input bindings


def cron(name, **more):
    return component(name, "bindings.cron", schedule="@every 1s", **more)


def test_a_route_of_a_bindings_name_is_no_binding(channel, another):
    """One that takes POST alone would answer OPTIONS with 405, which means yes: Trilby says 404."""
    sidecar = another(FLAPPY, before_app=True, resources={"only-post": cron("only-post")})
    sidecar.wait_until(lambda: sidecar.has_said("binding is declined", "only-post"), "the answer")


def test_a_question_that_is_not_answered_is_given_up(channel, another):
    sidecar = another(FLAPPY, before_app=True, held=b"OPTIONS", resources={"slow": cron("slow")})
    sidecar.wait_until(lambda: sidecar.has_said("binding is not answered"), "the end of it")
    assert sidecar.invoke(FLAPPY, "echo", content=b"x").content == b"x"


def test_what_a_binding_is_answered_saves_nothing(channel, another):
    """Whatever Dapr's documentation says of `storeName`, `state` and `to`: over HTTP none of that is read."""
    sidecar = another(FLAPPY, before_app=True, resources={
        "reply": cron("reply", direction="input", route="/reply"), "store": component("store", "state.redis", redisHost=channel.redis.address)})
    sidecar.wait_until(lambda: len(sidecar.tap.requests("/reply")) >= 2, "events")
    assert channel.redis.ask("KEYS", "*of-a-binding*") == []
