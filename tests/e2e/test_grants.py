"""What functions may reach beside their input: nothing that the manifest does not name."""

import json

import httpx
from raw_http import ask, request


def metric(system, line):
    """The value of one sample of /metrics."""
    page = httpx.get(f"{system.admin}/metrics").text
    return next(float(found.rsplit(" ", 1)[1]) for found in page.splitlines() if found.startswith(line))


def one_function(guests, guest, more=""):
    return ('[app.api]\nport = 1\n[[app.api.route]]\npath = "/*"\nfunction = "f"\n'
            f'[function.f]\nmodule = "{guests}/{guest}.wasm"\n{more}')


def test_what_is_refused_is_counted_and_said_once_a_call_with_the_mend(start_system, guests):
    system = start_system(one_function(guests, "nn"), env={"TRILBY_LOG_FORMAT": "json"})
    answer = ask(system.address("api"), request("POST", "/", ["X-Request-Id: call-that-asks-for-a-model"], b"\x01"))
    assert (answer.status, answer.fields["trilby-reason"]) == (403, "denied")
    line = json.loads(system.wait_for_log("was not granted"))
    assert line["function"] == "f"
    assert line["request"] == "call-that-asks-for-a-model"
    assert line["mend"] == 'in [function.f] add allow.models = ["secret"]'
    assert system.log().count("was not granted") == 1
    assert metric(system, 'trilby_call_denials_total{function="f",grant="model"}') == 1
    assert metric(system, 'trilby_call_denials_total{function="f",grant="socket"}') == 0


def test_many_refusals_of_one_call_are_one_line_a_kind(start_system, guests):
    system = start_system(one_function(guests, "wasi"), env={"TRILBY_LOG_FORMAT": "json"})
    answer = ask(system.address("api"), request("POST", "/", [], b""))
    assert answer.body == b"fine"
    assert metric(system, 'trilby_call_denials_total{function="f",grant="directory"}') == 10
    assert metric(system, 'trilby_call_denials_total{function="f",grant="socket"}') == 4
    assert system.log().count("was not granted") == 2
