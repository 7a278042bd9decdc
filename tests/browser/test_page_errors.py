"""The page of examples/images when things go wrong: failures in words, and answers that must not be trusted."""

import json
import re

import pytest
from page_steps import answer_with, gray_picture, pick, result, send
from playwright.sync_api import expect


def problem(status, reason, detail="", request_id="r-1", **headers):
    body = {
        "type": "about:blank",
        "title": "t",
        "status": status,
        "detail": detail,
        "reason": reason,
        "request_id": request_id,
    }
    headers = {"content-type": "application/problem+json", "trilby-reason": reason} | headers
    return {"status": status, "headers": headers, "body": json.dumps(body)}


def test_the_functions_own_words_are_shown_for_a_damaged_picture(page, pictures, screenshots):
    pick(page, pictures / "truncated.png")
    with page.expect_response("**/api/hello") as response:
        send(page)
    assert response.value.status == 422
    detail = response.value.json()["detail"]
    assert detail
    alert = result(page).get_by_role("alert")
    expect(alert).to_contain_text("This picture could not be read")
    expect(alert.locator("blockquote")).to_have_text(detail)
    expect(alert).to_contain_text(f"request {response.value.json()['request_id']}")
    page.screenshot(path=screenshots / "error.png")


def test_a_413_during_the_upload_is_understood(page, pictures, web_url):
    # The page believes in a higher limit than the system has, so only the system can refuse.
    def raise_limit(route):
        response = route.fetch()
        raised, found = re.subn(r'(name="trilby-max-body" content=)"\d+"', r'\1"99999999"', response.text())
        assert found == 1
        route.fulfill(response=response, body=raised)

    page.route(f"{web_url}/", raise_limit)
    page.reload()
    page.unroute_all()
    pick(page, pictures / "large.png")
    send(page)
    expect(result(page).get_by_role("alert")).to_contain_text("This picture is too large")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (problem(413, "body-too-large"), "This picture is too large"),
        (problem(503, "overloaded", **{"retry-after": "7"}), "Please try again in 7 seconds."),
        (problem(503, "overloaded"), "Please try again in a moment."),
        (problem(504, "limit-cpu"), "That took too long"),
        (problem(500, "limit-memory"), "needs too much memory"),
        (problem(500, "trap"), "Something went wrong"),
        (problem(502, "upstream-failed"), "could not be reached"),
        (problem(500, "constructor"), "could not handle this picture"),
        (problem(500, "trap", request_id=None), "trap (500)"),
        (problem(422, "bad-input", "<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>"),
        ({"status": 500, "content_type": "application/problem+json", "body": "null"}, "no reason given (500)"),
        ({"status": 500, "content_type": "application/problem+json", "body": "{"}, "no reason given (500)"),
        ({"status": 502, "content_type": "text/html", "body": "<h1>Bad gateway</h1>"}, "no reason given (502)"),
        ({"status": 200, "content_type": "text/html", "body": "It is soup."}, "An unexpected answer came back"),
        ({"status": 200, "content_type": "image/png", "body": "no picture"}, "An unexpected answer came back"),
        ({"status": 204}, "could not handle this picture"),
    ],
)
def test_errors_are_told_in_plain_words(page, pictures, answer, words):
    answer_with(page, **answer)
    pick(page, pictures / "chelsea.jpg")
    send(page)
    expect(result(page).get_by_role("alert")).to_contain_text(words)
    expect(page.get_by_role("button", name="Send picture")).to_be_focused()
    expect(gray_picture(page)).to_be_hidden()


@pytest.mark.parametrize(
    "answer", [{"content_type": "image/png", "body": ""}, {"content_type": "text/html", "body": "<script>1</script> "}]
)
def test_an_answer_without_a_sentence_is_unexpected(page, pictures, answer):
    answer_with(page, **answer)
    pick(page, pictures / "coffee.jpg")
    send(page, "Name the food")
    expect(result(page).get_by_role("alert")).to_contain_text("An unexpected answer came back")


def test_a_server_that_is_gone_is_told_and_the_next_try_works(page, pictures):
    page.route("**/api/hello", lambda route: route.abort("connectionrefused"))
    pick(page, pictures / "chelsea.jpg")
    send(page)
    expect(result(page).get_by_role("alert")).to_contain_text("The picture did not get through")
    page.unroute_all()
    send(page)
    expect(gray_picture(page)).to_be_visible()


HOSTILE = """<script>pwned = 1</script><base href=https://evil.example><style>*{display:none}</style>
<img src=x onerror="pwned = 1"><svg onload="pwned = 1"></svg>
<iframe srcdoc="<script>parent.pwned = 1</script>"></iframe>
<form action=https://evil.example><button>Press</button></form><b onclick="pwned = 1">bold</b>
It is a <a href="https://www.google.com/search?q=pea+soup&btnI=1#x" id=form
onclick="pwned = 1" style="color:red">pea <i>mud</i>soup</a>,
<a href="javascript:pwned = 1">one</a> <a href="https://evil.example/search?q=soup">two</a>
<a href="//www.google.com.evil.example/search?q=soup">three</a> <a href="http://www.google.com/search?q=soup">four</a>
<a href="https://www.google.com/url?q=soup">five</a> <a>six</a>
<a href="https://www.google.com:8443/search?q=soup">seven</a>"""


@pytest.mark.provokes_policy
def test_nothing_hostile_in_the_sentence_survives(page, pictures):
    answer_with(page, content_type="text/html; charset=utf-8", body=HOSTILE)
    requests = []
    pick(page, pictures / "coffee.jpg")
    page.on("request", lambda request: requests.append(request.url))
    send(page, "Name the food")
    sentence = page.locator("#sentence")
    expect(sentence).to_be_visible()
    assert sentence.inner_text().split() == "It is a pea soup, one two three four five six seven".split()
    elements = sentence.evaluate(
        """(sentence) => [...sentence.querySelectorAll("*")].map((element) =>
          [element.localName, Object.fromEntries([...element.attributes].map(({name, value}) => [name, value]))])"""
    )
    assert elements == [
        ["a", {"href": "https://www.google.com/search?q=pea+soup", "rel": "noopener noreferrer", "target": "_blank"}]
    ]
    assert page.evaluate("typeof pwned") == "undefined"
    assert [url for url in requests if not url.endswith("/api/hello")] == []


def test_a_file_name_is_only_text(page, pictures, tmp_path):
    name = "<img src=x onerror=alert(1)>.jpg"
    (tmp_path / name).write_bytes((pictures / "chelsea.jpg").read_bytes())
    pick(page, tmp_path / name)
    expect(page.locator("#original-about")).to_contain_text(name)
