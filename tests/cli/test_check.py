"""`trilby check`, `trilby inspect`, `trilby compile`, `trilby doctor`: looking without running."""

import json
import os
import socket
import subprocess

import pytest


def test_check_shows_what_would_be_served(run, manifest, tmp_path):
    manifest("echo", limits='memory = "128MiB"', more="""
[app.web]
port = 8080
[[app.web.route]]
method = "POST"
path = "/echo"
function = "echo"
cors = "*"
""")
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "trilby.toml: 1 app, 1 function, 0 models"
    assert "app web, port 8080" in done.stdout
    assert "POST /echo" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("echo "))
    more = [line for line in done.stdout.splitlines() if line.startswith("echo ")][1]
    assert more.split() == ["echo", "512KiB*", "100000*", "16*", "1000*", "100*", "1KiB*"]
    assert "app web, port 8080, 1000* calls at once, queue 1000* for 1s*" in done.stdout
    assert row.split() == ["echo", "WASI", "command", "128MiB", "1s*", "10s*", "8MiB*", "64MiB*", "64KiB*", "32*", "128*", "for", "1s*", "nothing"]


def test_check_says_where_each_value_came_from(run, manifest):
    manifest("echo", limits='cpu = "2s"', more="[app.web]\nport = 8080\n[app.images]\nport = 9004\n")
    done = run("check", "-o", "json", "--port", "web=1234", env={"TRILBY_PORTS": "web=1,images=2", "TRILBY_ADMIN_PORT": "3"})
    found = json.loads(done.stdout)
    values = {setting["name"]: (setting["value"], setting["from"]) for setting in found["settings"]}
    assert found["ok"] is True
    assert values["app.web.port"] == ("1234", "flag")
    assert values["app.images.port"] == ("2", "environment")
    assert values["admin.listen"] == ("127.0.0.1:3", "environment")
    assert values["function.echo.limits.cpu"] == ("2s", "manifest")
    assert values["function.echo.limits.memory"] == ("64MiB", "default")
    assert found["functions"] == [{"name": "echo", "abi": "WASI command"}]


def test_check_says_everything_that_is_wrong_at_once(run, tmp_path):
    (tmp_path / "trilby.toml").write_text('trilby = 1\n[app.web]\nprot = 1\n[[app.web.route]]\npath = "x"\ntext = ""\n')
    done = run("check")
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "trilby: trilby.toml:2: app.web.port: is missing; give the app channel's port, as in port = 8080",
        'trilby: trilby.toml:3: app.web.prot: there is no such field; did you mean "port"?',
        'trilby: trilby.toml:5: app.web.route[1].path: "x" must begin with \'/\'',
    ]
    document = json.loads(run("check", "-o", "json").stdout)
    assert document["ok"] is False
    assert len(document["problems"]) == 1


def test_check_goes_on_after_a_module_that_is_wrong(run, manifest, tmp_path):
    (tmp_path / "broken.wasm").write_bytes(b"\0asm\x01\0\0\0\xff")
    manifest("echo", more="""
[function.absent]
module = "absent.wasm"
build = { command = "make absent", workdir = "src" }
[function.broken]
module = "broken.wasm"
[app.web]
port = 1
[[app.web.route]]
path = "/*"
files = "nowhere"
""")
    done = run("check")
    assert done.returncode == 78
    assert "function echo" not in done.stderr
    assert f"function absent: {tmp_path}/absent.wasm" in done.stderr
    assert f"try: cd {tmp_path}/src && make absent\n" in done.stderr
    assert "function broken: " in done.stderr
    assert f"app.web.route[1].files: {tmp_path}/nowhere does not exist" in done.stderr


def test_no_manifest_is_said_with_the_mend(run):
    for command in (["up"], ["check"], ["invoke", "f"], ["compile"]):
        done = run(*command)
        assert done.returncode == 78
        assert done.stderr == ("trilby: cannot read the manifest trilby.toml: No such file or directory\n"
                               "try: trilby init DIR makes a first system; -m FILE names another manifest\n")


def test_inspect_says_what_a_module_is(run, guests):
    done = run("inspect", guests / "echo.wasm")
    assert done.returncode == 0
    assert "WASI command" in done.stdout
    assert "fd_read" in done.stdout and "provided" in done.stdout
    found = json.loads(run("inspect", guests / "echo.wasm", "-o", "json").stdout)
    assert found["callable"] is True
    assert {item["name"] for item in found["imports"]} == {"fd_read", "fd_write"}
    assert all(item["provided"] for item in found["imports"])
    assert found["memories"] == [{"min_bytes": 131072, "max_bytes": None}]


