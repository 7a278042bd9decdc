"""What comes over a socket and is not what a browser would send."""

import subprocess

import pytest
from raw_http import Peer, ask, request

MAX_BODY = 8 * 1024 * 1024


@pytest.fixture
def api(guest_system):
    return guest_system.address("api")


def still_serves(api):
    answer = ask(api, request("POST", "/echo", body=b"still here"))
    return answer.status == 200 and answer.body == b"still here"


@pytest.mark.parametrize("garbage", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nxx\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nx: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
], ids=range(15))
def test_garbage_is_400_and_the_end(api, garbage):
    with Peer(api) as peer:
        peer.send(garbage)
        answer = peer.answer()
        assert answer.status == 400
        assert answer.fields["connection"] == "close"
        assert answer.fields["trilby-reason"] == "bad-request"
        assert answer.fields["content-type"] == "application/problem+json"
        assert peer.is_closed()
    assert still_serves(api)


@pytest.mark.parametrize("target", [
    "/../etc/passwd", "/%2e%2e/etc/passwd", "/a/..%2f..%2fetc/passwd", "//etc/passwd", "/a//b", "/./echo", "/echo%00", "/echo%5c", "/%ff", "/%",
])
def test_ambiguous_paths_are_400(api, target):
    answer = ask(api, request("POST", target))
    assert (answer.status, answer.fields["trilby-reason"]) == (400, "bad-request")


@pytest.mark.parametrize("fields", [
    ["x: " + "a" * 40_000],
    [f"x-{i}: a" for i in range(101)],
], ids=["long", "many"])
def test_a_head_over_the_limit_is_431(api, fields):
    answer = ask(api, request("GET", "/", fields))
    assert (answer.status, answer.fields["trilby-reason"]) == (431, "head-too-large")
    assert still_serves(api)


def test_requests_in_a_row_are_answered_in_order(api):
    with Peer(api) as peer:
        peer.send(b"".join(request("POST", "/echo", body=b"%d" % i) for i in range(50)))
        assert [peer.answer().body for _ in range(50)] == [b"%d" % i for i in range(50)]


def test_a_chunked_body_is_taken_in_pieces(api):
    with Peer(api) as peer:
        peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"5\r\nhello\r\n", b"6;ext=1\r\n", b" world\r\n", b"0\r\ntrailer: x\r\n\r\n"):
            peer.send(piece)
        assert peer.answer().body == b"hello world"


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"5\r\nhelloX", b"fffffffffffffffff\r\n", b"5\nhello\n0\n\n"])
def test_a_malformed_chunk_is_400(api, chunk):
    with Peer(api) as peer:
        peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        assert peer.answer().status == 400
        assert peer.is_closed()


def test_an_announced_body_over_the_limit_is_refused_unread(api):
    with Peer(api) as peer:
        peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1))
        answer = peer.answer()
        assert (answer.status, answer.fields["trilby-reason"]) == (413, "body-too-large")


def test_a_chunked_body_is_refused_at_the_limit(api):
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with Peer(api) as peer:
        peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(MAX_BODY // 0x10000):
            peer.send(piece)
        peer.send(b"1\r\nx\r\n")
        assert peer.answer().status == 413


def test_a_sender_who_goes_on_sees_the_refusal(api):
    """Browsers send the whole body before they look: the connection must not be reset under them."""
    with Peer(api) as peer:
        peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (2 * MAX_BODY))
        for _ in range(2 * MAX_BODY // 0x10000):
            peer.send(bytes(0x10000))
        assert peer.answer().status == 413


def test_a_body_is_asked_for_only_when_it_is_wanted(api):
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with Peer(api) as peer:
        peer.send(head % b"/echo")
        assert peer.answer().status == 100
        peer.send(b"hello")
        assert peer.answer().body == b"hello"
    with Peer(api) as peer:
        peer.send(head % b"/nowhere")
        assert peer.answer().status == 404


def test_nothing_of_a_call_speaks_for_trilby(api):
    answer = ask(api, request("POST", "/echo", ["X-Request-Id: chosen-by-the-caller", "Trilby-Reason: forged"], b"x"))
    assert answer.fields["x-request-id"] == "chosen-by-the-caller"
    assert answer.fields["trilby-reason"] == "ok"
    odd = ask(api, request("POST", "/echo", ["X-Request-Id: no id\tat all"], b"x"))
    assert odd.fields["x-request-id"] != "no id\tat all"


def test_the_connection_ends_when_the_caller_wants_that(api):
    with Peer(api) as peer:
        peer.send(request("POST", "/echo", ["Connection: close"], b"x"))
        assert peer.answer().fields["connection"] == "close"
        assert peer.is_closed()
    with Peer(api) as peer:
        peer.send(b"POST /echo HTTP/1.0\r\nContent-Length: 1\r\n\r\nx")
        assert peer.answer().body == b"x"
        assert peer.is_closed()


def test_a_caller_who_leaves_ends_the_call(guest_system, api):
    peer = Peer(api)
    peer.send(request("POST", "/sleep", ["X-Request-Id: gone-before-the-end"], (30_000_000_000).to_bytes(8, "little")))
    peer.close()
    line = guest_system.wait_for_log("gone-before-the-end")
    assert '"reason":"cancelled"' in line
    assert '"status":499' in line


def test_half_a_request_harms_nobody(api):
    for data in (b"", b"POST /echo HTT", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"):
        with Peer(api) as peer:
            peer.send(data)
    assert still_serves(api)


@pytest.mark.parametrize(("allowed", "version"), [("false", "1.1"), ("true", "2")])
def test_an_upgrade_to_http2_is_taken_up_where_it_is_allowed(start_system, allowed, version):
    """curl --http2 asks for it without TLS."""
    system = start_system(f'[server]\nh2c_upgrade = {allowed}\n[app.web]\nport = 1\n[[app.web.route]]\npath = "/*"\ntext = "a text"\n')
    url = system.url("web")
    done = subprocess.run(["curl", "-sS", "--http2", "-w", " %{http_version}\n", f"{url}/a", f"{url}/b"], capture_output=True, text=True, check=True)
    assert done.stdout == f"a text {version}\n" * 2
