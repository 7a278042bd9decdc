"""HTTPS: HTTP/1.1 and HTTP/2 over TLS, spoken to by curl, httpx and openssl; certificates that change while requests run."""

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from observed import metric, wait_until
from raw_http import request

TEXT = """
[app.web]
port = 1
protocol = "{protocol}"
public = "127.0.0.1:0"
tls = {{ certificate = "{folder}/certificate.pem", key = "{folder}/key.pem" }}
[[app.web.route]]
path = "/text"
text = "a text"
[[app.web.route]]
path = "/echo"
function = "echo"
[function.echo]
module = "{guests}/echo.wasm"
"""
LARGE = bytes(range(256)) * 4 * 4096  # 4 MiB


@pytest.fixture(scope="module")
def start(start_system, guests, make_certificate, tmp_path_factory):
    """Starts systems with certificates of their own, in the folder of the manifest."""

    def start(*options, protocol="http"):
        folder = tmp_path_factory.mktemp("tls")
        make_certificate(folder)
        system = start_system(TEXT.format(folder=folder, guests=guests, protocol=protocol), *options, "--port", "web.public=0", folder=folder,
                              env={"TRILBY_LOG_FORMAT": "json"})
        system.folder = folder
        return system

    return start


@pytest.fixture(scope="module")
def system(start):
    return start("--loops", "2")


def connect(system, verify=False, **more):
    """A connection of TLS to the public address."""
    context = ssl.create_default_context(cafile=system.folder / "certificate.pem") if verify else ssl._create_unverified_context()
    return context.wrap_socket(socket.create_connection(system.address("web"), timeout=60), server_hostname="localhost", **more)


def served_serial(system):
    with connect(system) as connection:
        shown = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=connection.getpeercert(binary_form=True), capture_output=True, check=True)
    return int(shown.stdout.decode().strip().removeprefix("serial="), 16)


def wait_for_serial(system, serial, seconds=60):
    deadline = time.monotonic() + seconds
    while served_serial(system) != serial:
        assert time.monotonic() < deadline, system.log()
        time.sleep(0.05)


def s_client(system, *options):
    host, port = system.address("web")
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-cipher", "ALL:@SECLEVEL=0", *options]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True, errors="replace")


