"""What the tests of hostile guests, files and faults share. Bare HTTP and manifests are those of the end-to-end tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
