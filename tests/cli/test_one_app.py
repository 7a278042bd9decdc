"""`trilby serve`: which app it takes from the manifest and the environment, and what it refuses. With a real sidecar: tests/dapr/test_serve.py."""

import json
import socket
import subprocess
import time

import grpc
import httpx
import pytest
from sidecar import free_ports

MANIFEST = """trilby = 1
[admin]
listen = "127.0.0.1:{admin}"
[app.web]
port = {port}
[[app.web.route]]
path = "/"
text = "the page"
[[app.web.route]]
path = "/other"
invoke = "other/x"
[app.other]
port = {other}
[[app.other.route]]
path = "/x"
function = "broken"
[function.broken]
module = "not-there.wasm"
[model.big]
path = "not-there.xml"
"""


@pytest.fixture
def ports(tmp_path):
    """Of the manifest: app `web`, app `other`, admin."""
    port, other, admin = free_ports(3)
    (tmp_path / "trilby.toml").write_text(MANIFEST.format(port=port, other=other, admin=admin))
    return port, other, admin


@pytest.fixture
def serve(trilby, clean_environment, tmp_path):
    """Starts `trilby serve`; waits until it serves."""
    started = []

    def start(*words, **env):
        ready = tmp_path / f"ready-{len(started)}"
        process = subprocess.Popen([trilby, "serve", *words, "--ready-file", ready], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=(tmp_path / f"log-{len(started)}").open("wb"), cwd=tmp_path, env=clean_environment | env)
        started.append(process)
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / f"log-{len(started) - 1}").read_text()
            time.sleep(0.02)
        return json.loads(ready.read_text())

    yield start
    for process in started:
        process.terminate()
    assert [process.wait(30) for process in started] == [0] * len(started)


@pytest.mark.parametrize(("words", "env"), [(["web"], {}), ([], {"APP_ID": "web"}), (["web"], {"APP_ID": "web"})])
def test_one_app_is_served_whatever_else_the_manifest_has(serve, ports, words, env):
    ready = serve(*words, **env)
    assert list(ready["apps"]) == ["web"]
    assert httpx.get(ready["apps"]["web"]["url"]).text == "the page"
    assert ready["apps"]["web"]["channel"] == f"http://127.0.0.1:{ports[0]}"


def test_what_leads_to_an_app_that_is_not_served_here_fails_alone(serve, ports):
    answer = httpx.post(serve("web")["apps"]["web"]["url"] + "/other")
    assert (answer.status_code, answer.headers["trilby-reason"]) == (502, "upstream-failed")


def test_daprs_port_stands_above_the_manifests_and_ours_above_daprs(serve, ports):
    (told,) = free_ports(1)
    assert serve("web", APP_PORT=str(told))["apps"]["web"]["channel"] == f"http://127.0.0.1:{told}"
    assert serve("web", "--port", "web=0", APP_PORT=str(told))["apps"]["web"]["channel"] != f"http://127.0.0.1:{told}"


def test_the_protocol_that_dapr_says_stands_above_the_manifests(serve, ports, tmp_path):
    health = "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck"
    ready = serve("web", APP_PROTOCOL="grpc")
    with grpc.insecure_channel(ready["apps"]["web"]["channel"].removeprefix("http://")) as channel:
        assert channel.unary_unary(health)(b"", timeout=20) == b""
    manifest = tmp_path / "trilby.toml"
    manifest.write_text(manifest.read_text().replace("[app.web]", '[app.web]\nprotocol = "grpc"'))
    ready = serve("web", "--port", "web=0", APP_PROTOCOL="http")
    assert httpx.get(ready["apps"]["web"]["channel"] + "/").text == "the page"


def test_dapr_may_say_that_the_app_channel_speaks_tls(serve, run, ports, tmp_path, make_certificate):
    ended = run("serve", "web", env={"APP_PROTOCOL": "grpcs"})
    assert ended.returncode == 78
    assert "app.web: APP_PROTOCOL is grpcs, which needs a certificate and its key" in ended.stderr
    root = make_certificate(tmp_path)
    manifest = tmp_path / "trilby.toml"
    manifest.write_text(manifest.read_text().replace("[app.web]", '[app.web]\ntls = { certificate = "certificate.pem", key = "key.pem" }'))
    ready = serve("web", APP_PROTOCOL="grpcs")
    address = ready["apps"]["web"]["channel"].removeprefix("https://")
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(root.read_bytes())) as channel:
        assert channel.unary_unary("/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck")(b"", timeout=20) == b""


def test_several_stand_side_by_side(serve, ports):
    """Each has an admin listener of its own, on any free port; one that is asked for is had."""
    first, second = serve("web"), serve("web", "--port", "web=0")
    assert first["admin"] != second["admin"]
    third = serve("web", "--port", "web=0", "--admin-port", str(ports[2]))
    assert third["admin"] == f"http://127.0.0.1:{ports[2]}"
    assert httpx.get(third["admin"] + "/readyz").status_code == 200


def test_a_setting_for_another_app_is_not_in_the_way(serve, ports):
    """As in the common environment of a dapr.yaml; also where that app's port is the one that this one is told."""
    ready = serve("web", TRILBY_PORTS="other=0", APP_PORT=str(ports[1]))
    assert ready["apps"]["web"]["channel"] == f"http://127.0.0.1:{ports[1]}"


@pytest.mark.parametrize(("words", "env", "says"), [
    ([], {}, "which app is to be served? Neither APP nor the variable APP_ID names one"),
    (["web"], {"APP_ID": "other"}, 'the app to be served is "web", but its sidecar is that of "other" (APP_ID)'),
    (["wbe"], {}, 'there is no app "wbe" in'),
    ([], {"APP_ID": "nobody"}, 'there is no app "nobody" in'),
    (["web"], {"APP_PORT": "http"}, 'APP_PORT: "http" is no port from 1 to 65535'),
    (["web"], {"DAPR_HTTP_PORT": "0"}, 'DAPR_HTTP_PORT: "0" is no port from 1 to 65535'),
    (["web"], {"APP_PROTOCOL": "tcp"}, 'APP_PROTOCOL: app channels speak http, https, h2c, grpc and grpcs, not "tcp"'),
    (["web", "other"], {}, '"other" is one argument too many'),
])
def test_wrong_usage_is_said_at_once(run, ports, words, env, says):
    ended = run("serve", *words, env=env)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert says in ended.stderr


def test_a_sidecar_is_not_where_the_app_is(run, ports):
    ended = run("serve", "web", env={"DAPR_HTTP_PORT": str(ports[0])})
    assert (ended.returncode, ended.stdout) == (78, "")
    assert f"app.web.sidecar.http: port {ports[0]} is Trilby's own: app.web.port" in ended.stderr


def test_a_port_that_is_taken_is_said_with_its_owner(run, ports):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("serve", "web", env={"APP_PORT": str(port)})
    assert ended.returncode == 78
    assert f"app.web.port: 127.0.0.1:{port} is in use by " in ended.stderr
    assert "try: stop that, write another port, or add --port web=0 for any free one" in ended.stderr
