"""Hostile callers: each is answered or cut off as docs/http.md says, nothing dies of it, and the next request is fine."""

import contextlib
import json
import resource
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from observed import metric, wait_until
from raw_http import Peer, ask, request

pytestmark = pytest.mark.usefixtures("unharmed")

KIB = 1024
FOREVER = (60_000_000_000).to_bytes(8, "little")  # nanoseconds
MUCH = b"\x01\xc0"  # 192 times 64 KiB on standard output
HEAD = b"POST /echo HTTP/1.1\r\nHost: a\r\n"

MANIFEST = """
[server]
{patience}
request_bodies = "1MiB"
response_bodies = "64MiB"

[app.api]
port = 1
[[app.api.route]]
path = "/text/*"
text = "here"
[[app.api.route]]
path = "/led"
invoke = "other/sleep"
{routes}
[app.other]
port = 2
[[app.other.route]]
path = "/sleep"
function = "sleep"
{functions}
"""
LIMITS = {
    "echo": 'request_body = "512KiB"\nresponse_body = "1MiB"\n',
    "sleep": 'request_body = "1KiB"\nresponse_body = "1MiB"\nconcurrency = 2\nqueue = 2\nqueue_wait = "1m"\nwall = "1m"\n',
    "spin": 'request_body = "1KiB"\nresponse_body = "1MiB"\ncpu = "1m"\nwall = "1m"\n',
    "flood": 'request_body = "1KiB"\nresponse_body = "16MiB"\nmemory = "32MiB"\ncpu = "10s"\n',
}


IMPATIENT = 'head_timeout = "1s"\nbody_idle = "1s"'


def manifest(guests, patience=""):
    routes = "".join(f'[[app.api.route]]\nmethod = "POST"\npath = "/{name}"\nfunction = "{name}"\n' for name in LIMITS)
    functions = "".join(f'[function.{name}]\nmodule = "{guests}/{name}.wasm"\n[function.{name}.limits]\n{limits}' for name, limits in LIMITS.items())
    return MANIFEST.format(patience=patience, routes=routes, functions=functions)


@pytest.fixture(scope="module")
def system(request, start_system, guests):
    """It has the patience that is written for it, or the usual one: a test that is late itself is not taken for a caller who is."""
    return start_system(manifest(guests, getattr(request, "param", "")), "--loops", "2", env={"TRILBY_LOG_FORMAT": "json"})


impatient = pytest.mark.parametrize("system", [IMPATIENT], indirect=True, ids=["impatient"])


def reason(answer):
    return answer.status, answer.fields["trilby-reason"]


class Reluctant(Peer):
    """Has little room for what it has not read, and asks for 12 MiB, which no other buffer on the way holds."""

    def __init__(self, address, fields=()):
        self.socket = socket.socket()
        self.socket.settimeout(60)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(address)
        self._file = self.socket.makefile("rb")
        self.send(request("POST", "/flood", fields, MUCH))


def drip(peer, data):
    """A byte at a time for as long as the server takes them."""
    with contextlib.suppress(OSError):
        for byte in data:
            peer.send(bytes([byte]))
            time.sleep(0.02)


# ---- slowness

@impatient
def test_a_head_that_drips_is_408(api):
    with Peer(api) as peer, ThreadPoolExecutor(1) as pool:
        dripping = pool.submit(drip, peer, b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 500)
        assert reason(peer.answer()) == (408, "request-timeout")
        peer.socket.shutdown(socket.SHUT_RDWR)
        dripping.result()


@impatient
@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8;extension="], ids=["length", "chunked"])
def test_a_body_that_drips_is_408(api, framing):
    with Peer(api) as peer, ThreadPoolExecutor(1) as pool:
        peer.send(HEAD + framing)
        dripping = pool.submit(drip, peer, b"x" * 500)
        assert reason(peer.answer()) == (408, "request-timeout")
        peer.socket.shutdown(socket.SHUT_RDWR)
        dripping.result()


@impatient
def test_a_body_that_stops_is_408(api):
    with Peer(api) as peer:
        peer.send(HEAD + b"Content-Length: 1000\r\n\r\nabc")
        assert reason(peer.answer()) == (408, "request-timeout")
        assert peer.is_closed()


