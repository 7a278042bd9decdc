"""What functions may reach beside their input: nothing that the manifest does not name."""

import json
import os
import subprocess

import httpx
import pytest
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


CGI = 'output = "cgi"\n[function.f.env]\nGREETING = "hello"\n[function.f.allow]\nenv = ["TEST_PASSED", "TEST_ABSENT"]\n'


def variables(answer):
    return dict(pair.split("=", 1) for pair in answer.body.decode().split("\0")[:-1])


@pytest.fixture(scope="module")
def cgi(start_system, guests):
    return start_system(one_function(guests, "env", CGI), env={"TEST_PASSED": "yes", "TEST_KEPT": "no", "HTTP_PROXY": "no"})


def test_a_cgi_command_is_told_its_request_and_given_what_is_granted(cgi):
    head = b"Status: 203 Fine\nContent-Type: text/plain\n\n"
    fields = ["X-Api-Key: k", "Proxy: http://evil", "Authorization: Basic c2VjcmV0", "Trilby-Hops: 3", "Content-Type: a/b"]
    answer = ask(cgi.address("api"), request("PUT", "/a/%62?x=%20", fields, head))
    assert (answer.status, answer.fields["trilby-reason"]) == (203, "ok")
    assert answer.fields["content-type"] == "text/plain"
    told = variables(answer)
    assert told["GREETING"] == "hello"
    assert told["TEST_PASSED"] == "yes"
    assert (told["REQUEST_METHOD"], told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == ("PUT", "", "/a/b", "x=%20")
    assert (told["CONTENT_LENGTH"], told["CONTENT_TYPE"], told["REMOTE_ADDR"]) == (str(len(head)), "a/b", "127.0.0.1")
    assert (told["SERVER_NAME"], told["HTTP_X_API_KEY"]) == ("test", "k")
    assert not {"HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_TRILBY_HOPS", "TEST_KEPT", "TEST_ABSENT", "PATH", "HOME"} & told.keys()
    assert "does not have" in cgi.log()


def test_what_a_cgi_command_says_reaches_the_wire_only_where_it_may(cgi):
    said = (b"Content-Type: text/plain\nContent-Length: 3\nTransfer-Encoding: chunked\nConnection: x\nTrilby-Reason: internal\n"
            b"X-Request-Id: mine\nDate: today\nX-Mine: yes\nSet-Cookie: a=b\n\n")
    answer = ask(cgi.address("api"), request("POST", "/", ["X-Request-Id: the-one-of-the-caller"], said))
    assert answer.status == 200
    assert answer.fields["x-mine"] == "yes"
    assert answer.fields["set-cookie"] == "a=b"
    assert answer.fields["trilby-reason"] == "ok"
    assert answer.fields["x-request-id"] == "the-one-of-the-caller"
    assert answer.fields["content-length"] == str(len(answer.body))
    assert answer.fields["date"] != "today"
    assert "connection" not in answer.fields


@pytest.mark.parametrize("said", [
    b"", b"\n", b"no head", b"X-A: a\rSet-Cookie: b\nContent-Type: a/b\n\n", b"Status: 101\n\n", b"Status: 999\n\n",
    b"Content-Type: a/b\nX-A: \0\n\n", b"X-A: b\n" * 200 + b"\n", b"Location: /\xff\n\n",
])
def test_bad_cgi_output_is_a_failure_of_the_function(cgi, said):
    answer = ask(cgi.address("api"), request("POST", "/", [], said))
    assert (answer.status, answer.fields["trilby-reason"]) == (500, "function-failed")
    assert "set-cookie" not in answer.fields
    assert ask(cgi.address("api"), request("POST", "/", [], b"Content-Type: a/b\n\n")).status == 200


def test_a_command_without_cgi_is_told_nothing_of_the_request(start_system, guests):
    system = start_system(one_function(guests, "env", '[function.f.env]\nONLY = "this"\n'), env={"TEST_KEPT": "no"})
    assert ask(system.address("api"), request("POST", "/a?b", ["Cookie: c"], b"")).body == b"ONLY=this\0"


SECRETS = """[function.f.allow]
secrets = ["db-password", "token"]
[secret.db-password]
file = "password"
[secret.token]
env = "TEST_TOKEN"
[secret.unused]
file = "unused"
"""


@pytest.fixture(scope="module")
def secret_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "password").write_text("hunter2-of-the-file\n")
    (folder / "unused").write_text("hunter2-of-nobody")
    return folder


def test_secrets_reach_the_function_that_is_given_them_and_nothing_else(start_system, guests, secret_folder):
    system = start_system(one_function(guests, "env", SECRETS), folder=secret_folder, env={"TEST_TOKEN": "hunter2-of-the-host"})
    answer = ask(system.address("api"), request("POST", "/", [], b""))
    assert variables(answer) == {"DB_PASSWORD": "hunter2-of-the-file", "TOKEN": "hunter2-of-the-host"}
    with open(f"/proc/{system.ready['worker']}/environ", "rb") as environment:
        assert b"hunter2" not in environment.read()
    assert "hunter2" not in httpx.get(f"{system.admin}/metrics").text
    assert "hunter2" not in system.log()


def test_check_says_where_secrets_come_from_and_not_what_they_are(trilby, guests, secret_folder):
    manifest = secret_folder / "trilby.toml"
    manifest.write_text("trilby = 1\n" + one_function(guests, "env", SECRETS))
    environment = os.environ | {"TEST_TOKEN": "hunter2-of-the-host"}
    for options in ([], ["-o", "json"]):
        done = subprocess.run([trilby, "check", "-m", manifest, *options], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert "db-password" in done.stdout
        assert "hunter2" not in done.stdout + done.stderr
    settings = {setting["name"]: setting["value"] for setting in json.loads(done.stdout)["settings"]}
    assert settings["secret.token.env"] == "TEST_TOKEN"
    assert settings["function.f.allow.secrets"] == "db-password, token"


def test_a_secret_that_is_not_there_is_said_at_start(trilby, guests, tmp_path):
    manifest = tmp_path / "trilby.toml"
    manifest.write_text("trilby = 1\n" + one_function(guests, "env", SECRETS))
    for command in ("check", "up"):
        done = subprocess.run([trilby, command, "-m", manifest, *(["--port", "api=0", "--admin-port", "0"] if command == "up" else [])],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 78
        assert "secret.db-password" in done.stderr
        assert "No such file" in done.stderr


def test_invoke_gives_secrets_too(trilby, guests, secret_folder):
    manifest = secret_folder / "trilby.toml"
    manifest.write_text("trilby = 1\n" + one_function(guests, "env", SECRETS))
    done = subprocess.run([trilby, "invoke", "f", "-m", manifest], input=b"", capture_output=True,
                          env=os.environ | {"TEST_TOKEN": "hunter2-of-the-host"})
    assert done.stdout == b"DB_PASSWORD=hunter2-of-the-file\0TOKEN=hunter2-of-the-host\0"


def test_time_and_chance_are_as_the_manifest_says(start_system, guests):
    hour = (3_600_000_000_000).to_bytes(8, "little")
    reproducible = start_system(one_function(guests, "clock", "reproducible = true\n")).address("api")
    answers = {ask(reproducible, request("POST", "/", [], hour)).body for _ in range(5)}
    assert len(answers) == 1
    usual = start_system(one_function(guests, "clock")).address("api")
    answers = [ask(usual, request("POST", "/", [], bytes(8))).body for _ in range(3)]
    assert len({answer[32:48] for answer in answers}) == 3
    assert all(int.from_bytes(answer[8:16], "little") % 1_000_000 == 0 for answer in answers)
