"""HTTP over a bare socket: what well-behaved clients never send, and the exact bytes that come back."""

import re
import socket
from dataclasses import dataclass, field

TIMEOUT = 60  # seconds; how long a slow machine may take to answer


@dataclass
class Answer:
    status: int
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Peer:
    """One connection."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=TIMEOUT)
        self._file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, method="GET"):
        """Reads one answer; None when the connection ended instead."""
        line = self._file.readline()
        if not line:
            return None
        assert (match := re.fullmatch(rb"HTTP/1\.1 (\d{3}) [ -~]*\r\n", line)), line
        answer = Answer(int(match[1]))
        while (line := self._file.readline()) != b"\r\n":
            assert (match := re.fullmatch(rb"([!-9;-~]+): ([ -~]*)\r\n", line)), line
            name = match[1].decode().lower()
            assert name not in answer.fields or name == "vary", f"{name} came twice"
            answer.fields[name] = match[2].decode()
        if method != "HEAD" and answer.status >= 200 and answer.status not in (204, 304):
            answer.body = self._body(answer.fields)
        return answer

    def _body(self, fields):
        if "content-length" in fields:
            return self._file.read(int(fields["content-length"]))
        assert fields.get("transfer-encoding") == "chunked", fields
        body = b""
        while size := int(self._file.readline(), 16):
            body += self._file.read(size)
            assert self._file.read(2) == b"\r\n"
        assert self._file.readline() == b"\r\n"
        return body

    def is_closed(self):
        """Waits for the end of the connection; anything else that comes is a failure."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


def request(method, target, fields=(), body=b"", host="test"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def ask(address, data, method="GET"):
    """One exchange on a connection of its own."""
    with Peer(address) as peer:
        peer.send(data)
        return peer.answer(method)