@impatient
def test_a_reader_who_does_not_read_is_cut_off(system, api):
    with Reluctant(api) as peer:
        wait_until(lambda: metric(system, "trilby_calls_total", function="flood") >= 1, "the call did not end")
        wait_until(lambda: metric(system, "trilby_http_requests_live") == 0, "the answer still waits")
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := peer.socket.recv(1 << 20):
                got += len(piece)
        assert got < 0xC0 * 64 * KIB, "it never saw the end"


def test_bodies_cannot_take_all_memory(start_system, guests):
    """Senders who stop in the middle, then readers who do not read: both only up to a budget, which comes back."""
    system = start_system(manifest(guests))
    api = system.address("api")
    large = request("POST", "/echo", body=bytes(512 * KIB))
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(Peer(api)) for _ in range(20)]
        for peer in senders:
            peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % (500 * KIB))
        assert ask(api, large).status == 200, "an announcement takes nothing"
        refused = None
        for peer in senders:
            peer.send(bytes(300 * KIB))
            if (answer := ask(api, large)).status != 200:
                refused = answer
                break
        assert reason(refused) == (503, "overloaded")
        assert refused.fields["retry-after"] == "1"
        assert ask(api, request("POST", "/echo", body=bytes(4 * KIB))).status == 200, "small ones always have room"
        assert ask(api, request("GET", "/text/a")).body == b"here"
    wait_until(lambda: ask(api, large).status == 200, "the room did not come back")

    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(Reluctant(api))
        wait_until(lambda: metric(system, "trilby_calls_total", function="flood") == 8, "the calls did not end")
        assert metric(system, "trilby_calls_total", function="flood", reason="overloaded") > 0, "64 MiB do not hold 8 answers of 12"
        assert metric(system, "trilby_calls_total", function="flood", reason="ok") > 0
    wait_until(lambda: ask(api, request("POST", "/flood", body=MUCH)).status == 200, "the room did not come back")


# ---- size and number

@pytest.mark.parametrize("head", [
    b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x" * 40_000 + b": a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: a\r\n" * 100 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: " + b"a," * 200 + b"\r\n\r\n",
    b"\r\n" * 20_000,
], ids=["target", "name", "value", "fields", "options", "empty lines"])
def test_a_head_without_end_is_431(api, head):
    with Peer(api) as peer:
        with contextlib.suppress(OSError):
            peer.send(head)
        assert reason(peer.answer()) == (431, "head-too-large")
        assert peer.is_closed()


@pytest.mark.parametrize("length", [512 * KIB + 1, 2**40, 2**63, 2**64 - 1])
def test_a_body_that_is_announced_too_large_is_413_at_once(api, length):
    with Peer(api) as peer:
        peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % length)
        assert reason(peer.answer()) == (413, "body-too-large")


def test_a_chunked_body_without_end_is_413_at_the_limit(api):
    with Peer(api) as peer:
        with contextlib.suppress(OSError):
            peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(64 * KIB) + b"\r\n") * 9)
        assert reason(peer.answer()) == (413, "body-too-large")


@pytest.mark.parametrize("framing", [
    b"1;" + b"x" * 40_000,
    (b"1;" + b"x" * 400 + b"\r\na\r\n") * 1000,
    b"0\r\n" + b"trailer: x\r\n" * 10_000,
], ids=["extension", "extensions", "trailers"])
def test_more_framing_than_body_is_400(api, framing):
    with Peer(api) as peer:
        with contextlib.suppress(OSError):
            peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + framing)
        assert reason(peer.answer()) == (400, "bad-request")
        assert peer.is_closed()


# ---- what two parsers read in two ways

@pytest.mark.parametrize("chunks", [
    b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5\rhello\r0\r\r", b"5\r\nhello0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"g\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n",
], ids=range(12))
def test_tricks_with_chunk_sizes_are_400(api, chunks):
    with Peer(api) as peer:
        peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + request("GET", "/text/smuggled"))
        assert reason(peer.answer()) == (400, "bad-request")
        assert peer.is_closed()


@pytest.mark.parametrize("fields", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 5, 6\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: 5 5\r\n",
    b"Content-Length: 0x5\r\n",
    b"Content-Length:\r\n",
    b"Content-Length: 18446744073709551621\r\n",
    b"Host: b\r\n",
    b"Host: a\r\n",
    b"Host: a b\r\n",
    b"Host: a/b\r\n",
    b"Host: user@a\r\n",
], ids=range(21))
def test_two_readings_of_one_head_are_400(api, fields):
    with Peer(api) as peer:
        peer.send(HEAD + fields + b"\r\n0\r\n\r\n" + request("GET", "/text/smuggled"))
        assert reason(peer.answer()) == (400, "bad-request")
        assert peer.is_closed(), "nothing of what follows is a request"


