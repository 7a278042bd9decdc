"""The benchmark's client against small servers whose answers are known."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from load import Load

PROGRAM = Path(os.environ.get("TRILBY_BENCH_LOAD") or Path(__file__).parents[1] / "build/release/bench/bench_load")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SHED = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length:0\r\n\r\n"


def load(port: int, **plan) -> Load:
    done = subprocess.run([PROGRAM, f"--port={port}", *(f"--{name}={value}" for name, value in plan.items())], check=True,
                          capture_output=True, text=True, timeout=60)
    return Load.parse(done.stdout)


@contextmanager
def server(answers):
    """Answers the n-th request, over all connections, with what answers(n) gives: bytes, a list of pieces, or None to close. Yields
    the port and a list of the connections there were."""
    listener = socket.create_server(("127.0.0.1", 0))
    count, connections, lock = 0, [], threading.Lock()

    def serve(connection):
        nonlocal count
        with connection:
            received = b""
            while piece := connection.recv(4096):
                received += piece
                while b"\r\n\r\n" in received:
                    received = received.split(b"\r\n\r\n", 1)[1]
                    with lock:
                        number, count = count, count + 1
                    answer = answers(number)
                    if answer is None:
                        return
                    for part in answer if isinstance(answer, list) else [answer]:
                        connection.sendall(part)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1], connections
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()


def test_a_closed_loop_sends_as_many_requests_as_it_is_told_on_the_connections_it_is_given():
    with server(lambda number: OK) as (port, connections):
        run = load(port, requests=100, connections=4)
    assert (run.due, run.count(200), run.failed, len(connections)) == (100, 100, 0, 4)


def test_statuses_are_counted_apart():
    with server(lambda number: SHED if number % 4 else OK) as (port, _):
        run = load(port, requests=100, connections=1)
    assert (run.count(200), run.count(503), run.other_than(200, 503)) == (25, 75, 0)


def test_an_answer_in_pieces_is_one_answer():
    with server(lambda number: [OK[:3], OK[3:20], OK[20:-1], OK[-1:]]) as (port, _):
        assert load(port, requests=10).count(200) == 10


def test_a_connection_that_breaks_is_a_failed_request():
    with server(lambda number: None if number == 5 else OK) as (port, _):
        run = load(port, requests=100, connections=2)
    assert (run.failed, run.count(200)) == (1, 99)


def test_a_server_that_closes_after_its_answer_loses_nothing():
    closing = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    with server(lambda number: closing) as (port, connections):
        run = load(port, requests=10)
    assert (run.failed, run.count(200), len(connections)) == (0, 10, 10)


def test_nobody_listening_fails_every_request():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert load(port, requests=3, connections=3).failed == 3
    run = load(port, requests=50, rate=1000)
    assert (run.due, run.failed) == (50, 50)


def test_an_open_loop_sends_what_is_due_without_waiting_for_answers():
    release = threading.Event()

    def answer(number):
        if number == 9:
            release.set()  # the last of them has come, though none was answered
        assert release.wait(30)
        return OK

    with server(answer) as (port, connections):
        run = load(port, requests=10, rate=1000, connections=20)
    assert (run.count(200), run.starved, len(connections)) == (10, 0, 10)


def test_waiting_for_a_connection_counts_as_latency():
    def answer(number):
        if number == 0:
            time.sleep(0.3)
        return OK

    with server(answer) as (port, _):
        run = load(port, requests=10, rate=10_000, connections=1)
    assert (run.count(200), run.starved) == (10, 9)
    assert run.percentile_us(1) > 200_000  # though all but the first were answered at once


@pytest.mark.parametrize("answer", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", OK + b"more",
                                    b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"])
def test_an_answer_that_is_not_understood_ends_the_run(answer):
    with server(lambda number: answer) as (port, _):
        done = subprocess.run([PROGRAM, f"--port={port}", "--requests=1"], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("load: ")


@pytest.mark.parametrize("plan", [["--port=0"], ["--port=1", "--rate=-1"], ["--port=1", "--rate=nan"], ["--port=1", "--connections=0"],
                                  ["--port=1", "--connections=10001"], ["--port=1", "--seconds=601"], ["--port=1", "--seconds=0"],
                                  ["--port=1", "--path=x"], ["--port=70000"], ["--what=1"], ["word"]])
def test_a_plan_out_of_bounds_is_refused(plan):
    done = subprocess.run([PROGRAM, *plan], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "usage:" in done.stderr
