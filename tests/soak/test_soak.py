"""A twentieth of each long run of `make soak`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARE = 20


@pytest.mark.parametrize("name", ["calls", "drain", "reload", "crash"])
def test_nothing_is_lost_and_nothing_grows(name):
    done = subprocess.run([sys.executable, ROOT / "bench/soak/run.py", f"--share={SHARE}", f"--only={name}"], check=False,
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
