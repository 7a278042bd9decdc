"""What a running system tells of itself, and waiting until it does."""

import re
import time

import httpx


def metric(system, name, **labels):
    """The sum of a series over all that have these labels. There is at least one."""
    page = httpx.get(f"{system.admin}/metrics").text
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    values = [float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
              if re.match(name + r"[{ ]", line) and all(label in line for label in wanted)]
    assert values, (name, labels)
    return sum(values)


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