def test_inspect_says_what_would_have_to_be_granted(run, guests):
    found = json.loads(run("inspect", guests / "nn.wasm", "-o", "json").stdout)
    assert {item["grant"] for item in found["imports"] if item["module"] == "wasi_ephemeral_nn"} == {"allow.models"}
    found = json.loads(run("inspect", guests / "dapr.wasm", "-o", "json").stdout)
    grants = {}
    for item in found["imports"]:
        if item["module"] == "dapr":
            assert item["provided"]
            grants.setdefault(item["grant"], set()).add(item["name"])
    assert grants == {
        "allow.dapr.invoke": {"invoke"},
        "allow.dapr.state": {"state_get", "state_save", "state_delete", "state_transaction", "state_get_bulk"},
        "allow.dapr.publish": {"publish"},
        "allow.dapr.bindings": {"binding"},
        "allow.dapr.secrets": {"secret"},
        "allow.dapr.actors": {"actor_invoke"},
        "allow.dapr.configuration": {"configuration_get"},
        "allow.dapr.locks": {"lock", "unlock"},
        "allow.dapr.jobs": {"job_schedule", "job_delete"},
        "": {"actor_state_get", "actor_state_change", "actor_reminder", "actor_timer", "answer_size", "answer_read"},
    }


def wat(folder, text):
    (folder / "m.wat").write_text(text)
    subprocess.run(["wat2wasm", folder / "m.wat", "-o", folder / "m.wasm"], check=True)
    return folder / "m.wasm"


def test_inspect_names_what_nobody_provides(run, tmp_path):
    module = wat(tmp_path, '(module (import "env" "frob" (func)) (memory (export "memory") 1 2) (func (export "_start")))')
    done = run("inspect", module)
    assert done.returncode == 0
    assert "frob" in done.stdout and "missing" in done.stdout
    found = json.loads(run("inspect", module, "-o", "json").stdout)
    assert found["callable"] is False


def test_inspect_prints_names_of_modules_safely(run, tmp_path):
    module = wat(tmp_path, r'(module (func (export "a\1b[31mb\0ac")))')
    assert "\x1b" not in run("inspect", module).stdout
    assert "a\x1b[31mb\nc" in [item["name"] for item in json.loads(run("inspect", module, "-o", "json").stdout)["exports"]]


@pytest.mark.parametrize("content", [b"", b"\0asm", b"hello", b"\0asm\x01\0\0\0\x01\xff"])
def test_inspect_refuses_what_is_no_module(run, tmp_path, content):
    (tmp_path / "m.wasm").write_bytes(content)
    done = run("inspect", "m.wasm")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("trilby: m.wasm: ")


def test_inspect_of_a_folder_or_nothing(run, tmp_path):
    assert run("inspect", ".").returncode == 78
    assert "No such file" in run("inspect", "none.wasm").stderr


def test_compile_fills_the_cache_once(run, manifest, tmp_path):
    manifest("echo", "exit")
    first = json.loads(run("compile", "--aot-cache", tmp_path / "cache", "-o", "json").stdout)
    assert [(item["function"], item["code"]) for item in first["functions"]] == [("echo", "compiled"), ("exit", "compiled")]
    again = run("compile", "--aot-cache", tmp_path / "cache", "-o", "json")
    assert [item["code"] for item in json.loads(again.stdout)["functions"]] == ["cached", "cached"]
    assert "[1/2] echo (1 kB)" in again.stderr


def test_compile_rebuilds_what_is_damaged(run, manifest, tmp_path):
    manifest("echo")
    run("compile", "--aot-cache", tmp_path / "cache")
    entries = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert entries
    for entry in entries:
        entry.chmod(0o600)
        content = bytearray(entry.read_bytes())
        content[len(content) // 2] ^= 1
        entry.write_bytes(content)
    done = run("compile", "--aot-cache", tmp_path / "cache", "-o", "json")
    assert [item["code"] for item in json.loads(done.stdout)["functions"]] == ["rebuilt"]


def test_compile_refuses_a_folder_that_others_may_write_to(run, manifest, tmp_path):
    manifest("echo")
    (tmp_path / "cache").mkdir()
    os.chmod(tmp_path / "cache", 0o777)
    done = run("compile", "--aot-cache", tmp_path / "cache")
    assert done.returncode == 78
    assert str(tmp_path / "cache") in done.stderr


def test_doctor_finds_nothing_wrong_with_a_sound_system(run, manifest):
    manifest("echo", more='[admin]\nlisten = "127.0.0.1:0"\n[app.web]\nport = 0\n')
    done = run("doctor", "-o", "json")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0, done.stdout
    assert findings["kernel"]["health"] in ("ok", "note")
    assert findings["function echo"]["health"] == "ok"
    assert findings["port of web"]["detail"] == "any free port"


def test_doctor_names_what_is_missing_and_the_mend(run, manifest, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        manifest(more=f'[app.web]\nport = {port}\n[function.f]\nmodule = "f.wasm"\nbuild = {{ command = "make f" }}\n')
        done = run("doctor")
    assert done.returncode == 78
    assert f"{port} is in use by" in done.stdout
    assert f"(pid {os.getpid()})" in done.stdout
    assert "add --port web=0 for any free one" in done.stdout
    assert f"try: cd {tmp_path} && make f\n" in done.stdout


def test_doctor_works_without_a_manifest(run):
    assert "there is no trilby.toml" in run("doctor").stdout
