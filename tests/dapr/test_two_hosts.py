"""The article's system on two hosts: the page and its router on one, the two functions on the other, each host with a Trilby of its own, a sidecar
beside each app, and Dapr's own TLS with certificates from sentry between them. Sidecars find each other by mDNS; events and states go by Redis.

It passes the very tests that the system passes on one host (tests/e2e/test_images.py), and the ones below.
"""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

import httpx
import pytest
from hosts import Capture, Switch
from images import APPS, own, write_manifest
from sidecar import PROGRAMS, ROOT, Redis, Sentry, component, sidecars_of, write_resources

pytest.register_assert_rewrite("test_images")
from test_images import *  # noqa: E402, F403  the tests, and their fixtures, which go by `system`

WEB, GRAY, FOOD = map(own, ("go-web-port", "image-api-rs", "image-api-go"))
STRANGER, FOREIGNER = map(own, ("stranger", "foreigner"))
HTTP_PORTS = {WEB: 3500, GRAY: 3500, FOOD: 3501}  # of the sidecars
INTERNAL_PORT = 20_002  # below those that the kernel gives to whoever connects
PATIENCE = 60

# An app that the manifest does not have is asked for by way of the sidecar.
PAGE = """
[app.{web}.sidecar]
timeout = "5s"
"""
# What host 2 does beside the article's work: it handles what is published on host 1, and keeps what came of it where host 1 reads it.
FUNCTIONS = """
[app.{gray}.sidecar]
[[app.{gray}.topic]]
pubsub = "broker"
topic = "pictures"
function = "echo"
output = [{{ state = "store", key = "{{CE_ID}}" }}]
[function.echo]
module = "{guests}/echo.wasm"
content_type = "application/json"
"""


def allowed(app, trust_domain="public"):
    return {"appId": app, "namespace": "default", "trustDomain": trust_domain, "defaultAction": "allow"}


# Who may ask for the functions. daprd knows who asks by the certificate alone.
CONFIGURATION = {
    "apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "functions"},
    "spec": {"accessControl": {"defaultAction": "deny", "policies": [allowed(WEB), allowed(FOREIGNER, "elsewhere")]}},
}


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.05)
    return result


class Served:
    """Each app by `trilby serve`, beside a sidecar that the test starts."""

    def __init__(self, system_class, sidecar_class, host, manifest, resources, scratch, apps, options, env):
        self._host, self._resources, self._scratch, self._options, self._env = host, resources, scratch, options, env
        self._sidecar_class = sidecar_class
        self._systems, self._sidecars = {}, {}
        with contextlib.ExitStack() as started, host.inside():
            started.callback(self._stop_sidecars)
            for app in apps:
                (scratch / app).mkdir()
                told = {"APP_ID": app, "APP_PROTOCOL": "http", "DAPR_HTTP_PORT": str(HTTP_PORTS[app]), "TRILBY_LOG_FORMAT": "json"}
                self._systems[app] = system_class(manifest, scratch / app, env=told, serve=app)
                started.callback(self._stop_system, app)
            for number, app in enumerate(apps):
                self._start_sidecar(app, INTERNAL_PORT + number)
            self._started = started.pop_all()

    def _start_sidecar(self, app, internal_port):
        self._sidecars[app] = self._sidecar_class(app, self._systems[app].url(app).rpartition(":")[2], self._resources, self._scratch,
                                                  options=self._options, env=self._env, http_port=HTTP_PORTS[app], internal_port=internal_port)

    def port(self, app):
        return int(self._systems[app].url(app).rpartition(":")[2])

    def internal_port(self, app):
        return self._sidecars[app].internal_port

    def kill_sidecar(self, app):
        """Another takes its place, where the one before was."""
        killed = self._sidecars[app]
        killed.kill()
        with self._host.inside():
            self._start_sidecar(app, killed.internal_port)

    def stop(self):
        """Apps are drained before their sidecars end."""
        self._started.close()

    def _stop_system(self, app):
        assert self._systems[app].stop() == 0

    def _stop_sidecars(self):
        for sidecar in self._sidecars.values():
            sidecar.stop()


