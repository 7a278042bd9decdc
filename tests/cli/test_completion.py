"""Shell completion, run by the shells that are there."""

import shutil
import subprocess

import pytest


@pytest.fixture
def complete(trilby, run, clean_environment, tmp_path):
    """What bash offers for the last of `words`."""
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash").stdout)

    def offered(*words):
        quoted = " ".join(f"'{word}'" for word in (trilby, *words))
        program = f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _trilby; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=tmp_path, env=clean_environment, timeout=60)
        assert done.stderr == ""
        return done.stdout.split()

    return offered


def test_bash_completes_commands_options_and_values(complete):
    assert complete("in") == ["init", "invoke", "inspect"]
    assert complete("check", "--man") == ["--manifest"]
    assert complete("check", "-o", "") == ["text", "json"]
    assert complete("-C", ".", "che") == ["check"]
    assert complete("completion", "f") == ["fish", "functions"]
    assert complete("up", "--log-level", "w") == ["warn"]
    assert complete("help", "comp") == ["compile", "completion"]
    assert complete("up", "--port", "x") == []


def test_bash_completes_the_manifests_functions(complete, manifest):
    assert complete("invoke", "") == []
    manifest("echo", "exit", "spin")
    assert complete("invoke", "e") == ["echo", "exit"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_script(run, shell, tmp_path):
    script = run("completion", shell).stdout
    assert "--ready-file" in script or "ready-file" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_functions_are_printed_one_a_line(run, manifest):
    manifest("echo", "exit")
    assert run("completion", "functions").stdout == "echo\nexit\n"
