"""`trilby selftest`: every case of tests/hostile/cases against a real system, and the proof that it can fail."""

import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("TRILBY_BIN") or ROOT / "build" / "trilby")
SECONDS = 600


def selftest(*arguments, env=None, **options):
    return subprocess.run([PROGRAM, "selftest", *arguments], capture_output=True, text=True, timeout=SECONDS, env=os.environ | (env or {}), **options)


@functools.cache
def names():
    done = selftest("--list", "-o", "json")
    assert done.returncode == 0, done.stderr
    return [case["name"] for case in json.loads(done.stdout)["cases"]]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """One run of the whole suite, as a person who has nothing but the program runs it: with an almost empty environment."""
    temporary = tmp_path_factory.mktemp("selftest")
    done = subprocess.run([PROGRAM, "selftest", "-o", "json"], capture_output=True, text=True, timeout=SECONDS, cwd="/", env={"TMPDIR": str(temporary)})
    found = {case["name"]: case for case in json.loads(done.stdout)["cases"]}
    failed = [name for name, case in found.items() if case["result"] == "failed"]
    assert done.returncode == (70 if failed else 0)
    assert list(temporary.iterdir()) == [], "something was left behind"
    return found


@pytest.mark.parametrize("name", names() if PROGRAM.exists() else ["the program is not built"])
def test_case(verdicts, name):
    assert verdicts[name]["result"] == "held", verdicts[name]["why"]


def test_the_end_is_judged_too(verdicts):
    assert set(verdicts) == {*names(), "afterwards"}
    assert verdicts["afterwards"]["result"] == "held", verdicts["afterwards"]["why"]


def test_one_case_alone():
    done = selftest("--case", "recursion-without-end", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert [case["name"] for case in json.loads(done.stdout)["cases"]] == ["recursion-without-end", "afterwards"]


def test_a_normal_user_needs_nothing_but_the_program():
    """As nobody where this runs as root, from a copy that knows no sources."""
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        program = shutil.copy(PROGRAM, folder)
        done = subprocess.run([*as_nobody, program, "selftest", "--case", "memory-one-page-past", "--case", "module-empty"], capture_output=True, text=True,
                              timeout=SECONDS, cwd="/", env={"TMPDIR": folder})
        assert os.listdir(folder) == [PROGRAM.name]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("3 held, 0 failed, 0 skipped\n")


def test_a_case_that_is_not_there_is_wrong_usage():
    done = selftest("--case", "recursion-without-ends")
    assert done.returncode == 64
    assert 'did you mean "recursion-without-end"?' in done.stderr


CASE = 'row = "Row"\n[[case]]\nname = "x"\nabout = "a"\n'


@pytest.mark.parametrize(("case", "why"), [
    ('guest = "spin"\nfunction = "limits.cpu = \'20ms\'"\nreason = "ok"', "it ended with limit-cpu and not ok"),
    ('guest = "echo"\nreason = "trap"', "it ended with ok and not trap"),
    ('guest = "echo"\nbody = "a"\nanswer = "b"\nreason = "ok"', 'the answer is "a" and not "b"'),
    ('guest = "echo"\nreason = "ok"\nstatus = 201', "the status is 200 and not 201"),
    ('guest = "echo"\nreason = "ok"\n[[case.then]]\nreason = "bad-input"', "request 2: it ended with ok and not bad-input"),
    ('guest = "echo"\nrefused = "anything"', "it was not refused: the system serves"),
    ('module = ""\nrefused = "some other words"', "it was refused for another reason"),
], ids=["another reason", "no reason to fail", "another answer", "another status", "a later request", "served", "other words"])
def test_a_case_that_does_not_hold_fails_the_run(tmp_path, case, why):
    (tmp_path / "cases.toml").write_text(CASE + case)
    done = selftest("--cases", tmp_path / "cases.toml", "-o", "json")
    assert done.returncode == 70, done.stderr
    found = json.loads(done.stdout)["cases"]
    assert [verdict["result"] for verdict in found] == ["failed", "held"]
    assert why in found[0]["why"]


def test_a_worker_that_dies_fails_the_case_and_not_the_next(tmp_path):
    """No guest can do that, so this test does it, while the first case sleeps."""
    (tmp_path / "cases.toml").write_text('row = "R"\n[[case]]\nname = "a"\nabout = "a"\nguest = "sleep"\nbody_hex = "00f2052a01000000"\nreason = "ok"\n'
                                         '[[case]]\nname = "b"\nabout = "b"\nguest = "echo"\nreason = "ok"\n')
    process = subprocess.Popen([PROGRAM, "selftest", "--cases", tmp_path / "cases.toml", "-o", "json"], stdout=subprocess.PIPE, text=True)
    kill_worker_of(process.pid)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 70
    assert [case["result"] for case in json.loads(out)["cases"]] == ["failed", "held", "held"]


def test_text_says_what_failed(tmp_path):
    (tmp_path / "cases.toml").write_text(CASE + 'guest = "echo"\nreason = "trap"')
    done = selftest("--cases", tmp_path / "cases.toml")
    assert done.returncode == 70
    assert done.stdout.splitlines()[0].split() == ["FAILED", "Row", "x:", "it", "ended", "with", "ok", "and", "not", "trap:"]
    assert done.stdout.splitlines()[-1] == "1 held, 1 failed, 0 skipped"


@pytest.mark.parametrize(("text", "words"), [
    ('row = "R"\n[[case]]\nname = "X y"\nabout = "a"\nguest = "echo"\nreason = "ok"', "cases.toml:3: case[1].name: is made of"),
    (CASE + 'guest = "ecko"\nreason = "ok"', 'there is no guest "ecko"'),
    (CASE + 'guest = "echo"', "case[1].reason: is missing"),
    (CASE + 'guest = "echo"\nreason = "nothing"', "none of the closed table"),
    (CASE + 'guest = "echo"\nreasn = "ok"', 'did you mean "reason"?'),
    (CASE + 'guest = "echo"\nreason = "ok"\nbody_hex = "0"', "pairs of the digits"),
    (CASE + 'reason = "ok"', "one of guest, wat and module"),
    (CASE + 'wat = "(modul)"\nreason = "ok"', "case[1].wat"),
    (CASE + 'guest = "echo"\nreason = "ok"\n[[case]]\nname = "x"\nabout = "a"\nguest = "echo"\nreason = "ok"', "two cases are named"),
])
def test_a_file_of_cases_that_is_wrong_names_the_line(tmp_path, text, words):
    (tmp_path / "cases.toml").write_text(text)
    done = selftest("--cases", "cases.toml", cwd=tmp_path)
    assert done.returncode == 78
    assert words in done.stderr


def wait(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def children_of(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_worker_of(selftest_pid):
    """Once it serves."""
    supervisor = wait(lambda: children_of(selftest_pid))[0]
    worker = wait(lambda: children_of(supervisor))[0]
    wait(lambda: "serving" in log_of(worker))
    os.kill(worker, signal.SIGKILL)


def log_of(worker):
    return Path(os.readlink(f"/proc/{worker}/fd/2")).read_text()


def is_trilby(pid):
    try:
        return b"trilby" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return False


def test_an_interruption_leaves_nothing_behind(tmp_path):
    process = subprocess.Popen([PROGRAM, "selftest"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | {"TMPDIR": str(tmp_path)})
    supervisor = wait(lambda: children_of(process.pid))[0]
    worker = wait(lambda: children_of(supervisor))[0]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 75
    assert b"interrupted" in said
    assert list(tmp_path.iterdir()) == []
    wait(lambda: not any(is_trilby(pid) for pid in (supervisor, worker)))
