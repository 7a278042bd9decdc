"""What the tests of hostile guests, files and faults share. Bare HTTP and manifests are those of the end-to-end tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from raw_http import ask, request  # noqa: E402


@pytest.fixture
def api(system):
    return system.address("api")


@pytest.fixture
def unharmed(system, api):
    """After a test: the same process, the same worker, and a request that is answered."""
    before = system.ready["worker"]
    yield
    assert system.process.poll() is None
    assert ask(api, request("POST", "/echo", body=b"next")).body == b"next"
    assert Path(f"/proc/{before}").exists()