def test_a_target_in_absolute_form_is_its_path(api):
    for target in ("http://a/text/x", "HTTP://a.example:80/text/x", "https://[::1]/text/x?q"):
        assert ask(api, request("GET", target)).body == b"here"
    for target in ("http:///text/x", "http://user@a/text/x", "http://a b/text/x", "ftp://a/text/x", "file:///etc/passwd", "//a/text/x", "text/x", "*", "a:80"):
        assert reason(ask(api, request("GET", target))) == (400, "bad-request"), target


@pytest.mark.parametrize("path", [
    "/text/%2e%2e/echo", "/text/%2E%2E%2Fecho", "/text/..%2fecho", "/text/.%2e/x", "/text/../x", "/text/./x", "/text//x", "//text/x", "/text/x//", "/%2ftext/x", "/text/%5c..%5cx",
    "/text/%00", "/text/%0d%0aset-cookie:%20a", "/text/%", "/text/%2", "/text/%zz", "/text/%c0%ae%c0%ae/x", "/text/%ff", "/text/x#y",
])
def test_ambiguous_paths_are_400(api, path):
    assert reason(ask(api, request("GET", path))) == (400, "bad-request")


def test_paths_are_decoded_once(api):
    assert ask(api, request("GET", "/%74ext/%252e%252e")).body == b"here", "which is no dot segment any more"
    assert ask(api, request("GET", "/TEXT/x")).status == 404


# ---- order

def test_pipelined_requests_are_answered_in_order_whatever_they_are(api):
    with Peer(api) as peer:
        peer.send(b"".join((
            request("POST", "/echo", body=b"1"), request("GET", "/nowhere"), request("POST", "/nowhere", body=b"unread"),
            request("HEAD", "/text/x"), request("POST", "/sleep", body=bytes(8)), request("POST", "/echo", body=b"2"), b"garbage\r\n\r\n",
            request("GET", "/text/after-garbage"))))
        assert peer.answer().body == b"1"
        assert peer.answer().status == 404
        assert peer.answer().status == 404
        assert peer.answer("HEAD").status == 200
        assert peer.answer().body == b"awake"
        assert peer.answer().body == b"2"
        assert peer.answer().status == 400
        assert peer.is_closed()


def test_an_unread_body_is_no_request(api):
    smuggled = request("GET", "/text/smuggled")
    with Peer(api) as peer:
        peer.send(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(smuggled))
        assert peer.answer().status == 404
        peer.send(smuggled + request("POST", "/echo", body=b"mine"))
        assert peer.answer().body == b"mine"


def test_a_flood_of_pipelined_requests_is_read_as_it_is_answered(api):
    flood = request("GET", "/text/x") * 20_000
    with Peer(api) as peer, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(peer.send, flood)
        assert {peer.answer().body for _ in range(20_000)} == {b"here"}
        sending.result()


# ---- who leaves

def leave(peer, how):
    if how == "reset":
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(("stage", "function"), [
    ("body", "echo"), ("queue", "sleep"), ("compute", "spin"), ("sleep", "sleep"), ("led", "sleep"),
])
def test_who_leaves_takes_the_call_along(system, api, stage, function, how):
    name = f"leaves-at-the-{stage}-{how}"
    field = [f"X-Request-Id: {name}"]
    with contextlib.ExitStack() as stack:
        if stage == "queue":  # both slots are taken
            for _ in range(2):
                stack.enter_context(Peer(api)).send(request("POST", "/sleep", body=FOREVER))
            wait_until(lambda: metric(system, "trilby_calls_live", function=function) == 2, "the slots stayed free")
        before = metric(system, "trilby_calls_live", function=function)
        peer = Peer(api)
        if stage == "body":
            peer.send(HEAD + b"X-Request-Id: %s\r\nContent-Length: 1000\r\n\r\nabc" % name.encode())
        else:
            path = {"queue": "/sleep", "compute": "/spin", "sleep": "/sleep", "led": "/led"}[stage]
            peer.send(request("POST", path, field, FOREVER))
        wait_until(lambda: metric(system, "trilby_calls_live", function=function) == before + 1, "the call did not begin")
        leave(peer, how)
        line = json.loads(system.wait_for_log(name, 60))
        assert (line["status"], line["reason"]) == (499, "cancelled")
        assert metric(system, "trilby_calls_live", function=function) == before
    wait_until(lambda: metric(system, "trilby_calls_live", function=function) == 0, "a call outlived its caller")


