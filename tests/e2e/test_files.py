"""Files of a route, and no way out of its folder."""

import os

import pytest
from raw_http import ask, request

MANIFEST = """\
[app.web]
port = 1
[[app.web.route]]
path = "/"
files = "web/index.html"
[[app.web.route]]
path = "/static/*"
files = "web"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    web = folder / "web"
    (web / "sub").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>t</title>")
    (web / "app.js").write_text("0123456789")
    (web / ".env").write_text("secret")
    (web / "sub" / "é.txt").write_text("accents")
    (folder / "secret.txt").write_text("secret")
    (web / "out.txt").symlink_to(folder / "secret.txt")
    (web / "up").symlink_to(folder)
    os.mkfifo(web / "fifo")
    return folder


@pytest.fixture(scope="module")
def web(start_system, folder):
    return start_system(MANIFEST, folder=folder).address("web")


@pytest.mark.parametrize("target", [
    "/static/", "/static/sub", "/static/sub/", "/static/missing", "/static/.env", "/static/out.txt", "/static/up/secret.txt", "/static/up/web/app.js",
    "/static/fifo", "/static/app.js/x", "/static/" + "a" * 5000, "/trilby.toml", "/index.html",
])
def test_there_is_nothing_but_regular_files_below(web, target):
    answer = ask(web, request("GET", target))
    assert (answer.status, answer.fields["trilby-reason"]) == (404, "not-found")
    assert b"secret" not in answer.body


@pytest.mark.parametrize("target", [
    "/static/../secret.txt", "/static/%2e%2e/secret.txt", "/static/%2E%2E%2Fsecret.txt", "/static/..%5csecret.txt", "/static/sub/../../../secret.txt",
    "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/app.js%00.html", "/static/..;/secret.txt/../..",
])
def test_there_is_no_way_out(web, target):
    answer = ask(web, request("GET", target))
    assert answer.status == 400
    assert b"secret" not in answer.body


def test_names_may_be_coded(web):
    assert ask(web, request("GET", "/static/sub/%C3%A9.txt")).body == b"accents"
    assert ask(web, request("GET", "/static/%61pp.js?v=1")).body == b"0123456789"
    assert ask(web, request("GET", "/static/%2561pp.js")).status == 404, "decoded once, not twice"


def test_head_says_what_get_would(web):
    got = ask(web, request("GET", "/static/app.js"))
    head = ask(web, request("HEAD", "/static/app.js"), "HEAD")
    assert head.status == got.status == 200
    same = ("content-length", "content-type", "etag", "last-modified", "cache-control", "accept-ranges")
    assert {name: head.fields[name] for name in same} == {name: got.fields[name] for name in same}


@pytest.mark.parametrize(("fields", "status", "body"), [
    (["Range: bytes=2-4"], 206, b"234"),
    (["Range: bytes=-3"], 206, b"789"),
    (["Range: bytes=8-99999999999999999999999"], 206, b"89"),
    (["Range: bytes=0-1,4-5"], 200, b"0123456789"),
    (["Range: bytes=a-b"], 200, b"0123456789"),
    (["Range: bytes=2-4", 'If-Range: "another"'], 200, b"0123456789"),
    (["If-None-Match: *"], 304, b""),
    (["If-None-Match: nonsense"], 200, b"0123456789"),
    (["If-Match: *"], 200, b"0123456789"),
    (["If-Match: *", "Range: bytes=2-4"], 206, b"234"),
])
def test_parts_and_versions(web, fields, status, body):
    answer = ask(web, request("GET", "/static/app.js", fields))
    assert (answer.status, answer.body) == (status, body)


def test_another_version_than_was_asked_for_is_412(web):
    for field in ('If-Match: "another"', "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"):
        answer = ask(web, request("GET", "/static/app.js", [field, "If-None-Match: *"]))
        assert (answer.status, answer.fields["trilby-reason"]) == (412, "bad-request")


def test_a_range_outside_of_the_file_is_416(web):
    answer = ask(web, request("GET", "/static/app.js", ["Range: bytes=10-"]))
    assert (answer.status, answer.fields["content-range"]) == (416, "bytes */10")


def test_only_reading_is_allowed(web):
    for method in ("POST", "PUT", "DELETE", "PROPFIND", "TRACE"):
        answer = ask(web, request(method, "/static/app.js"))
        assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD"), method


def test_a_changed_file_is_seen_at_once(web, folder):
    (folder / "web" / "changing.txt").write_text("one")
    first = ask(web, request("GET", "/static/changing.txt"))
    (folder / "web" / "changing.txt").write_text("three")
    second = ask(web, request("GET", "/static/changing.txt", [f"If-None-Match: {first.fields['etag']}"]))
    assert (second.status, second.body) == (200, b"three")
