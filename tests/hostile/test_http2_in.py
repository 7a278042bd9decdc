"""Hostile callers who speak HTTP/2: each connection ends as docs/http.md says, nothing dies of it, and the next request is fine."""

import json
import struct
import subprocess

import pytest
from observed import metric, wait_until
from raw_http import Peer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
CALM = 11
FOREVER = (60_000_000_000).to_bytes(8, "little")  # nanoseconds

MANIFEST = """
[app.api]
port = 1
public = "127.0.0.1:0"
[[app.api.route]]
path = "/text/*"
text = "here"
[[app.api.route]]
method = "POST"
path = "/echo"
function = "echo"
[[app.api.route]]
method = "POST"
path = "/sleep"
function = "sleep"
[function.echo]
module = "{guests}/echo.wasm"
[function.echo.limits]
request_body = "512KiB"
[function.sleep]
module = "{guests}/sleep.wasm"
[function.sleep.limits]
wall = "1m"
"""


@pytest.fixture(scope="module")
def system(start_system, guests):
    return start_system(MANIFEST.format(guests=guests), "--loops", "2", env={"TRILBY_LOG_FORMAT": "json"})


@pytest.fixture(autouse=True)
def unharmed_in_either_version(unharmed, api):
    yield
    host, port = api
    assert curl(f"http://{host}:{port}/echo", "--data-binary", "next")[-1] == "next"


def curl(url, *options):
    """Status, version, one field of ours, and the body."""
    done = subprocess.run(["curl", "--silent", "--http2-prior-knowledge", "--max-time", "60", "--write-out",
                           "\n%{http_code} %{http_version} %header{trilby-reason}", *options, url],
                          capture_output=True, text=True, check=True)
    body, line = done.stdout.rsplit("\n", 1)
    return *line.split(" "), body


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    """Literal, not indexed; both short."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(method=b"GET", path=b"/text/a"):
    return field(b":method", method) + field(b":scheme", b"http") + field(b":path", path) + field(b":authority", b"a")


class Http2Peer(Peer):
    def __init__(self, address):
        super().__init__(address)
        self.send(PREFACE + frame(SETTINGS, 0, 0))

    def flood(self, data):
        """Sends as much of it as is taken."""
        try:
            self.send(data)
        except OSError:
            pass

    def frames(self):
        """All that come before the end of the connection."""
        try:
            while len(start := self._file.read(9)) == 9:
                yield start[3], start[4], int.from_bytes(start[5:], "big"), self._file.read(int.from_bytes(start[:3], "big"))
        except ConnectionResetError:
            pass

    def goaway(self):
        """The error of the last GOAWAY before the end of the connection."""
        errors = [int.from_bytes(payload[4:8], "big") for kind, _, _, payload in self.frames() if kind == GOAWAY]
        return errors[-1] if errors else None


def test_who_speaks_http2_gets_what_others_get(api):
    host, port = api
    assert curl(f"http://{host}:{port}/text/a") == ("200", "2", "ok", "here")
    assert curl(f"http://{host}:{port}/nowhere")[:3] == ("404", "2", "not-found")
    assert curl(f"http://{host}:{port}/echo", "--data-binary", "x" * 100_000) == ("200", "2", "ok", "x" * 100_000)


def test_a_body_over_the_limit_is_413(api):
    """And is not waited for: the stream is closed without an error, and the connection serves the next one. (Not with curl, of which some
    versions call that a failure while they send.)"""
    with Http2Peer(api) as peer:
        peer.send(frame(HEADERS, END_HEADERS, 1, head(b"POST", b"/echo") + field(b"content-length", b"600000")))
        answer = b""
        for kind, _, stream, payload in peer.frames():
            if kind == DATA and stream == 1:
                answer += payload
            elif kind == RST_STREAM and stream == 1:
                assert payload == bytes(4)
                break
        problem = json.loads(answer)
        assert (problem["status"], problem["reason"]) == (413, "body-too-large")
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, head()))
        assert next(payload for kind, _, stream, payload in peer.frames() if kind == DATA and stream == 3) == b"here"


def test_what_only_begins_like_the_preface_is_400(api):
    for garbage in (PREFACE[:-1] + b"x", b"PRI * HTTP/2.0\r\n\r\nxx\r\n\r\n", b"PRI / HTTP/1.1\r\nHost: a\r\n\r\n"):
        with Peer(api) as peer:
            peer.send(garbage)
            assert peer.answer().status == 400
            assert peer.answer() is None


RAPID_RESETS = b"".join(frame(HEADERS, END_HEADERS | END_STREAM, stream, head()) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
                        for stream in range(1, 6000, 2))


def test_rapid_resets_are_the_end_of_the_connection(api):
    with Http2Peer(api) as peer:
        peer.flood(RAPID_RESETS)
        assert peer.goaway() == CALM


def test_a_sidecar_may_break_off_what_its_callers_have_begun(system):
    """They share its connection: that would end the calls of them all."""
    host, port = system.ready["apps"]["api"]["channel"].rpartition("//")[2].split(":")
    with Http2Peer((host, int(port))) as peer:
        peer.flood(RAPID_RESETS)
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 6001, head()))
        assert next(payload for kind, _, stream, payload in peer.frames() if kind == DATA and stream == 6001) == b"here"


def test_rapid_resets_of_calls_that_run_leave_room_for_others(system, api):
    """Each call is given time to begin; none outlives its stream, though the connection stays."""
    with Http2Peer(api) as peer:
        for stream in range(1, 200, 2):
            peer.send(frame(HEADERS, END_HEADERS, stream, head(b"POST", b"/sleep")) + frame(DATA, END_STREAM, stream, FOREVER))
            peer.send(frame(PING, 0, 0, b"12345678"))
            while next(peer.frames())[:2] != (PING, 1):
                pass
            peer.send(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
        wait_until(lambda: metric(system, "trilby_calls_live", function="sleep") == 0, "a call outlived its stream")
        assert metric(system, "trilby_calls_total", function="sleep", reason="cancelled") == 100


@pytest.mark.parametrize("flood", [
    frame(PING, 0, 0, b"12345678"),
    frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1)),
    frame(PRIORITY, 0, 1, struct.pack(">IB", 3, 1)),
    frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)),
    frame(DATA, 0, 1),
    frame(0x77, 0, 0, b"unknown"),
], ids=["ping", "settings", "priority", "window-update", "empty-data", "unknown"])
def test_floods_are_the_end_of_the_connection(api, flood):
    with Http2Peer(api) as peer:
        peer.send(frame(HEADERS, END_HEADERS, 1, head(b"POST", b"/echo")))
        peer.flood(flood * 5000)
        assert peer.goaway() == CALM


def test_continuations_without_end_are_the_end_of_the_connection(api):
    with Http2Peer(api) as peer:
        peer.flood(frame(HEADERS, END_STREAM, 1, head()) + frame(CONTINUATION, 0, 1, field(b"a", b"b")) * 5000)
        assert peer.goaway() == CALM
