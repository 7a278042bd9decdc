"""docs/security.md says which test shows what; here is that these tests exist, and that no case of the suite is left out."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("TRILBY_BIN") or ROOT / "build" / "trilby")
ROWS = ["Files", "Memory", "Time", "Stack", "Component ABI", "Loader", "HTTP in", "TLS", "HTTP out", "Egress", "Dapr policy", "Leak", "Logs", "Inference",
        "Lifecycle", "Outer wall", "Our C++"]


def checklist():
    """Row -> [(attack, what happens, shown by)]"""
    text = (ROOT / "docs/security.md").read_text().split("\n## The checklist\n", 1)[1].split("\n## ", 1)[0]
    found = {}
    for section in text.split("\n### ")[1:]:
        title, rest = section.split("\n", 1)
        lines = [line for line in rest.splitlines() if line.startswith("|")]
        found[title] = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]
    return found


CHECKLIST = checklist()
LINES = [(row, *cells) for row, lines in CHECKLIST.items() for cells in lines]


@pytest.fixture(scope="module")
def cases():
    done = subprocess.run([PROGRAM, "selftest", "--list", "-o", "json"], capture_output=True, text=True, check=True)
    return {case["name"]: case["row"] for case in json.loads(done.stdout)["cases"]}


def test_every_row_is_there():
    assert list(CHECKLIST) == ROWS
    assert all(CHECKLIST.values())


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line[0]}: {line[1]}"[:60])
def test_every_attack_names_a_test_or_what_it_waits_for(line, cases):
    assert len(line) == 4, line
    row, _, happens, shown = line
    names = re.findall(r"`([^`]+)`", shown)
    assert (names and happens) or shown.startswith("waits for "), line
    for name in names:
        assert exists(name, cases), f"{row}: there is no {name}"


def exists(name, cases):
    """A case, `tests/x/test_y.py::test_z`, `src/x/y_test.cc::Suite.Test`, or a file: a fuzz target, a script."""
    path, _, test = name.partition("::")
    if "/" not in path:
        return name in cases or name == "afterwards"
    if not (ROOT / path).exists():
        return False
    text = (ROOT / path).read_text()
    if not test:
        return True
    if path.endswith(".py"):
        return re.search(rf"^ *def {re.escape(test)}\(", text, re.MULTILINE) is not None
    suite, _, case = test.partition(".")
    return re.search(rf"^TEST(_F|_P)?\({re.escape(suite)}, {re.escape(case)}\)", text, re.MULTILINE) is not None


def test_every_case_is_in_its_row_of_the_checklist(cases):
    shown = {(name, line[0]) for line in LINES for name in re.findall(r"`([^`]+)`", line[3])}
    assert set(cases.items()) - shown == set()
