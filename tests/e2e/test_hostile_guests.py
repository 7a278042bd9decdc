"""Guests that misbehave: stopped or refused, with the reason said, and the next call is as good as the first."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from raw_http import ask, request


@pytest.fixture
def api(guest_system):
    return guest_system.address("api")


def post(api, path, body=b"", *fields):
    return ask(api, request("POST", path, fields, body))


@pytest.mark.parametrize(("path", "body", "status", "reason"), [
    ("/spin", b"", 504, "limit-cpu"),
    ("/grow", b"", 500, "limit-memory"),
    ("/grow", b"\x01", 500, "limit-memory"),
    ("/grow", b"\x41", 422, "bad-input"),
    ("/grow_table", b"", 500, "limit-memory"),
    ("/recurse", b"", 500, "trap"),
    ("/unreachable", b"", 500, "trap"),
    ("/exit", b"\x41", 422, "bad-input"),
    ("/exit", b"\x03", 500, "function-failed"),
    ("/flood", b"\x01\xff", 500, "limit-output"),
])
def test_it_ends_with_its_reason(guest_system, api, path, body, status, reason):
    before = guest_system.process.pid
    answer = post(api, path, body, "X-Request-Id: hostile-guest-of-a-test")
    assert (answer.status, answer.fields["trilby-reason"]) == (status, reason)
    problem = json.loads(answer.body)
    assert problem["reason"] == reason
    assert problem["status"] == status
    assert post(api, "/echo", b"next").body == b"next"
    assert guest_system.process.poll() is None
    assert guest_system.process.pid == before


def test_the_caller_hears_what_the_guest_said_of_bad_input_only(api):
    assert json.loads(post(api, "/exit", b"\x41").body)["detail"] == "no good"
    assert "detail" not in json.loads(post(api, "/exit", b"\x03").body)


def test_refusals_name_no_paths(guest_system, guests, api):
    for path, body in (("/unreachable", b""), ("/exit", b"\x03"), ("/nowhere", b"")):
        text = post(api, path, body).body.decode()
        assert str(guests) not in text
        assert "wasm" not in text


def test_output_on_stderr_without_end_is_cut(api):
    answer = post(api, "/flood", b"\x02\x40")
    assert answer.status == 200


def test_nothing_is_left_of_an_earlier_call(api):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(api, "/canary"), range(64)))
    assert {answer.status for answer in answers} == {200}


def test_a_busy_guest_does_not_stop_the_others(api):
    with ThreadPoolExecutor(12) as pool:
        busy = [pool.submit(post, api, "/spin") for _ in range(4)]
        quick = [pool.submit(post, api, "/echo", b"quick") for _ in range(40)]
        assert {answer.result().body for answer in quick} == {b"quick"}
        assert {answer.result().fields["trilby-reason"] for answer in busy} == {"limit-cpu"}


def test_a_full_queue_is_refused_with_when_to_come_back(start_system, guests):
    limits = 'concurrency = 1\nqueue = 0\nwall = "5s"\n'
    text = ('[app.api]\nport = 1\n[[app.api.route]]\nmethod = "POST"\npath = "/sleep"\nfunction = "sleep"\n'
            f'[function.sleep]\nmodule = "{guests}/sleep.wasm"\n[function.sleep.limits]\n{limits}')
    api = start_system(text).address("api")
    second = (1_000_000_000).to_bytes(8, "little")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(api, "/sleep", second), range(8)))
    refused = [answer for answer in answers if answer.status == 503]
    assert {answer.fields["trilby-reason"] for answer in refused} == {"overloaded"}
    assert {answer.fields["retry-after"] for answer in refused} == {"1"}
    assert [answer.body for answer in answers if answer.status == 200], "one at a time is served"


def test_a_sleeper_is_woken_by_its_wall_limit(start_system, guests):
    text = ('[app.api]\nport = 1\n[[app.api.route]]\nmethod = "POST"\npath = "/sleep"\nfunction = "sleep"\n'
            f'[function.sleep]\nmodule = "{guests}/sleep.wasm"\n[function.sleep.limits]\nwall = "100ms"\n')
    api = start_system(text).address("api")
    answer = post(api, "/sleep", (60_000_000_000).to_bytes(8, "little"))
    assert (answer.status, answer.fields["trilby-reason"]) == (504, "limit-wall")


def test_apps_that_call_each_other_end(start_system):
    text = ('[app.a]\nport = 1\n[[app.a.route]]\npath = "/"\ninvoke = "b/"\n'
            '[app.b]\nport = 2\n[[app.b.route]]\npath = "/"\ninvoke = "a/"\n')
    answer = ask(start_system(text).address("a"), request("GET", "/"))
    assert (answer.status, answer.fields["trilby-reason"]) == (502, "upstream-failed")
