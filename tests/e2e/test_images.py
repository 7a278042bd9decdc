"""The article's three services, as a client sees them."""

import io
import pathlib
import socket
import struct
import urllib.parse
import zlib

import httpx
import pytest
import skimage
from PIL import Image

LIMIT = 8 * 1024 * 1024
DATA = pathlib.Path(skimage.data_dir)


def encoded(name: str, kind: str, **options) -> bytes:
    out = io.BytesIO()
    Image.open(DATA / name).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def raw(url: str, request: bytes, wait: float = 20) -> bytes:
    """Sends bytes as they are, and reads until the server closes."""
    at = urllib.parse.urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=wait) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@pytest.fixture(scope="module")
def web(system):
    return system.url("go-web-port")


@pytest.fixture(scope="module")
def gray(system):
    return system.url("image-api-rs") + "/api/image"


@pytest.fixture(scope="module")
def food(system):
    return system.url("image-api-go") + "/api/image"


def problem(answer: httpx.Response, status: int, reason: str) -> dict:
    assert answer.status_code == status
    assert answer.headers["trilby-reason"] == reason
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["reason"] == reason
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


# ---- gray pictures


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_picture_becomes_a_gray_png(gray, kind):
    answer = httpx.post(gray, content=encoded("coffee.png", kind))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.mode, picture.size) == ("L", (600, 400))


def test_gray_is_the_articles_truncated_rec_709_luma(gray):
    picture = Image.new("RGB", (3, 1))
    picture.putdata([(255, 0, 0), (0, 255, 0), (10, 200, 77)])
    out = io.BytesIO()
    picture.save(out, "PNG")
    answer = httpx.post(gray, content=out.getvalue())
    assert list(Image.open(io.BytesIO(answer.content)).tobytes()) == [54, 182, int(2.126 + 143.04 + 5.5594)]


def test_a_gif_stays_a_gif(gray):
    answer = httpx.post(gray, content=encoded("chelsea.png", "GIF"))
    assert answer.headers["content-type"] == "image/gif"
    assert Image.open(io.BytesIO(answer.content)).format == "GIF"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"this is text", "not a picture"),
        (encoded("coffee.png", "JPEG")[:20_000], ""),
        (encoded("coffee.png", "PNG")[:20_000], ""),
        (encoded("coffee.png", "WEBP"), "WebP"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEI"),
    ],
    ids=["empty", "text", "cut-jpeg", "cut-png", "webp", "heic"],
)
@pytest.mark.parametrize("service", ["gray", "food"])
def test_what_cannot_be_read_is_422_with_the_guests_words(request, service, body, words):
    document = problem(httpx.post(request.getfixturevalue(service), content=body), 422, "bad-input")
    assert words.lower() in document["detail"].lower()
    assert len(document["detail"]) > 10


def test_a_png_that_claims_to_be_huge_is_refused_and_the_next_request_is_fine(gray):
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = zlib.compress(bytes(1_000_000))
    bomb += struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    answer = httpx.post(gray, content=bomb)
    assert (answer.status_code, answer.headers["trilby-reason"]) in {(422, "bad-input"), (500, "limit-memory")}
    assert httpx.post(gray, content=encoded("coffee.png", "PNG")).status_code == 200


