"""One app beside its own sidecar, as `dapr run -- trilby serve APP` starts them: with the environment that Dapr gives an app. (test_dapr_run.py has `dapr`
start them; here each comes and goes by itself.)"""

import json
import tomllib

import httpx
import pytest
from images import FOLDER, MANIFEST, is_gray, own, picture, write_manifest
from sidecar import free_ports

TOKEN = "app-token-51c2"


@pytest.fixture(scope="module")
def cat():
    return picture("chelsea.png", "PNG")


@pytest.fixture(scope="module")
def coffee():
    return picture("coffee.png", "JPEG")


def apps_of(dapr_yaml):
    """The list `apps`, whose values are written as JSON or as plain words."""
    apps = []
    for line in dapr_yaml.read_text().partition("\napps:\n")[2].splitlines():
        if line.startswith("  - "):
            apps.append({})
        key, _, value = line[4:].partition(": ")
        try:
            apps[-1][key] = json.loads(value)
        except json.JSONDecodeError:
            apps[-1][key] = value
    return apps


@pytest.fixture
def start(system_class, sidecar_class, tmp_path):
    """Starts apps and sidecars of one test, each in a folder of its own; apps are drained before their sidecars end."""
    systems, sidecars = [], []
    (tmp_path / "resources").mkdir()

    def scratch(name):
        (tmp_path / name).mkdir()
        return tmp_path / name

    def app(app_id, http_port, **env):
        """With what `dapr run` sets, but for the port of the app: that is any free one."""
        told = {"APP_ID": own(app_id), "APP_PROTOCOL": "http", "DAPR_HTTP_PORT": str(http_port), "TRILBY_LOG_FORMAT": "json"} | env
        systems.append(system_class(write_manifest(tmp_path), scratch(f"app-{app_id}"), env=told, serve=own(app_id)))
        return systems[-1]

    def sidecar(app_id, system, **more):
        port = system and system.url(own(app_id)).rpartition(":")[2]
        sidecars.append(sidecar_class(own(app_id), port, tmp_path / "resources", scratch(f"sidecar-{app_id}"), **more))
        return sidecars[-1]

    start = type("Start", (), {"app": staticmethod(app), "sidecar": staticmethod(sidecar)})
    yield start
    codes = [system.stop() for system in systems]
    for one in sidecars:
        one.stop()
    assert codes == [0] * len(systems)


def test_a_sidecar_that_comes_late_is_waited_for_while_the_app_serves(start, cat):
    (http_port,) = free_ports(1)
    app = start.app("image-api-rs", http_port)
    waiting = app.wait_for_log("waiting for the sidecar; what needs none is served")
    assert f'"address":"127.0.0.1:{http_port}"' in waiting
    assert is_gray(httpx.post(app.url(own("image-api-rs")) + "/api/image", content=cat, timeout=60).content)
    start.sidecar("image-api-rs", app, http_port=http_port)
    assert f'"app":"{own("image-api-rs")}"' in app.wait_for_log("the sidecar is there")


@pytest.mark.parametrize("protocol", ["http", "h2c", "grpc"])  # the manifest says http
def test_another_app_is_answered_through_two_sidecars(start, cat, protocol):
    (http_port,) = free_ports(1)
    app = start.app("image-api-rs", http_port, APP_PROTOCOL=protocol, APP_API_TOKEN=TOKEN)
    start.sidecar("image-api-rs", app, http_port=http_port, protocol=protocol, app_token=TOKEN)
    caller = start.sidecar("caller", None)
    caller.wait_until_it_finds(own("image-api-rs"))
    answer = caller.invoke(own("image-api-rs"), "api/image", content=cat)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert is_gray(answer.content)
    if protocol != "grpc":
        assert httpx.post(app.url(own("image-api-rs")) + "/api/image", content=cat).status_code == 401, "only its sidecar knows the token"


def test_the_articles_three_services_each_beside_its_sidecar(start, cat, coffee):
    """What dapr.yaml has `dapr run -f` start, on free ports: page, router, and through two sidecars to gray pictures and food."""
    wanted = apps_of(FOLDER / "dapr.yaml")
    written = tomllib.loads(MANIFEST.read_text())["app"]
    assert {app["appID"]: app["appPort"] for app in wanted} == {app: settings["port"] for app, settings in written.items()}
    assert {app["appID"]: app["daprHTTPPort"] for app in wanted} == {"go-web-port": 3500, "image-api-go": 3501, "image-api-rs": 3502}
    systems, sidecars = {}, {}
    for app, http_port in zip(wanted, free_ports(len(wanted)), strict=True):
        assert app["command"] == ["trilby", "serve", app["appID"]]
        systems[app["appID"]] = start.app(app["appID"], http_port)
        sidecars[app["appID"]] = start.sidecar(app["appID"], systems[app["appID"]], http_port=http_port)
    for app in ("image-api-go", "image-api-rs"):
        sidecars["go-web-port"].wait_until_it_finds(own(app))
    with httpx.Client(base_url=systems["go-web-port"].url(own("go-web-port")), timeout=60) as web:
        assert "<html" in web.get("/").text
        gray = web.post("/api/hello", content=cat)
        assert (gray.status_code, gray.headers["content-type"]) == (200, "image/png"), gray.text
        assert is_gray(gray.content)
        food = web.post("/api/hello", content=coffee, headers={"api": "go"})
        assert food.status_code == 200 and "espresso" in food.text
        bad = web.post("/api/hello", content=b"no picture")
        assert (bad.status_code, bad.headers["trilby-reason"]) == (422, "bad-input")
    assert '"path":"/api/image"' in systems["image-api-rs"].wait_for_log('"reason":"bad-input"'), "it was not answered elsewhere"


def test_without_a_sidecar_only_what_needs_it_fails(start, cat):
    app = start.app("go-web-port", free_ports(1)[0])
    answer = httpx.post(app.url(own("go-web-port")) + "/api/hello", content=cat, timeout=60)
    assert (answer.status_code, answer.headers["trilby-reason"]) == (502, "upstream-failed")
    assert "<html" in httpx.get(app.url(own("go-web-port")) + "/").text


def test_an_app_loads_what_it_needs_and_nothing_else(start):
    app = start.app("image-api-rs", free_ports(1)[0])
    assert '"function":"grayscale"' in app.log_line("function ready")
    assert "classify" not in app.log()
    assert "models ready" not in app.log()
