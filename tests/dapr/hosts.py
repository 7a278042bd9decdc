"""Machines for a test: network namespaces that a bridge joins, each with its own loopback and an address of its own.

They need root, and `ip` of iproute2. A namespace has no name here: it is there as long as a process or a descriptor holds it, so that nothing of it
stays on the machine, however the test ends, and nothing of one test run is in the way of another.
"""

import contextlib
import ctypes
import errno
import os
import socket
import subprocess

import pytest
from forwarder import Forwarder

CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
CAPTURE_BYTES = 64 << 20
FRAME_BYTES = 1 << 17  # frames are cut by network cards alone; here they have up to 64 KiB
SOL_PACKET, PACKET_STATISTICS = 263, 6
_libc = ctypes.CDLL(None, use_errno=True)


def _own_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Host:
    """A network namespace with a loopback."""

    def __init__(self):
        """Skips the test where nobody may make one."""
        before = _own_namespace()
        try:
            _call(_libc.unshare, CLONE_NEWNET)
        except OSError as error:
            os.close(before)
            if error.errno == errno.EPERM:
                pytest.skip("two hosts are two network namespaces, which only root may make (CAP_SYS_ADMIN)")
            raise
        self.descriptor = _own_namespace()
        _call(_libc.setns, before, CLONE_NEWNET)
        os.close(before)
        self._doors = []
        self.ip("link", "set", "lo", "up")

    @contextlib.contextmanager
    def inside(self):
        """Sockets, processes and threads that this thread makes meanwhile are in the host, and stay there."""
        before = _own_namespace()
        _call(_libc.setns, self.descriptor, CLONE_NEWNET)
        try:
            yield
        finally:
            _call(_libc.setns, before, CLONE_NEWNET)
            os.close(before)

    def ip(self, *words):
        """Runs the command of that name in it."""
        with self.inside():
            done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"

    def door(self, port):
        """host:port of the test's own loopback, by which a port of this host's loopback is reached, as by `ssh -L`."""
        self._doors.append(Forwarder(port, self.inside()))
        return self._doors[-1].address

    def close(self):
        """It ends with the last process that runs in it."""
        for door in self._doors:
            door.close()
        os.close(self.descriptor)


class Switch(Host):
    """What joins hosts, and is one itself: 10.77.0.1."""

    def __init__(self):
        super().__init__()
        self.address = "10.77.0.1"
        self._joined = []
        self.ip("link", "add", "switch", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
        self.ip("address", "add", f"{self.address}/24", "dev", "switch")
        self.ip("link", "set", "switch", "up")

    def join(self):
        """Another host, at 10.77.0.2, .3 and so on, with a network card `eth0` that can do multicast, as mDNS needs it."""
        host = Host()
        self._joined.append(host)
        number = len(self._joined) + 1
        host.address, host.port_of_switch = f"10.77.0.{number}", f"port{number}"
        self.ip("link", "add", host.port_of_switch, "type", "veth", "peer", "name", "eth0", "netns", f"/proc/{os.getpid()}/fd/{host.descriptor}")
        self.ip("link", "set", host.port_of_switch, "master", "switch", "up")
        host.ip("address", "add", f"{host.address}/24", "dev", "eth0")
        host.ip("link", "set", "eth0", "up")
        host.ip("route", "add", "224.0.0.0/4", "dev", "eth0")
        return host

    def close(self):
        for host in self._joined:
            host.close()
        super().close()


class Capture:
    """The frames that go to or come from a host, from now on."""

    def __init__(self, switch, host):
        with switch.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, CAPTURE_BYTES)
        self._socket.bind((host.port_of_switch, ETH_P_ALL))
        self._socket.setblocking(False)

    def segments(self):
        """(port from, port to, bytes) of each TCP segment with data that came since the last time."""
        found = []
        while True:
            try:
                frame = self._socket.recv(FRAME_BYTES)
            except BlockingIOError:
                break
            if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
                continue
            packet = frame[14:14 + int.from_bytes(frame[16:18], "big")]
            segment = packet[(packet[0] & 15) * 4:]
            data = segment[(segment[12] >> 4) * 4:]
            if data:
                found.append((int.from_bytes(segment[0:2], "big"), int.from_bytes(segment[2:4], "big"), data))
        dropped = int.from_bytes(self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)[4:8], "little")
        assert dropped == 0, "the capture has holes"
        return found

    def close(self):
        self._socket.close()