def test_any_origin_may_ask_preflight_included(gray):
    preflight = httpx.options(gray, headers={"origin": "http://example.org", "access-control-request-method": "POST"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for body in (encoded("coffee.png", "JPEG"), b"no picture"):
        answer = httpx.post(gray, content=body, headers={"origin": "http://example.org"})
        assert answer.headers["access-control-allow-origin"] == "*"


def test_get_says_what_the_service_is(system):
    for app in ("image-api-rs", "image-api-go"):
        answer = httpx.get(system.url(app))
        assert answer.status_code == 200
        assert "/api/image" in answer.text


# ---- food


def test_espresso_is_named_with_a_search_link(food):
    answer = httpx.post(food, content=encoded("coffee.png", "JPEG"))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == (
        "It is very likely a <a href='https://www.google.com/search?q=espresso'>espresso</a> in the picture"
    )


def test_a_cat_is_no_food(food):
    answer = httpx.post(food, content=encoded("chelsea.png", "PNG"))
    assert answer.text == "It does not appears to be any food item in the picture."


# ---- the router


def test_the_header_api_chooses_the_service(web):
    picture = encoded("coffee.png", "JPEG")
    assert httpx.post(web + "/api/hello", content=picture).headers["content-type"] == "image/png"
    assert httpx.post(web + "/api/hello", content=picture, headers={"api": "rs"}).headers["content-type"] == "image/png"
    assert "espresso" in httpx.post(web + "/api/hello", content=picture, headers={"api": "go"}).text


def test_a_forwarded_answer_passes_on_status_body_type_and_reason_only(web, gray):
    direct = httpx.post(gray, content=b"no picture", headers={"origin": "http://example.org"})
    forwarded = httpx.post(web + "/api/hello", content=b"no picture", headers={"origin": "http://example.org"})
    assert forwarded.status_code == direct.status_code == 422
    for name in ("content-type", "trilby-reason"):
        assert forwarded.headers[name] == direct.headers[name]
    assert forwarded.json()["detail"] == direct.json()["detail"]
    assert "access-control-allow-origin" not in forwarded.headers


def test_other_paths_and_methods_are_refused(web):
    problem(httpx.get(web + "/nothing"), 404, "not-found")
    answer = httpx.delete(web + "/api/hello")
    problem(answer, 405, "method-not-allowed")
    assert "POST" in answer.headers["allow"]


# ---- files


def test_files_know_etag_head_and_range(web):
    whole = httpx.get(web + "/static/app.js")
    assert whole.status_code == 200
    assert httpx.get(web + "/static/app.js", headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    head = httpx.head(web + "/static/app.js")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole.content)), b"")
    part = httpx.get(web + "/static/app.js", headers={"range": "bytes=5-14"})
    assert (part.status_code, part.content) == (206, whole.content[5:15])
    assert part.headers["content-range"] == f"bytes 5-14/{len(whole.content)}"
    beyond = httpx.get(web + "/static/app.js", headers={"range": "bytes=99999999-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize(
    "path",
    ["/static/../trilby.toml", "/static/%2e%2e/trilby.toml", "/static/..%2ftrilby.toml", "/static/a/../../trilby.toml", "//etc/passwd", "/static/%00", "/static/.gitignore"],
)
def test_there_is_no_way_out_of_the_folder(web, path):
    answer = raw(web, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in {b"400", b"404"}
    assert b"trilby = 1" not in answer


# ---- bodies and garbage


def test_a_body_over_the_limit_is_refused_before_it_is_sent(gray):
    path = urllib.parse.urlsplit(gray).path
    answer = raw(gray, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"trilby-reason: body-too-large" in answer


def test_a_client_that_sends_it_all_the_same_sees_the_answer(gray):
    problem(httpx.post(gray, content=bytes(3 * LIMIT), timeout=60), 413, "body-too-large")


def test_a_chunked_body_is_refused_at_the_limits_byte(gray):
    def chunks(size):
        for _ in range(size // 65536):
            yield bytes(65536)
        yield b"x"

    problem(httpx.post(gray, content=chunks(LIMIT), timeout=60), 413, "body-too-large")
    exact = httpx.post(gray, content=(piece for piece in [bytes(LIMIT)]), timeout=60)
    assert exact.status_code == 422  # taken, and no picture


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["tls", "words", "no-host", "two-hosts", "two-lengths"],
)
def test_garbage_is_400_and_close(web, request_bytes):
    assert raw(web, request_bytes).startswith(b"HTTP/1.1 400 ")


# ---- what the operator sees


def test_metrics_and_health(system):
    assert httpx.get(system.admin + "/livez").status_code == 200
    assert httpx.get(system.admin + "/readyz").status_code == 200
    text = httpx.get(system.admin + "/metrics").text
    assert 'trilby_http_requests_total{app="image-api-rs",route="POST /api/image",method="POST",status="2xx",reason="ok"}' in text


def test_a_request_id_of_the_caller_is_kept_when_it_is_sane(web):
    sane = "0123456789abcdef-from_caller"
    assert httpx.get(web, headers={"x-request-id": sane}).headers["x-request-id"] == sane
    assert httpx.get(web, headers={"x-request-id": "no spaces please, or else"}).headers["x-request-id"] != sane
