"""One trace through real sidecars, Trilby, and what its guests ask; sidecars and Trilby export to one receiver, which reads the published schema.
Over both protocols of an app channel."""

import json

import httpx
import pytest
from collector import Collector
from images import own
from sidecar import Redis, component, free_ports, write_resources
from test_guest import ROOT, SUCCESS, compile_c
from world import FAR, World

SHOP_APP, FAR_APP = own("traced-shop"), own("traced-far")

TRILBY, DAPR = "trilby", "dapr"
PARENT = "00f067aa0ba902b7"
SERVICE = "dapr.proto.runtime.v1.AppCallback"
API_TOKEN = "api-token-of-a-trace"
MANIFEST = """
trilby = 1
[observe]
otlp = "{collector}"
[app.{shop}]
port = 1
protocol = "{protocol}"
public = "127.0.0.1:0"
sidecar = {{ http = {port}, timeout = "10s" }}
[[app.{shop}.route]]
path = "/ask"
method = "POST"
function = "ask"
[[app.{shop}.route]]
path = "/filing"
method = "POST"
function = "filing"
[[app.{shop}.topic]]
pubsub = "broker"
topic = "granted"
function = "event"
[function.ask]
module = "{folder}/ask.wasm"
[function.ask.allow.dapr]
invoke = ["{far}/*"]
state = {{ "store/granted-*" = "read-write" }}
[function.filing]
module = "{folder}/ask.wasm"
allow.directories = {{ "/data" = "{folder}/far" }}
[function.filing.allow.dapr]
invoke = ["{far}/*"]
state = {{ "store/granted-*" = "read-write" }}
[function.event]
module = "{guests}/event.wasm"
"""
CONFIGURATION = {"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "traced"}}


class Traced(World):
    """Two apps, each with a sidecar of its own; all four of them export their spans. The one's app channel speaks `protocol`."""

    def __init__(self, system_class, sidecar_class, guests, scratch, redis, collector, protocol):
        self.collector = collector
        resources = scratch / "resources"
        write_resources(resources, {
            "broker": component("broker", "pubsub.redis", redisHost=redis.address),
            "store": component("store", "state.redis", redisHost=redis.address),
        })
        compile_c(ROOT / "tests/dapr/guests/ask.c", scratch)
        (port,) = free_ports(1)
        words = {"port": port, "folder": scratch, "guests": guests, "shop": SHOP_APP, "far": FAR_APP, "collector": collector.url, "protocol": protocol}
        manifest = scratch / "trilby.toml"
        manifest.write_text(MANIFEST.format(**words))
        (scratch / "far").mkdir()
        (scratch / "far/trilby.toml").write_text(FAR.format(**words))
        config = scratch / "config.json"
        config.write_text(json.dumps(CONFIGURATION | {"spec": {"tracing": {
            "samplingRate": "1", "otel": {"endpointAddress": collector.url.removeprefix("http://"), "isSecure": False, "protocol": "http"}}}}))
        environment = {"TRILBY_LOG_FORMAT": "json", "OTEL_METRICS_EXPORTER": "none"}
        trilby = system_class(manifest, scratch, ["--port", f"{SHOP_APP}.public=0"], env={"DAPR_API_TOKEN": API_TOKEN, **environment})
        super().__init__(trilby, None, redis, None, scratch, resources, protocol=protocol, app=SHOP_APP)
        self.far = system_class(scratch / "far/trilby.toml", scratch / "far", env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **environment})
        self.sidecar = sidecar_class(SHOP_APP, self.channel.rpartition(":")[2], resources, scratch, ["--config", config], api_token=API_TOKEN,
                                     http_port=port, protocol=protocol)
        self.far_sidecar = sidecar_class(FAR_APP, self.far.address(FAR_APP)[1], resources, scratch, ["--config", config])
        self.sidecar.wait_until_it_finds(FAR_APP)

    def stop(self):
        for sidecar in (self.sidecar, self.far_sidecar):
            sidecar.stop()
        assert [self.trilby.stop(), self.far.stop()] == [0, 0]

    def served(self, http_name, method):
        """What a span of the app channel is called."""
        return http_name if self.protocol == "http" else f"{SERVICE}/{method}"

    def wait_for_whole(self, trace, names):
        """The spans of a trace, once there are some whose names begin so."""
        return self.collector.wait_for(
            lambda: (spans := self.collector.spans(trace)) and all(any(span.name.startswith(name) for span in spans) for name in names) and spans, 60)

    def wait_for_way_up(self, trace, name, kind):
        """A span of a trace, those above it up to what the caller said, and all of the trace. They come one by one, the sidecars' own later."""
        def whole():
            spans = self.collector.spans(trace)
            found = [(span, above, spans) for span in spans if (span.name, span.kind) == (name, kind) and (above := ancestors(span, spans))]
            return found and found[0][1][-1].parent == PARENT and found[0]

        return self.collector.wait_for(whole, 60)