class Up:
    """All apps of the host by one `trilby up --sidecar daprd`."""

    def __init__(self, system_class, sidecar_class, host, manifest, resources, scratch, apps, options, env):
        del sidecar_class, apps  # Trilby starts the sidecars itself, of all apps of the manifest
        (scratch / "up").mkdir()
        words = ["--sidecar", "daprd", "--daprd", str(PROGRAMS / "daprd"), "--resources-path", str(resources)]
        told = {"DAPR_HOST_IP": host.address, "TRILBY_LOG_FORMAT": "json"} | env
        with host.inside():
            self._system = system_class(manifest, scratch / "up", [*words, *(f"--daprd-arg={word}" for word in options)], env=told)

    def port(self, app):
        return int(self._system.url(app).rpartition(":")[2])

    def internal_port(self, app):
        _, words = wait_until(lambda: sidecars_of(self._system).get(app), "a sidecar")
        return int(words[words.index("--dapr-internal-grpc-port") + 1])

    def kill_sidecar(self, app):
        """Trilby puts another in its place."""
        pid, _ = sidecars_of(self._system)[app]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: (found := sidecars_of(self._system).get(app)) and found[0] != pid, "another sidecar")

    def stop(self):
        assert self._system.stop() == 0


class TwoHosts:
    """All of it. Whatever a test asks for goes by doors into the hosts, from this process."""

    def __init__(self, way, system_class, sidecar_class, guests, scratch):
        self._sidecar_class, self._scratch, self._resources = sidecar_class, scratch, scratch / "resources"
        self._parts, self._doors = {}, {}
        self.switch = Switch()
        with contextlib.ExitStack() as started:
            started.callback(self.switch.close)
            first, second = self.switch.join(), self.switch.join()
            self.hosts = {WEB: first, GRAY: second, FOOD: second}
            with self.switch.inside():
                redis = Redis(scratch, host=self.switch.address)
                started.callback(redis.stop)
                self.sentry = Sentry(scratch, host=self.switch.address)
                started.callback(self.sentry.stop)
            write_resources(self._resources, {
                "broker": component("broker", "pubsub.redis", redisHost=redis.address),
                "store": component("store", "state.redis", redisHost=redis.address, keyPrefix="name"),  # apps have their states together
            })
            (scratch / "configuration.yaml").write_text(json.dumps(CONFIGURATION))
            options = [*self.sentry.options, "--config", str(scratch / "configuration.yaml")]
            for host, apps, more in ((first, (WEB,), PAGE.format(web=WEB)), (second, (GRAY, FOOD), FUNCTIONS.format(gray=GRAY, guests=guests))):
                folder = scratch / host.address
                folder.mkdir()
                manifest = write_manifest(folder, [app.rpartition("-")[0] for app in apps], more)
                part = way(system_class, sidecar_class, host, manifest, self._resources, folder, apps, options, self.sentry.env)
                started.callback(part.stop)
                self._parts |= dict.fromkeys(apps, part)
            self._started = started.pop_all()

    def _door(self, host, port):
        if (host, port) not in self._doors:
            self._doors[host, port] = f"http://{host.door(port)}"
        return self._doors[host, port]

    def url(self, app):
        """Of one of the article's apps, as the tests of one host ask for it."""
        app = own(app) if app in APPS else app
        return self._door(self.hosts[app], self._parts[app].port(app))

    def sidecar(self, app):
        return self._door(self.hosts[app], HTTP_PORTS[app]) + "/v1.0"

    def part(self, app):
        return self._parts[app]

    @contextlib.contextmanager
    def one_more_sidecar(self, app, options=(), env=None):
        """On host 1, without an app. Gives the function that asks for an app by it."""
        host = self.hosts[WEB]
        with host.inside():
            sidecar = self._sidecar_class(app, None, self._resources, self._scratch, options=options, env=env)
        door = host.door(int(httpx.URL(sidecar.url).port))

        def ask(callee):
            return wait_until(lambda: sidecar.has_found(answer := httpx.get(f"http://{door}/v1.0/invoke/{callee}/method/", timeout=60)) and answer,
                              "the app")

        try:
            yield ask
        finally:
            sidecar.stop()

    def stop(self):
        self._started.close()


@pytest.fixture(scope="module", params=[Served, Up], ids=["served", "up"])
def system(request, system_class, sidecar_class, guests, tmp_path_factory):
    hosts = TwoHosts(request.param, system_class, sidecar_class, guests, tmp_path_factory.mktemp("hosts"))
    yield hosts
    hosts.stop()


