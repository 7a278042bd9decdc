"""docs/dapr-conformance.md names tests that are there."""

import ast
import re

from sidecar import ROOT

NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs/dapr-conformance.md").read_text())


def names_in(file):
    path = ROOT / "tests/dapr" / file
    tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_page_names_is_there():
    assert len(NAMED) > 80
    assert not [f"{file}::{test}" for file, test in NAMED if test not in names_in(file)]
