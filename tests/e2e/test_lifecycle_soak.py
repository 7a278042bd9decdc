"""The long lifecycle runs of `make soak`, a twentieth of each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench/soak/lifecycle.py"


@pytest.mark.parametrize("run", ["crash"])
def test_no_request_is_lost(run):
    done = subprocess.run([sys.executable, SCRIPT, "--times", "5", "--only", run], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)[run]
    assert report["failed"] == 0
    assert report["requests"] > 500, "or else there was no load"
