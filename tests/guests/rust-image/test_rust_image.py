"""Any toolchain's WASI command runs: a Rust one on the `image` crate, built by Debian's rustc."""

import io
import pathlib
import subprocess

import numpy
import pytest
import skimage
from PIL import Image

HERE = pathlib.Path(__file__).parent
MANIFEST = """
trilby = 1
[function.gray]
module = "{module}"
content_type = "sniff"
[function.gray.limits]
memory = "128MiB"
cpu = "10s"
"""


@pytest.fixture(scope="module")
def gray(trilby, tmp_path_factory):
    """Calls the function: bytes in, finished process out."""
    module = HERE.parents[2] / "build" / "guests" / "rust-image.wasm"
    subprocess.run([HERE / "build.sh", module], check=True, timeout=1200)
    manifest = tmp_path_factory.mktemp("rust-image") / "trilby.toml"
    manifest.write_text(MANIFEST.format(module=module))

    def call(picture: bytes) -> subprocess.CompletedProcess:
        return subprocess.run([trilby, "invoke", "gray", "-m", manifest], input=picture, capture_output=True, timeout=60)

    return call


def encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def coffee() -> Image.Image:
    return Image.open(pathlib.Path(skimage.data_dir) / "coffee.png").convert("RGB")


def test_a_jpeg_becomes_a_gray_png_of_the_same_size(gray, coffee):
    jpeg = encoded(coffee, "JPEG")
    done = gray(jpeg)
    assert done.returncode == 0, done.stderr
    result = Image.open(io.BytesIO(done.stdout))
    assert (result.format, result.mode, result.size) == ("PNG", "L", coffee.size)
    red, green, blue = numpy.moveaxis(numpy.asarray(Image.open(io.BytesIO(jpeg)), dtype=numpy.float32), 2, 0)
    luma = numpy.trunc(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    difference = numpy.abs(numpy.asarray(result, dtype=numpy.float32) - luma)
    assert difference.mean() < 2  # decoders round chroma differently
    assert difference.max() < 32


def test_a_gif_stays_a_gif(gray, coffee):
    done = gray(encoded(coffee.resize((64, 48)), "GIF"))
    assert done.returncode == 0, done.stderr
    assert done.stdout[:4] == b"GIF8"


def test_what_is_no_picture_is_bad_input(gray):
    done = gray(b"not a picture at all")
    assert done.returncode == 65
    assert b"bad-input" in done.stderr
    assert done.stdout == b""