@pytest.mark.parametrize(("option", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
def test_curl_is_served_in_the_protocol_that_it_chooses(system, tmp_path, option, version):
    (tmp_path / "body").write_bytes(LARGE)
    command = ["curl", "-sS", option, "--cacert", system.folder / "certificate.pem", "-o", tmp_path / "answer", "-w", "%{http_version} %{http_code}", "-H", "Expect:"]
    done = subprocess.run([*command, system.url("web") + "/text"], capture_output=True, text=True, check=True)
    assert (done.stdout, (tmp_path / "answer").read_bytes()) == (f"{version} 200", b"a text")
    done = subprocess.run([*command, "--data-binary", f"@{tmp_path}/body", system.url("web") + "/echo"], capture_output=True, text=True, check=True)
    assert (done.stdout, (tmp_path / "answer").read_bytes() == LARGE) == (f"{version} 200", True)


def test_httpx_keeps_its_connection(system):
    with httpx.Client(verify=ssl.create_default_context(cafile=system.folder / "certificate.pem"), base_url=system.url("web"), timeout=60) as client:
        for body in (b"a", LARGE, b"", b"c"):
            assert client.post("/echo", content=body).content == body


def test_addresses_are_told_with_their_scheme(system):
    told = system.ready["apps"]["web"]
    assert told["url"] == told["public"] and told["public"].startswith("https://127.0.0.1:")
    assert told["channel"].startswith("http://127.0.0.1:"), "its protocol is http"
    assert httpx.get(told["channel"] + "/text").text == "a text"


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(system, version):
    assert "alert protocol version" in s_client(system, version).stderr


@pytest.mark.parametrize(("version", "cipher"), [("-tls1_2", "ECDHE-ECDSA-AES"), ("-tls1_3", "TLS_AES_")])
def test_new_versions_have_good_ciphers_and_nothing_to_resume(system, version, cipher):
    said = s_client(system, version).stdout
    assert re.search(f"Cipher is {cipher}", said), said
    assert "Compression: NONE" in said
    assert "TLS session ticket:" not in said and "Post-Handshake New Session Ticket" not in said


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "NULL", "aNULL"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(system, cipher):
    assert "Cipher is (NONE)" in s_client(system, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0").stdout


@pytest.mark.parametrize(("offered", "chosen"), [("h2,http/1.1", "h2"), ("http/1.1,h2", "h2"), ("http/1.1", "http/1.1")])
def test_alpn_chooses_http2_where_it_can(system, offered, chosen):
    assert f"ALPN protocol: {chosen}\n" in s_client(system, "-alpn", offered).stdout


def test_protocols_that_are_not_served_are_refused(system):
    assert "alert no application protocol" in s_client(system, "-alpn", "spdy/1,http/0.9").stderr


def test_plain_http_is_not_answered(system):
    for body in (request("GET", "/text"), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)):
        with socket.create_connection(system.address("web"), timeout=60) as plain:
            plain.sendall(body)
            try:
                assert b"HTTP" not in plain.recv(4096)
            except ConnectionResetError:
                pass
    assert connect(system).version() == "TLSv1.3", "others go on"


def anonymous_memory(pid):
    return 1024 * int(re.search(r"^RssAnon:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def test_handshakes_that_never_end_keep_nobody_out(system):
    """More than a server takes at a time, each with the beginning of a greeting that claims to be long."""
    before = anonymous_memory(system.ready["worker"])
    held = []
    try:
        for _ in range(1500):
            held.append(socket.create_connection(system.address("web"), timeout=60))
            # A whole record, for which OpenSSL makes the room that the greeting will need; then one that is cut off.
            held[-1].sendall(b"\x16\x03\x01\x00\x04\x01\x02\x01\x40" + b"\x16\x03\x01\x40\x00x")
        with httpx.Client(verify=False, timeout=60) as client:
            assert client.get(system.url("web") + "/text").text == "a text"
        metrics = httpx.get(system.admin + "/metrics").text
        open_now = sum(int(value) for value in re.findall(r"^trilby_http_connections(?:\{[^}]*\})? (\d+)$", metrics, re.M))
        assert 0 < open_now <= 2 * 256 + 10, "256 for each loop"
        assert anonymous_memory(system.ready["worker"]) - before < 2 * 256 * (256 << 10), "50 MiB for each loop, and some room"
        wait_until(lambda: handshakes(system, "crowded") > 0, "that is why they ended")
    finally:
        for one in held:
            one.close()


def handshakes(system, result, listener="public"):
    return metric(system, "trilby_tls_handshakes_total", app="web", listener=listener, result=result)


def test_metrics_tell_how_handshakes_ended(start):
    system = start()
    curl = ["curl", "-sS", "-o", "/dev/null", system.url("web") + "/text"]
    assert subprocess.run([*curl, "--cacert", system.folder / "certificate.pem"], check=False).returncode == 0
    wait_until(lambda: handshakes(system, "ok") == 1, "one went well")
    assert subprocess.run(curl, check=False, capture_output=True).returncode == 60, "the certificate is its own"
    wait_until(lambda: handshakes(system, "refused") == 1, "curl says why")
    s_client(system, "-tls1_1")
    wait_until(lambda: handshakes(system, "protocol") == 1, "nothing so old is spoken")
    socket.create_connection(system.address("web"), timeout=60).close()
    wait_until(lambda: handshakes(system, "closed") == 1, "that was a probe")
    assert [handshakes(system, result) for result in ("ok", "refused", "protocol", "closed", "timeout", "crowded")] == [1, 1, 1, 1, 0, 0]
    assert "channel" not in httpx.get(f"{system.admin}/metrics").text, "that speaks no TLS"
    assert system.stop() == 0


def not_after(folder):
    shown = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", folder / "certificate.pem"], capture_output=True, text=True, check=True)
    return ssl.cert_time_to_seconds(shown.stdout.strip().removeprefix("notAfter="))


def test_metrics_and_the_log_tell_of_certificates_that_were_not_renewed(start, make_certificate):
    system = start(protocol="https")
    assert metric(system, "trilby_tls_certificate_expiration_timestamp_seconds", app="web") == not_after(system.folder)
    assert "expires soon" not in system.log()
    make_certificate(system.folder, 2, days=30, age=24)
    system.wait_for_log("the certificate expires soon, and was not renewed")
    wait_for_serial(system, 2)
    wait_until(lambda: metric(system, "trilby_tls_certificate_expiration_timestamp_seconds", app="web") == not_after(system.folder), "of the new one")
    assert not_after(system.folder) < time.time() + 7 * 24 * 3600
    httpx.get(system.ready["apps"]["web"]["channel"] + "/text", verify=False)
    wait_until(lambda: handshakes(system, "ok", listener="channel") == 1, "the app channel is a listener of its own")
    assert system.stop() == 0


def test_the_app_channel_speaks_tls_when_its_protocol_says_so(start):
    system = start(protocol="https")
    channel = system.ready["apps"]["web"]["channel"]
    assert channel.startswith("https://127.0.0.1:")
    with httpx.Client(verify=ssl.create_default_context(cafile=system.folder / "certificate.pem")) as client:
        assert client.get(channel + "/healthz").status_code == 200
        assert client.get(channel + "/dapr/config").status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(channel.replace("https", "http") + "/healthz")


class Load:
    """Requests from several threads until it is stopped: on connections that are kept, and on a new one for each."""

    def __init__(self, system):
        self.done = 0
        self.failures = []
        self._system = system
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[kept]) for kept in (True, True, False)]
        for thread in self._threads:
            thread.start()

    def _run(self, kept):
        connection = None
        while not self._over.is_set():
            try:
                if connection is None:
                    host, port = self._system.address("web")
                    connection = http.client.HTTPSConnection(host, port, timeout=60, context=ssl._create_unverified_context())
                connection.request("POST", "/echo", body=b"hello")
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (200, b"hello")
                self.done += 1
                if not kept or answer.getheader("connection") == "close":
                    connection.close()
                    connection = None
            except Exception as error:
                self.failures.append(repr(error))
                connection = None

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_a_new_certificate_is_served_by_itself_without_a_failed_request(start, make_certificate):
    system = start()
    load = Load(system)
    try:
        for serial in (2, 3):
            make_certificate(system.folder, serial)
            wait_for_serial(system, serial)
    finally:
        load.stop()
    assert load.failures == []
    assert load.done > 10
    assert system.stop() == 0


def test_a_broken_pair_leaves_the_old_one_serving_until_it_is_mended(start, make_certificate):
    system = start()
    certificate = system.folder / "certificate.pem"
    key = system.folder / "key.pem"
    good = certificate.read_text(), key.read_text()
    worker = system.ready["worker"]
    for text, why in (("no certificate", "holds no certificate in PEM"), (good[0], "holds another key than that of the first certificate")):
        if text == good[0]:
            make_certificate(system.folder, 7, names=("other", "other_key"))
            (system.folder / "other_key.pem").rename(key)
        certificate.write_text(text)
        system.wait_for_log(why)
        assert system.reread()["worker"] == worker
        assert served_serial(system) == 1
    system.wait_for_log("the reload failed: the new worker ended while it started; what serves goes on")
    (system.folder / "other.pem").rename(certificate)
    wait_for_serial(system, 7)
    wait_until(lambda: metric(system, "trilby_certificate_renewals_total", result="ok") == 1, "the new worker tells of both")
    assert metric(system, "trilby_certificate_renewals_total", result="failed") >= 2
    assert metric(system, "trilby_reloads_total") == 0
    assert system.stop() == 0


def test_a_new_certificate_takes_nothing_of_a_manifest_that_is_being_edited(start, make_certificate):
    system = start()
    system.manifest.write_text("half a manifest")
    make_certificate(system.folder, 2)
    wait_for_serial(system, 2)
    with httpx.Client(verify=False) as client:
        assert client.get(system.url("web") + "/text").text == "a text"


def starting_worker(system):
    """Waits for a worker beside the one that serves; returns its pid."""
    children = Path(f"/proc/{system.process.pid}/task/{system.process.pid}/children")
    deadline = time.monotonic() + 30
    while not (others := set(map(int, children.read_text().split())) - {system.ready["worker"]}):
        assert time.monotonic() < deadline, system.log()
    return others.pop()


def test_a_new_certificate_is_served_though_the_reload_with_it_fails(start, make_certificate):
    """Who renews certificates may ask for a reload, when somebody is in the middle of something else."""
    system = start()
    (system.folder / "broken.wasm").write_bytes(b"\0asm")
    with system.manifest.open("a") as manifest:
        manifest.write(f'[function.broken]\nmodule = "{system.folder}/broken.wasm"\n')
    make_certificate(system.folder, 2)
    system.process.send_signal(signal.SIGHUP)
    system.wait_for_log("the reload failed")
    wait_for_serial(system, 2)


def test_a_new_certificate_is_served_though_the_reload_behind_it_fails(start, make_certificate):
    system = start()
    system.process.send_signal(signal.SIGHUP)
    starting = starting_worker(system)
    os.kill(starting, signal.SIGSTOP)  # so that both wishes wait for it
    make_certificate(system.folder, 2)
    system.wait_for_log("a file has changed")
    system.manifest.write_text("half a manifest")
    system.process.send_signal(signal.SIGHUP)
    os.kill(starting, signal.SIGKILL)
    system.wait_for_log("the reload failed; what serves goes on")
    wait_for_serial(system, 2)


def test_a_new_certificate_is_tried_again_when_its_worker_was_killed(start, make_certificate):
    system = start()
    make_certificate(system.folder, 2)
    os.kill(starting_worker(system), signal.SIGKILL)
    system.wait_for_log("signal 9 (Killed)")
    wait_for_serial(system, 2)
    assert system.stop() == 0


def test_a_crash_while_the_files_are_broken_lasts_until_they_are_mended(start):
    system = start()
    key = system.folder / "key.pem"
    good = key.read_text()
    key.write_text("no key")
    system.wait_for_log("what serves goes on")
    os.kill(system.ready["worker"], signal.SIGKILL)
    system.wait_for_log("the worker ended while it started; starting another")
    with socket.create_connection(system.address("web"), timeout=60) as waiting:  # the sockets stay open
        key.write_text(good)
        with ssl._create_unverified_context().wrap_socket(waiting) as connection:
            connection.sendall(request("GET", "/text"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert system.stop() == 0


def test_a_reload_may_turn_tls_on_and_off(start):
    system = start()
    text = system.manifest.read_text()
    address = system.address("web")
    with_tls = re.search(r"^tls = .*\n", text, re.M)[0]
    for now, scheme in ((text.replace(with_tls, ""), "http"), (text, "https")):
        system.manifest.write_text(now)
        system.process.send_signal(1)
        system.wait_for_another_worker()
        assert system.url("web") == f"{scheme}://{address[0]}:{address[1]}", "the socket is the same"
        with httpx.Client(verify=False) as client:
            assert client.get(system.url("web") + "/text").text == "a text"
    assert system.stop() == 0


def test_the_key_is_in_no_log_metric_or_core_file(system):
    key = (system.folder / "key.pem").read_text()
    secret = max(key.splitlines(), key=len)
    for page in (system.log(), httpx.get(system.admin + "/metrics").text, httpx.get(system.admin + "/calls").text):
        assert secret not in page
    limits = Path(f"/proc/{system.ready['worker']}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


@pytest.mark.parametrize(("change", "says"), [
    (lambda folder: (folder / "key.pem").unlink(), "app.web.tls.key: {folder}/key.pem cannot be read: No such file or directory"),
    (lambda folder: (folder / "certificate.pem").write_text("x"), 'app.web.tls.certificate: {folder}/certificate.pem holds no certificate in PEM'),
    (lambda folder: (folder / "key.pem").write_text("x"), "app.web.tls.key: {folder}/key.pem holds no private key in PEM"),
])
def test_what_is_wrong_is_said_before_anything_is_served(trilby, guests, make_certificate, tmp_path, change, says):
    make_certificate(tmp_path)
    change(tmp_path)
    manifest = tmp_path / "trilby.toml"
    manifest.write_text("trilby = 1\n" + TEXT.format(folder=tmp_path, guests=guests, protocol="http"))
    for command in (["check", "-m", manifest], ["up", manifest, "--port", "web=0", "--port", "web.public=0", "--admin-port", "0"]):
        ended = subprocess.run([trilby, *command], capture_output=True, text=True, timeout=120)
        assert ended.returncode == 78
        assert f"{manifest}:7: " + says.format(folder=tmp_path) in ended.stderr


def test_a_certificate_that_has_expired_is_served_and_said(start, make_certificate):
    system = start()
    make_certificate(system.folder, 9, days=1, age=2)
    system.wait_for_log("the certificate has expired")
    wait_for_serial(system, 9)
    assert system.stop() == 0
