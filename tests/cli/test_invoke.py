"""`trilby invoke`: one call, and an exit code for each reason."""

import json

import pytest


def test_output_is_the_functions_and_nothing_else(run, manifest):
    manifest("echo")
    data = bytes(range(256)) * 100
    done = run("invoke", "echo", input=data, binary=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_the_record_goes_to_standard_error(run, manifest):
    manifest("echo")
    done = run("invoke", "echo", "-o", "json", input="12345")
    record = json.loads(done.stderr)
    assert done.stdout == "12345"
    assert (record["function"], record["reason"], record["input_bytes"], record["output_bytes"]) == ("echo", "ok", 5, 5)
    assert record["memory_peak_bytes"] == 2 * 65536


@pytest.mark.parametrize(("function", "given", "limits", "reason", "exit_code"), [
    ("exit", b"\0", "", "ok", 0),
    ("exit", b"\x41", "", "bad-input", 65),
    ("exit", b"\x01", "", "function-failed", 70),
    ("unreachable", b"", "", "trap", 70),
    ("recurse", b"", "", "trap", 70),
    ("grow", b"", 'memory = "1MiB"', "limit-memory", 137),
    ("flood", b"\x01\xff", 'response_body = "1MiB"', "limit-output", 70),
    ("spin", b"", 'cpu = "20ms"', "limit-cpu", 124),
    ("sleep", (10**10).to_bytes(8, "little"), 'wall = "50ms"', "limit-wall", 124),
    ("echo", b"12345", 'request_body = "4B"', "body-too-large", 64),
])
def test_every_reason_has_its_exit_code(run, manifest, function, given, limits, reason, exit_code):
    manifest(function, limits=limits)
    done = run("invoke", function, input=given, binary=True)
    assert done.returncode == exit_code, done.stderr
    said = done.stderr.decode()
    if reason != "ok":
        assert [line for line in said.splitlines() if line.startswith(f"trilby: {reason}: ")], said
        assert done.stdout == b""


def test_the_functions_own_words_are_told(run, manifest):
    manifest("exit")
    done = run("invoke", "exit", input=b"\x41", binary=True)
    assert done.stderr.decode().splitlines()[-1] == "trilby: bad-input: The function refused the input: no good: it exited with 65"


def test_a_function_that_is_not_there(run, manifest):
    manifest("echo")
    done = run("invoke", "ehco")
    assert (done.returncode, done.stderr) == (64, 'trilby: there is no function "ehco" in trilby.toml; did you mean "echo"?\n')


def test_a_module_that_is_not_built_comes_with_the_command_that_builds_it(run, manifest, tmp_path):
    manifest(more='[function.f]\nmodule = "f.wasm"\nbuild = { command = "make f" }\n')
    done = run("invoke", "f")
    assert done.returncode == 78
    assert done.stderr.startswith(f"trilby: {tmp_path}/trilby.toml:2: function f: {tmp_path}/f.wasm")
    assert done.stderr.endswith(f"try: cd {tmp_path} && make f\n")


def test_only_that_functions_models_are_needed(run, manifest):
    manifest("echo", more='[model.absent]\npath = "absent.xml"\n')
    assert run("invoke", "echo", input="x").stdout == "x"


def test_a_first_system_is_made_built_and_called(run, tmp_path):
    import subprocess
    done = run("init", "first")
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "first"
    assert sorted(path.name for path in folder.iterdir()) == ["Makefile", "README.md", "hello.c", "trilby.toml"]
    assert run("check", cwd=folder).returncode == 78, "the module is not there yet"
    subprocess.run(["make", "-s"], cwd=folder, check=True)
    checked = run("check", cwd=folder)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert run("invoke", "hello", cwd=folder, input="Ada\n").stdout == "Hello, Ada!\n"
    refused = run("invoke", "hello", cwd=folder, input="")
    assert refused.returncode == 65
    assert "a name is needed" in refused.stderr


def test_init_overwrites_nothing(run, tmp_path):
    (tmp_path / "hello.c").write_text("mine")
    done = run("init")
    assert done.returncode == 78
    assert "hello.c is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["hello.c"]
    assert (tmp_path / "hello.c").read_text() == "mine"
