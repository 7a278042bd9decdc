"""The article's system, as its users meet it. (tests/dapr/test_two_hosts.py asks the same of it on two hosts.)"""

import io
import re
from pathlib import Path

import httpx
import pytest
import skimage
from PIL import Image

LABEL_SENTENCE = re.compile(
    r"It (is very likely|is likely|could be) an? <a href='https://www\.google\.com/search\?q=([^']+)'>([^<]+)</a> in the picture"
)
NO_FOOD = "It does not appears to be any food item in the picture."
MAX_BODY = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def pictures():
    data = Path(skimage.data_dir)

    def encode(name, form):
        out = io.BytesIO()
        Image.open(data / name).convert("RGB").save(out, form)
        return out.getvalue()

    return {
        "coffee.jpg": encode("coffee.png", "JPEG"),
        "cat.png": encode("chelsea.png", "PNG"),
        "cat.gif": encode("chelsea.png", "GIF"),
        "cat.bmp": encode("chelsea.png", "BMP"),
    }


@pytest.fixture
def web(system):
    with httpx.Client(base_url=system.url("go-web-port"), timeout=60) as client:
        yield client


@pytest.fixture
def gray(system):
    with httpx.Client(base_url=system.url("image-api-rs"), timeout=60) as client:
        yield client


@pytest.fixture
def food(system):
    with httpx.Client(base_url=system.url("image-api-go"), timeout=60) as client:
        yield client


@pytest.mark.parametrize(("name", "form"), [("coffee.jpg", "PNG"), ("cat.png", "PNG"), ("cat.bmp", "PNG"), ("cat.gif", "GIF")])
def test_a_picture_comes_back_gray(gray, pictures, name, form):
    answer = gray.post("/api/image", content=pictures[name])
    assert answer.status_code == 200, answer.text
    assert answer.headers["trilby-reason"] == "ok"
    assert answer.headers["content-type"] == f"image/{form.lower()}"
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.format == form
    assert picture.size == Image.open(io.BytesIO(pictures[name])).size
    red, green, blue = picture.convert("RGB").split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()


def test_luma_is_the_articles(gray):
    out = io.BytesIO()
    Image.new("RGB", (3, 2), (255, 100, 7)).save(out, "PNG")
    answer = gray.post("/api/image", content=out.getvalue())
    expected = int(0.2126 * 255 + 0.7152 * 100 + 0.0722 * 7)
    assert set(Image.open(io.BytesIO(answer.content)).convert("L").tobytes()) == {expected}


def test_food_is_named_with_a_search_link(food, pictures):
    answer = food.post("/api/image", content=pictures["coffee.jpg"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (match := LABEL_SENTENCE.search(answer.text)), answer.text
    assert match[3] == "espresso"


def test_what_is_no_food_is_said_so(food, pictures):
    assert NO_FOOD in food.post("/api/image", content=pictures["cat.png"]).text


@pytest.mark.parametrize(("api", "type_"), [({}, "image/png"), ({"api": "rs"}, "image/png"), ({"api": "go"}, "text/html; charset=utf-8")])
def test_the_router_asks_the_app_that_the_header_names(web, pictures, api, type_):
    answer = web.post("/api/hello", content=pictures["coffee.jpg"], headers=api)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == type_


def test_a_forwarded_answer_passes_on_nothing_more(web, gray, pictures):
    direct = gray.post("/api/image", content=pictures["cat.png"], headers={"origin": "https://elsewhere.example"})
    forwarded = web.post("/api/hello", content=pictures["cat.png"], headers={"origin": "https://elsewhere.example"})
    assert forwarded.content == direct.content
    assert direct.headers["access-control-allow-origin"] == "*"
    assert len({"content-length", "transfer-encoding"} & set(forwarded.headers)) == 1, "sidecars between them have only the latter"
    assert set(forwarded.headers) - {"content-length", "transfer-encoding"} == {
        "content-type", "date", "trilby-reason", "x-content-type-options", "x-request-id"}


@pytest.mark.parametrize("body", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"], ids=["empty", "text", "png", "jpeg"])
def test_what_is_no_picture_is_refused_in_words(web, body):
    answer = web.post("/api/hello", content=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["reason"] == answer.headers["trilby-reason"] == "bad-input"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"]


def test_a_truncated_picture_is_refused(gray, pictures):
    for name in ("coffee.jpg", "cat.png", "cat.gif"):
        assert gray.post("/api/image", content=pictures[name][:100]).status_code == 422, name


def test_a_picture_that_claims_to_be_huge_harms_nobody(gray, pictures):
    png = bytearray(pictures["cat.png"])
    png[16:24] = (30_000).to_bytes(4, "big") * 2
    answer = gray.post("/api/image", content=bytes(png))
    assert (answer.status_code, answer.headers["trilby-reason"]) in {(422, "bad-input"), (500, "limit-memory")}
    assert gray.post("/api/image", content=pictures["cat.png"]).status_code == 200


def test_a_body_over_the_limit_is_413(gray):
    answer = gray.post("/api/image", content=bytes(MAX_BODY + 1), headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 413
    assert answer.json()["reason"] == "body-too-large"
    assert answer.headers["access-control-allow-origin"] == "*", "a page must be able to read why"


def test_any_origin_may_ask(gray):
    preflight = {"origin": "https://elsewhere.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = gray.options("/api/image", headers=preflight)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    assert "content-length" not in answer.headers


def test_each_service_says_what_it_is(web, gray, food):
    assert gray.get("/").status_code == food.get("/").status_code == 200
    page = web.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        part = web.get(path)
        assert part.status_code == 200, path
        assert part.headers["x-content-type-options"] == "nosniff"


def test_the_page_is_revalidated(web):
    first = web.get("/")
    again = web.get("/", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert "content-type" not in again.headers
    head = web.head("/")
    assert head.headers["content-length"] == str(len(first.content))
    part = web.get("/", headers={"range": "bytes=0-14"})
    assert (part.status_code, part.content) == (206, first.content[:15])
    assert web.get("/", headers={"range": "bytes=99999999-"}).status_code == 416


def test_methods_that_a_route_does_not_take_are_named(web):
    answer = web.put("/api/hello")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert web.get("/nothing/here").status_code == 404
