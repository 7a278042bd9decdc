#!/usr/bin/env python3
"""A folder of src/ may include only folders above it in the order a request travels (docs/architecture.md)."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+)/')


def layers() -> list[str]:
    """The order is written once: the foreach in the root CMakeLists.txt."""
    found = re.search(r"foreach\(layer ([a-z_ ]+)\)", (ROOT / "CMakeLists.txt").read_text())
    if not found:
        sys.exit("check_layers: the root CMakeLists.txt names no layers")
    return found.group(1).split()


def main() -> int:
    order = {name: place for place, name in enumerate(layers())}
    wrong = 0
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in {".h", ".cc"}:
            continue
        layer = path.relative_to(ROOT / "src").parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = INCLUDE.match(line)
            if include and order.get(include.group(1), len(order)) > order[layer]:
                print(f"{path.relative_to(ROOT)}:{number}: {layer}/ must not include {include.group(1)}/, which is below it")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
