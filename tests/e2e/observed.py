"""What a running system tells of itself, waiting until it does, and calls that are under way meanwhile."""

import re
import time

import httpx
from raw_http import Peer, ask, request


def metric(system, name, **labels):
    """The sum of a series over all that have these labels. There is at least one."""
    page = httpx.get(f"{system.admin}/metrics", timeout=60).text
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


def sleep_for(milliseconds, target="/sleep"):
    return request("POST", target, body=(milliseconds * 1_000_000).to_bytes(8, "little"))


def begin(system, pool, data):
    """Sends a request whose function then runs; once more where that had ended before it was seen, as it may on a busy machine."""
    sent = [pool.submit(ask, system.address("api"), data)]

    def is_running():
        if metric(system, "trilby_calls_live") > 0:
            return True
        if sent[-1].done():
            sent.append(pool.submit(ask, system.address("api"), data))
        return False

    wait_until(is_running, "the call did not begin")
    return sent[-1]


class HeldCall(Peer):
    """A call of `echo` that is under way for as long as a test wants: the last byte of its body, `held`, is not sent before."""

    def __init__(self, system, app="api"):
        super().__init__(system.address(app))
        data = request("POST", "/echo", body=b"held")
        self._rest = data[-1:]
        self.send(data[:-1])
        wait_until(lambda: metric(system, "trilby_calls_live") == 1, "the call did not begin")

    def release(self):
        """Lets it end. Returns its answer."""
        self.send(self._rest)
        return self.answer()
