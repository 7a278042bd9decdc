"""WebAssembly modules, byte by byte: for those that no assembler would write."""


def number(value):
    """LEB128, unsigned."""
    out = b""
    while True:
        out += bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
        value >>= 7
        if not value:
            return out


def sized(content):
    return number(len(content)) + content


def section(kind, content):
    return bytes([kind]) + sized(content)


def items(entries):
    return number(len(entries)) + b"".join(entries)


def command(*, types=(), globals_=(), bodies=(b"\x00\x0b",), data=(), custom=b""):
    """A module with a page of memory, whose function 0 is `_start`. `bodies` are codes of () -> (), locals included."""
    return b"\0asm\x01\0\0\0" + b"".join([
        section(1, items([b"\x60\x00\x00", *types])),
        section(3, items([b"\x00"] * len(bodies))),
        section(5, items([b"\x00\x01"])),
        section(6, items(list(globals_))) if globals_ else b"",
        section(7, items([sized(b"_start") + b"\x00\x00", sized(b"memory") + b"\x02\x00"])),
        section(10, items([sized(body) for body in bodies])),
        section(11, items(list(data))) if data else b"",
        custom,
    ])
