"""The app channel with TLS, spoken to by a real daprd (`--app-protocol https` and `grpcs`), which asks no questions about the certificate."""

import httpx
import pytest
from images import own
from sidecar import PROBES, Redis, component, write_resources
from test_sidecar import invoke, lines, options, sidecars, wait_until

TOKEN = "app-token-0b6e"
TEXT = """
[app.{app}]
port = 1
protocol = "{protocol}"
tls = {{ certificate = "certificate.pem", key = "key.pem" }}
{more}
[[app.{app}.route]]
path = "/echo"
function = "event"
[[app.{app}.route]]
path = "/large"
function = "echo"
[[app.{app}.topic]]
pubsub = "broker"
topic = "plain"
function = "event"
[function.event]
module = "{guests}/event.wasm"
limits.log_lines_per_second = 100000
[function.echo]
module = "{guests}/echo.wasm"
"""
SECURE = pytest.mark.parametrize("protocol", ["https", "grpcs"])


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("redis")
    redis = Redis(scratch)
    write_resources(scratch / "resources", {"broker": component("broker", "pubsub.redis", redisHost=redis.address)})
    yield scratch / "resources"
    redis.stop()


def was_told(system, data):
    """Whether a function was given this."""
    return lines(system, message="stderr", line="data " + data.encode().hex())


@SECURE
def test_daprd_probes_delivers_and_invokes(system_class, sidecar_class, resources, guests, make_certificate, tmp_path, protocol):
    make_certificate(tmp_path)
    manifest = tmp_path / "trilby.toml"
    manifest.write_text("trilby = 1\n" + TEXT.format(app="shop", protocol=protocol, guests=guests, more=""))
    system = system_class(manifest, tmp_path, env={"APP_API_TOKEN": TOKEN, "TRILBY_LOG_FORMAT": "json"})
    sidecar = None
    try:
        channel = system.ready["apps"]["shop"]["channel"]
        assert channel.startswith("https://")
        sidecar = sidecar_class("shop", channel.rpartition(":")[2], resources, tmp_path, app_token=TOKEN, protocol=protocol,
                                options=PROBES)
        wait_until(lambda: lines(system, path="/healthz", status=200))
        for number in range(20):
            sidecar.publish("broker", "plain", f'"event {number}"')
        wait_until(lambda: all(was_told(system, f'"event {number}"') for number in range(20)))
        for number in range(20):
            answer = sidecar.invoke("shop", "echo", content=f"question {number}")
            assert (answer.status_code, answer.text) == (200, f"question {number}")
        large = bytes(range(256)) * 4096
        assert sidecar.invoke("shop", "large", content=large).content == large
        assert not lines(system, reason="unauthorized")
    finally:
        if sidecar:
            sidecar.stop()
        ended = system.stop()
    assert ended == 0


@SECURE
def test_a_sidecar_that_trilby_starts_is_told_to_speak_tls(start_system, resources, guests, make_certificate, tmp_path, protocol):
    app = own("secure")
    make_certificate(tmp_path)
    text = TEXT.format(app=app, protocol=protocol, guests=guests, more="sidecar = { http = 0 }")
    system = start_system(text, *options(), "--resources-path", str(resources), folder=tmp_path, env={"TRILBY_LOG_FORMAT": "json"})
    assert set(sidecars(system)) == {app}
    answer = invoke(system, app, app, "echo", content=b"hello")
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert httpx.post(system.ready["apps"][app]["sidecar"] + "/v1.0/publish/broker/plain", json="an event", timeout=60).status_code == 204
    wait_until(lambda: was_told(system, '"an event"'))
    # A new certificate leaves the sidecar alone.
    before, worker = sidecars(system), system.ready["worker"]
    make_certificate(tmp_path, 2)
    wait_until(lambda: system.reread()["worker"] != worker)
    assert invoke(system, app, app, "echo", content=b"again").content == b"again"
    assert sidecars(system) == before
    assert system.stop() == 0
