"""Runs the program as a person would, and looks at what it prints and how it ends. Ports and processes are looked for as in the tests with Dapr."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "dapr"))

SECONDS = 120  # a cold cache on a slow machine


@pytest.fixture(scope="session")
def clean_environment():
    """Without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRILBY_")} | {"NO_COLOR": "1"}


@pytest.fixture
def run(trilby, clean_environment, tmp_path):
    """run("check", "-o", "json", input=b"", env={...}) in a folder of the test's own."""

    def run_one(*arguments, env=None, binary=False, cwd=tmp_path, **options):
        options.setdefault("input", b"" if binary else "")
        return subprocess.run([trilby, *arguments], capture_output=True, text=not binary, timeout=SECONDS, cwd=cwd,
                              env=clean_environment | (env or {}), **options)

    return run_one


@pytest.fixture
def manifest(tmp_path, guests):
    """Writes trilby.toml with the functions named, modules from tests/guests; `limits` are lines of their table."""

    def write(*functions, limits="", more=""):
        text = "trilby = 1\n"
        for name in functions:
            text += f'[function.{name}]\nmodule = "{guests / name}.wasm"\n[function.{name}.limits]\n{limits}\n'
        path = tmp_path / "trilby.toml"
        path.write_text(text + more)
        return path

    return write