@pytest.fixture(scope="module", params=["http", "grpc"])
def traced(request, system_class, sidecar_class, guests, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("traced")
    redis = Redis(scratch)
    collector = Collector()
    made = Traced(system_class, sidecar_class, guests, scratch, redis, collector, request.param)
    yield made
    made.stop()
    redis.stop()
    collector.stop()
    assert not [asked for asked in collector.requests if API_TOKEN.encode() in asked.body]


def ancestors(span, spans):
    """From the one above it to the first that was exported."""
    by_id = {one.id: one for one in spans}
    found = []
    while span := by_id.get(span.parent):
        found.append(span)
    return found


def places(spans):
    """Who recorded each, of which app, and what it is."""
    return [(TRILBY if span.resource.get("telemetry.sdk.name") == "trilby" else DAPR, span.service, span.kind, span.name) for span in spans]


def check_rpc(traced, span, method):
    """The conventions of gRPC, where that is spoken."""
    said = {name: value for name, value in span.attributes.items() if name.startswith("rpc.")}
    expected = {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": method, "rpc.grpc.status_code": 0}
    assert said == (expected if traced.protocol == "grpc" else {})
    assert ("http.response.status_code" in span.attributes) == (traced.protocol == "http")


def shown(spans):
    return "\n".join(map(repr, sorted(spans, key=lambda span: span.start)))


def test_one_trace_leads_from_the_caller_to_the_last_app(traced):
    """caller, daprd of shop, Trilby, its guest, daprd of shop, daprd of far, Trilby of far."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4701"
    answer = httpx.post(f"{traced.sidecar.url}/invoke/{SHOP_APP}/method/ask", content=b"\x1f".join([b"invoke", FAR_APP.encode(), b"echo", b"POST", b"text/plain", b"hello"]),
                        headers={"traceparent": f"00-{trace}-{PARENT}-01", "dapr-api-token": API_TOKEN}, timeout=30)
    assert answer.content.split(b"\n")[0].split()[0] == str(SUCCESS).encode(), answer.content

    _, above, spans = traced.wait_for_way_up(trace, "event", "internal")
    # The sidecars' own spans stand between.
    assert places(above) == [
        (TRILBY, FAR_APP, "server", "/echo"),
        (DAPR, FAR_APP, "server", f"CallLocal/{FAR_APP}/echo"),
        (DAPR, SHOP_APP, "client", f"CallLocal/{FAR_APP}/echo"),
        (TRILBY, SHOP_APP, "client", f"invoke {FAR_APP}"),
        (TRILBY, SHOP_APP, "internal", "ask"),
        (TRILBY, SHOP_APP, "server", traced.served("POST /ask", "OnInvoke")),
        # An app that is asked over gRPC is told the caller's span, and not the sidecar's.
        *([(DAPR, SHOP_APP, "client", f"CallLocal/{SHOP_APP}/ask")] if traced.protocol == "http" else []),
    ], shown(spans)
    first = next(span for span in above if span.name == traced.served("POST /ask", "OnInvoke"))
    assert first.attributes["http.route"] == "/ask"
    check_rpc(traced, first, "OnInvoke")


def test_an_event_is_a_span_linked_to_its_publishers(traced):
    trace = "4bf92f3577b34da6a3ce929d0e0e4702"
    answer = httpx.post(f"{traced.sidecar.url}/publish/broker/granted", content='"told"', timeout=30,
                        headers={"traceparent": f"00-{trace}-{PARENT}-01", "dapr-api-token": API_TOKEN, "content-type": "application/json"})
    assert answer.status_code == 204
    event = traced.wait_for_event('"told"', CE_TOPIC="granted")
    _, published_in, published_by, _ = event.variables["CE_TRACEPARENT"].split("-")
    consumed = traced.collector.wait_for(lambda: next((span for span in traced.collector.spans() if span.kind == "consumer" and
                                                       span.service == SHOP_APP and (published_in, published_by) in span.links), None), 60)
    assert published_in == trace
    assert consumed.name == "process topic broker/granted"
    assert consumed.attributes["messaging.destination.name"] == "granted"
    assert consumed.attributes["messaging.message.id"] == event.variables["CE_ID"]
    assert consumed.attributes["trilby.verdict"] == "SUCCESS"
    spans = traced.collector.wait_for(
        lambda: (found := traced.collector.spans(consumed.trace)) and {"internal", "server"} <= {span.kind for span in found} and found, 60)
    call = next(span for span in spans if span.kind == "internal" and span.name == "event")
    served = next(span for span in spans if span.id == consumed.parent)
    assert (call.parent, served.kind) == (consumed.id, "server")
    assert served.name == traced.served("topic broker/granted", "OnTopicEvent")
    check_rpc(traced, served, "OnTopicEvent")
    delivered = traced.collector.wait_for(lambda: next((span for span in traced.collector.spans() if span.id == served.parent), None), 60)
    assert places([delivered]) == [(DAPR, SHOP_APP, "client", "pubsub/granted")]
    assert (delivered.trace, delivered.parent) == (published_in, published_by)


def test_what_a_guest_asks_of_dapr_is_below_its_call(traced):
    trace = "4bf92f3577b34da6a3ce929d0e0e4703"
    answer = httpx.post(f"{traced.public}/ask", content=b"\x1f".join([b"state_save", b"store", b"granted-secret-key", b"7"]), timeout=30,
                        headers={"traceparent": f"00-{trace}-{PARENT}-01"})
    assert answer.status_code == 200
    spans = traced.wait_for_whole(trace, ["ask", "POST /ask", "save state store"])
    asked = next(span for span in spans if span.name == "save state store" and span.kind == "client")
    assert [span.name for span in ancestors(asked, spans)] == ["ask", "POST /ask"], shown(spans)
    assert asked.attributes["http.response.status_code"] == 204
    assert next(span for span in spans if span.name == "POST /ask").parent == PARENT
    below = traced.collector.wait_for(lambda: [span for span in traced.collector.spans(trace) if span.parent == asked.id], 60)
    assert places(below) == [(DAPR, SHOP_APP, "client", "/v1.0/state/store")]
    assert "granted-secret-key" not in repr([span for span in spans if span.resource.get("telemetry.sdk.name") == "trilby"])


def test_so_it_is_where_the_guest_has_a_loop_of_its_own(traced):
    trace = "4bf92f3577b34da6a3ce929d0e0e4704"
    for words in (["state_save", "store", "granted-1", "7"], ["invoke", FAR_APP, "echo", "POST", "text/plain", "hello"]):
        answer = httpx.post(f"{traced.public}/filing", content="\x1f".join(words).encode(), timeout=30, headers={"traceparent": f"00-{trace}-{PARENT}-01"})
        assert answer.content.split(b"\n")[0].split()[0] == str(SUCCESS).encode(), answer.content
    for name in ("save state store", f"invoke {FAR_APP}"):  # of two requests, which have spans of the same names above
        asked, above, spans = traced.wait_for_way_up(trace, name, "client")
        assert [span.name for span in above] == ["filing", "POST /filing"], shown(spans)
        assert asked.service == SHOP_APP
    traced.wait_for_whole(trace, ["/echo"])
