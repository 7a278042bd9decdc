"""Passes connections on to a port, and may listen to what goes by."""

import asyncio
import contextlib
import socket
import threading


class Forwarder:
    """From `address` on the loopback, where it is made, to `port` of the loopback of the place that `inside` enters."""

    def __init__(self, port, inside=None):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._loop, self._closed = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        with inside or contextlib.nullcontext():
            self._thread.start()

    def heard(self, connection, data):
        """Called, in the forwarder's thread, for what came from who connected. `connection`: a number of each."""

    def is_held(self, data):
        """Whether that never arrives."""
        return False

    def _run(self):
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self):
        await asyncio.start_server(self._pass_on, sock=self._listener)
        await self._closed.wait()

    async def _pass_on(self, reader, writer):
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._pump(reader, there_writer, id(writer)), self._pump(there_reader, writer, None))
        writer.close()
        there_writer.close()

    async def _pump(self, reader, writer, heard_as):
        """Until its end, which is passed on too; a connection that breaks breaks the other."""
        try:
            while data := await reader.read(1 << 16):
                if heard_as is not None:
                    self.heard(heard_as, data)
                    if self.is_held(data):
                        await self._closed.wait()
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.transport.abort()

    def close(self):
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(10)
        self._listener.close()


class Heard:
    """A request of HTTP/1.1 as it was on the wire. `fields`: a list of names in lower case and values."""

    def __init__(self, head):
        line, *fields = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = line.split(" ")
        self.fields = [(name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)]

    def field(self, name):
        """Its value, or None; of one that may be there once."""
        values = [value for other, value in self.fields if other == name]
        assert len(values) < 2, f"{name}: {values}"
        return values[0] if values else None


class Tap(Forwarder):
    """Stands between a sidecar and its app and keeps what the sidecar asks, as long as that is HTTP/1.1."""

    def __init__(self, port, held=None):
        """`held`: how requests begin that never arrive."""
        self._bytes, self._lock, self._held = {}, threading.Lock(), held
        super().__init__(port)

    def is_held(self, data):
        return self._held is not None and data.startswith(self._held)

    def heard(self, connection, data):
        with self._lock:
            self._bytes.setdefault(connection, bytearray()).extend(data)

    def requests(self, path=None):
        """All of them so far, or those for a path, its query included."""
        with self._lock:
            streams = [bytes(stream) for stream in self._bytes.values()]
        found = [request for stream in streams for request in _requests(stream)]
        return [request for request in found if path in (None, request.path)]


def _requests(stream):
    found = []
    while b"\r\n\r\n" in stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        found.append(Heard(head))
        if found[-1].field("transfer-encoding") == "chunked":
            while (size := int(stream.partition(b"\r\n")[0] or b"0", 16)) > 0:
                stream = stream.partition(b"\r\n")[2][size + 2:]
            stream = stream.partition(b"\r\n\r\n")[2]
        else:
            stream = stream[int(found[-1].field("content-length") or 0):]
    return found
