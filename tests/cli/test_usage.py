"""Help, version, and what a person is told who mistypes."""

import re

import pytest

COMMANDS = ["up", "serve", "init", "check", "invoke", "inspect", "compile", "calls", "doctor", "selftest", "completion"]


def test_help_lists_the_commands(run):
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^  ([a-z]+) +[A-Z]", done.stdout, re.M) == COMMANDS
    assert "worker" not in done.stdout
    assert run("-h").stdout == run("help").stdout == done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: trilby {command} ")
    assert "Examples:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110
    assert run("help", command).stdout == run(command, "-h").stdout == done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["-V"], *[[command, "--version"] for command in COMMANDS]])
def test_version_names_the_engine_too(run, arguments):
    done = run(*arguments)
    assert re.fullmatch(r"trilby \d+\.\d+\.\d+ \(wasmtime \d+\.\d+\.\d+\)\n", done.stdout)
    assert done.returncode == 0


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "trilby: no command was given\ntry: trilby --help\n"),
    (["chekc"], 'trilby: there is no command "chekc"; did you mean check?\ntry: trilby --help\n'),
    (["frobnicate"], 'trilby: there is no command "frobnicate"\ntry: trilby --help\n'),
    (["check", "--manifst", "x"], "trilby: trilby check has no option --manifst; did you mean --manifest?\ntry: trilby check --help\n"),
    (["check", "x"], 'trilby: "x" is one argument too many; trilby check takes none\ntry: trilby check --help\n'),
    (["check", "-o", "jsn"], 'trilby: --output: "jsn" is none of: text, json; did you mean json?\ntry: trilby check --help\n'),
    (["check", "-m"], "trilby: --manifest needs a value: --manifest FILE\ntry: trilby check --help\n"),
    (["invoke"], "trilby: trilby invoke needs FUNCTION: its name in the manifest\ntry: trilby invoke --help\n"),
    (["completion", "tcsh"], None),
    (["up", "--grace", "10"], None),
    (["up", "--log-level", "loud"], None),
    (["-C", "/nonexistent", "check"], "trilby: -C /nonexistent: No such file or directory\ntry: trilby check --help\n"),
])
def test_wrong_usage_ends_with_64_and_the_mend(run, arguments, said):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    if said:
        assert done.stderr == said
    assert done.stderr.startswith("trilby: ")


def test_environment_is_checked_like_flags(run):
    done = run("check", env={"TRILBY_LOG_FORMAT": "xml"})
    assert done.returncode == 64
    assert 'TRILBY_LOG_FORMAT: "xml" is none of: human, json' in done.stderr


def test_options_for_all_may_stand_before_the_command(run, tmp_path):
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "trilby.toml").write_text("trilby = 1\n")
    for arguments in (["-C", "system", "check"], ["check", "-C", "system"], ["--log-level", "debug", "check", "-C", "system"]):
        assert run(*arguments).returncode == 0


def test_a_function_may_have_the_name_of_a_command(run, manifest, guests):
    path = manifest(more=f'[function.check]\nmodule = "{guests}/echo.wasm"\n')
    assert run("invoke", "check", "-m", path, input="x").stdout == "x"


def test_full_standard_output_is_an_error(trilby, clean_environment):
    import subprocess
    with open("/dev/full", "wb") as full:
        done = subprocess.run([trilby, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, env=clean_environment, timeout=60)
    assert done.returncode == 70
    assert done.stderr == "trilby: cannot write to standard output: No space left on device\n"