def test_who_leaves_an_answer_unread_is_not_called_served(system, api):
    name = "leaves-in-the-middle-of-its-answer"
    with Reluctant(api, [f"X-Request-Id: {name}"]) as peer:
        assert peer.socket.recv(100).startswith(b"HTTP/1.1 200")
    line = json.loads(system.wait_for_log(name, 60))
    assert (line["status"], line["reason"]) == (200, "cancelled")
    assert line["response_bytes"] < 0xC0 * 64 * KIB


def test_a_callers_deadline_holds_wherever_the_call_is(system, api):
    timeout = ["Trilby-Timeout: 150ms"]
    with Peer(api) as peer:
        peer.send(HEAD + b"Trilby-Timeout: 150ms\r\nContent-Length: 1000\r\n\r\nabc")
        assert reason(peer.answer()) == (504, "limit-wall")
    for path in ("/sleep", "/spin", "/led"):
        answer = ask(api, request("POST", path, timeout, FOREVER))
        assert reason(answer) == (504, "limit-wall"), path
        assert json.loads(answer.body)["detail"] == "the caller gave it no more time"
    with Peer(api) as first, Peer(api) as second:
        for peer in (first, second):
            peer.send(request("POST", "/sleep", body=FOREVER))
        wait_until(lambda: metric(system, "trilby_calls_live", function="sleep") == 2, "the slots stayed free")
        assert reason(ask(api, request("POST", "/sleep", timeout, FOREVER))) == (504, "limit-wall")
    for text in ("soon", "10", "-1s", "0s", "25h", "1s, 1s"):
        assert reason(ask(api, request("POST", "/echo", [f"Trilby-Timeout: {text}"], b"x"))) == (400, "bad-request"), text
    assert ask(api, request("POST", "/echo", ["Trilby-Timeout: 1h"], b"x")).body == b"x"


# ---- many connections

def test_no_loop_idles_while_another_has_the_connections(system, api):
    def on_loops():
        return [metric(system, "trilby_loop_connections", loop=loop) for loop in (0, 1)]

    wait_until(lambda: sum(on_loops()) == 0, "earlier connections did not end")
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(api)) for _ in range(40)]
        for peer in peers:
            peer.send(request("GET", "/text/x"))
            assert peer.answer().body == b"here"
        assert on_loops() == [20, 20]
        for peer in peers[::2]:  # all of one loop, for they were dealt in turn
            peer.close()
        wait_until(lambda: sum(on_loops()) == 20, "the connections did not end")
        for peer in [stack.enter_context(Peer(api)) for _ in range(20)]:
            peer.send(request("GET", "/text/x"))
            assert peer.answer().body == b"here"
        assert on_loops() == [20, 20]
        busy = [stack.enter_context(Peer(api)) for _ in range(8)]
        for peer in busy:
            peer.send(request("POST", "/spin", body=b""))
        wait_until(lambda: metric(system, "trilby_calls_live", function="spin") == 8, "not all of them run")
        assert [metric(system, "trilby_loop_requests_live", loop=loop) for loop in (0, 1)] == [4, 4]
    wait_until(lambda: metric(system, "trilby_calls_live", function="spin") == 0, "a call outlived its caller")


def test_out_of_descriptors_accepting_pauses_and_goes_on(system, api):
    worker = system.ready["worker"]
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(Peer(api))
        kept.send(request("POST", "/echo", body=b"a"))
        assert kept.answer().body == b"a"
        admin = stack.enter_context(httpx.Client())
        admin.get(f"{system.admin}/livez")
        used = max(int(name.name) for name in Path(f"/proc/{worker}/fd").iterdir()) + 1
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 4, before[1]))
        try:
            waiting = [stack.enter_context(Peer(api)) for _ in range(20)]  # the kernel takes them into its queue
            system.wait_for_log("cannot accept connections")
            for _ in range(10):
                kept.send(request("POST", "/echo", body=b"b"))
                assert kept.answer().body == b"b", "who is served goes on"
            assert admin.get(f"{system.admin}/livez").status_code == 200
        finally:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        for peer in waiting:
            peer.send(request("POST", "/echo", body=b"c"))
            assert peer.answer().body == b"c", "and who waited is served"