def test_an_event_of_one_host_is_handled_on_the_other_and_read_again_on_the_first(system):
    sidecar = system.sidecar(WEB)
    answer = httpx.post(f"{sidecar}/publish/broker/pictures", json={"seen": "on host 1"}, params={"metadata.cloudevent.id": "picture-1"}, timeout=20)
    assert answer.status_code == 204, answer.text
    state = wait_until(lambda: httpx.get(f"{sidecar}/state/store/picture-1", timeout=20).content, "the state")
    assert json.loads(state) == {"seen": "on host 1"}


def certificate_of(sentry, folder, app):
    """The file of a certificate as the authority gives one, and its key, for whoever has the authority's."""
    authority = sentry.root.parent
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "1", "-subj", "/",
                    "-addext", f"subjectAltName=critical,URI:spiffe://public/ns/default/{app}", "-addext", "keyUsage=critical,digitalSignature",
                    "-addext", "basicConstraints=critical,CA:FALSE", "-CA", authority / "issuer.crt", "-CAkey", authority / "issuer.key",
                    "-keyout", folder / "key.pem", "-out", folder / "leaf.pem"], check=True, capture_output=True)
    (folder / "all.pem").write_text("".join(path.read_text() for path in (folder / "leaf.pem", authority / "issuer.crt", folder / "key.pem")))
    return folder / "all.pem"


def shake_hands(system, app, certificate=None):
    """Connects to the sidecar of an app from the other host. Returns the names in its certificate, which must lead to sentry's root, and what it says
    then: it begins with HTTP/2, or gives an error."""
    host, other = system.hosts[app], system.hosts[GRAY if app == WEB else WEB]
    context = ssl.create_default_context(cafile=system.sentry.root)
    context.check_hostname = False  # it names no host
    context.set_alpn_protocols(["h2"])
    if certificate:
        context.load_cert_chain(certificate)
    with other.inside(), socket.create_connection((host.address, system.part(app).internal_port(app)), timeout=20) as connection:
        with context.wrap_socket(connection) as secured:
            names = secured.getpeercert()["subjectAltName"]
            try:
                return names, secured.recv(9)
            except ssl.SSLError as error:
                return names, error.reason


@pytest.mark.parametrize("app", [WEB, GRAY, FOOD], ids=["page", "gray", "food"])
def test_a_sidecar_has_its_identity_from_sentry_and_asks_others_for_theirs(system, tmp_path, app):
    names, answer = shake_hands(system, app)
    assert names == (("URI", f"spiffe://public/ns/default/{app}"),)
    assert answer == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert httpx.get(f"{system.sidecar(app)}/metadata", timeout=20).json()["id"] == app
    _, answer = shake_hands(system, app, certificate_of(system.sentry, tmp_path, STRANGER))
    assert answer[3:5] == b"\4\0", "a frame of SETTINGS"
    with system.switch.inside():
        elsewhere = Sentry(tmp_path)
    elsewhere.stop()
    _, answer = shake_hands(system, app, certificate_of(elsewhere, tmp_path, WEB))
    assert answer == "SSLV3_ALERT_BAD_CERTIFICATE"


def test_nothing_of_a_request_can_be_read_between_the_hosts(system):
    """What is not encrypted, as events are on their way to Redis, can: so the capture sees what there is."""
    secret, event = b"the secret of this request", b"no secret of this event"
    capture = Capture(system.switch, system.hosts[WEB])
    try:
        system.part(WEB).kill_sidecar(WEB)  # it keeps its connections; another begins with a handshake

        def ask():
            answer = httpx.post(system.url("go-web-port") + "/api/hello", content=secret * 1000, timeout=60)
            return answer.status_code != 502 and answer

        answer = wait_until(ask, "another sidecar")
        assert (answer.status_code, answer.headers["trilby-reason"]) == (422, "bad-input"), "it was read on the other host"
        assert httpx.post(f"{system.sidecar(WEB)}/publish/broker/nobody", content=event, headers={"content-type": "text/plain"},
                          timeout=20).status_code == 204
        segments = capture.segments()
    finally:
        capture.close()
    there = system.part(GRAY).internal_port(GRAY)
    between = [data for source, target, data in segments if there in (source, target)]
    assert sum(map(len, between)) > len(secret) * 1000, "it came by there"
    assert any(data[:3] == b"\x16\x03\x01" and data[5] == 1 for data in between), "a record of TLS with a ClientHello"
    assert not any(b"PRI * HTTP/2.0" in data for data in between)
    assert not any(secret in data for _, _, data in segments)
    assert any(event in data for _, _, data in segments)


