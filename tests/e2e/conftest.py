"""Systems that several modules of end-to-end tests use."""

import manifests
import pytest


@pytest.fixture(scope="module")
def guest_system(start_system, guests):
    """Small and hostile functions; logs as JSON lines."""
    return start_system(manifests.of_guests(guests), "--loops", "2", env={"TRILBY_LOG_FORMAT": "json"})