def test_who_has_no_certificate_is_refused(system):
    with system.one_more_sidecar(WEB) as ask:
        answer = ask(GRAY)
        assert answer.status_code == 500 and "error reading server preface" in answer.text, answer.text


def test_who_has_a_certificate_of_another_authority_is_refused(system, tmp_path):
    """Its name is that of one who may."""
    with system.hosts[WEB].inside():
        elsewhere = Sentry(tmp_path, trust_domain="elsewhere")
    try:
        with system.one_more_sidecar(WEB, elsewhere.options, elsewhere.env) as ask:
            answer = ask(GRAY)
            assert answer.status_code == 500 and "certificate signed by unknown authority" in answer.text, answer.text
    finally:
        elsewhere.stop()


def test_who_is_allowed_is_known_by_its_certificate(system):
    """A sidecar in self-hosted mode is of the trust domain `public`, whatever that of sentry is."""
    options, env = system.sentry.options, system.sentry.env
    with system.one_more_sidecar(WEB, options, env) as ask:
        assert "POST a picture" in ask(GRAY).text
    for app in (STRANGER, FOREIGNER):
        with system.one_more_sidecar(app, options, env) as ask:
            answer = ask(GRAY)
            assert answer.status_code == 403, answer.text
            assert f"access control policy has denied access to id: spiffe://public/ns/default/{app}" in answer.text


@pytest.mark.parametrize("dead", [WEB, GRAY], ids=["page", "gray"])
def test_requests_go_on_after_a_sidecar_has_died(system, pictures, dead):
    def is_gray():
        answer = httpx.post(system.url("go-web-port") + "/api/hello", content=pictures["cat.png"], timeout=60)
        return answer.status_code == 200 and answer.headers["content-type"] == "image/png"

    wait_until(is_gray, "the answer before")
    system.part(dead).kill_sidecar(dead)
    wait_until(is_gray, "an answer of the other host")
    assert all(is_gray() for _ in range(10)), "it is not found in two places"


def test_a_cable_that_is_pulled_costs_what_went_by_it_and_no_event(system, pictures):
    def ask():
        return httpx.post(system.url("go-web-port") + "/api/hello", content=pictures["cat.png"], timeout=60)

    sidecar, cable = system.sidecar(WEB), system.hosts[GRAY].port_of_switch
    assert ask().status_code == 200
    system.switch.ip("link", "set", cable, "down")
    try:
        answer = ask()
        assert (answer.status_code, answer.headers["trilby-reason"]) == (502, "upstream-failed")
        assert "<html" in httpx.get(system.url("go-web-port") + "/", timeout=20).text, "what needs nobody else"
        answer = httpx.post(f"{sidecar}/publish/broker/pictures", json="meanwhile", params={"metadata.cloudevent.id": "picture-2"}, timeout=20)
        assert answer.status_code == 204, answer.text
    finally:
        system.switch.ip("link", "set", cable, "up")
    wait_until(lambda: ask().status_code == 200, "an answer of the other host")
    assert wait_until(lambda: httpx.get(f"{sidecar}/state/store/picture-2", timeout=20).content, "the state") == b'"meanwhile"'


@pytest.mark.parametrize("system", [Served], ids=["served"], indirect=True)
def test_a_person_has_the_page_of_one_host_and_the_answers_of_the_other(system):
    """Some of the tests of one host, with its browser."""
    wanted = ["test_a_jpeg_comes_back_gray_beside_the_original", "test_the_food_in_a_picture_is_named_with_a_search_link"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *(f"tests/browser/test_page.py::{name}" for name in wanted)], cwd=ROOT, timeout=300,
                          env=os.environ | {"TRILBY_WEB_URL": system.url("go-web-port")}, capture_output=True, text=True)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout
