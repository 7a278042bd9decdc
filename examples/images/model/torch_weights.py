"""Reads the tensors out of a PyTorch checkpoint in the old format (before 1.6: pickles, then raw storages), without PyTorch.

A pickle is a program. This reader runs one that can build nothing but ordered dictionaries of tensors: every other global,
and every tensor that does not lie inside its own storage, is refused.

Layout of the file (torch/serialization.py, `_legacy_load`): four pickles (magic number, protocol version, facts about the
writer, the state dict), a fifth with the sorted keys of the storages, then for each key its number of elements as a
little-endian int64 and its elements.
"""

import collections
import pickle
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# A storage is named by the text of its element type and not by a numpy object, which a pickle could call or alter.
ELEMENT_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class WeightsError(Exception):
    """The file is not a checkpoint that this reader accepts; the message says what is wrong with it."""


class Storage(NamedTuple):
    element_type: str
    key: str
    elements: int


class TensorView(NamedTuple):
    """A tensor as the pickle describes it: a strided window of a storage that comes later in the file."""

    storage: Storage
    offset: int  # in elements, as the strides
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**40


def _rebuild_tensor(storage, offset, shape, strides, *_gradient_and_hooks) -> TensorView:
    counts = (offset, *shape, *strides)
    if type(storage) is not Storage or len(shape) != len(strides) or not all(map(_is_count, counts)):
        raise WeightsError("a tensor is described by something else than a storage, an offset, a shape and strides")
    elements = int(np.prod(shape, dtype=object))
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides))
    if elements == 0 or elements > storage.elements or last >= storage.elements:
        raise WeightsError(f"a tensor of shape {shape} and strides {strides} does not lie inside its storage")
    return TensorView(storage, offset, tuple(shape), tuple(strides))


class _TensorsOnly(pickle.Unpickler):
    _ALLOWED = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        **{("torch", name): element_type for name, element_type in ELEMENT_TYPES.items()},
    }

    def find_class(self, module: str, name: str):
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise WeightsError(f"the pickle asks for {module}.{name}, which is not a tensor") from None

    def persistent_load(self, pid) -> Storage:
        match pid:
            case ("storage", str(element_type), str(key), str(), int(elements), None):
                if element_type in ELEMENT_TYPES.values() and _is_count(elements):
                    return Storage(element_type, key, elements)
        raise WeightsError(f"the pickle refers to {pid!r}, which is not a whole storage")


def _unpickle(file: BinaryIO):
    try:
        return _TensorsOnly(file).load()
    except WeightsError:
        raise
    except EOFError:
        raise WeightsError("the file is truncated in its pickles") from None
    except Exception as error:  # a malformed pickle raises nearly anything
        if "truncated" in str(error):
            raise WeightsError("the file is truncated in its pickles") from None
        raise WeightsError(f"the pickle is malformed: {error}") from None


def _read_state_dict(file: BinaryIO) -> dict[str, TensorView]:
    if _unpickle(file) != MAGIC or _unpickle(file) != PROTOCOL:
        raise WeightsError("not a PyTorch checkpoint in the old format")
    writer = _unpickle(file)
    if type(writer) is not dict or writer.get("little_endian") is not True:
        raise WeightsError("the checkpoint was not written on a little-endian machine")
    state = _unpickle(file)
    if type(state) is not collections.OrderedDict:
        raise WeightsError("the checkpoint holds no state dict")
    views = dict(collections.OrderedDict.items(state))
    for name, view in views.items():
        if type(name) is not str or type(view) is not TensorView:
            raise WeightsError(f"the state dict's entry {name!r} is not a tensor")
    return views


def _read_storages(file: BinaryIO, wanted: dict[str, Storage]) -> dict[str, np.ndarray]:
    keys = _unpickle(file)
    if type(keys) is not list or not all(type(key) is str for key in keys) or sorted(keys) != sorted(wanted):
        raise WeightsError("the storages in the file are not those that the state dict names")
    storages = {}
    for key in keys:
        storage = wanted[key]
        size = storage.elements * np.dtype(storage.element_type).itemsize
        header = file.read(8)
        data = file.read(size) if len(header) == 8 else b""
        if len(header) < 8 or (len(data) < size and struct.unpack("<q", header)[0] == storage.elements):
            raise WeightsError(f"the file is truncated: storage {key} should have {size} bytes and has {len(data)}")
        if struct.unpack("<q", header)[0] != storage.elements:
            raise WeightsError(f"storage {key} does not have the {storage.elements} elements that the state dict says")
        storages[key] = np.frombuffer(data, dtype=storage.element_type)
    return storages


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Returns the state dict's tensors, contiguous in C order, by name. Raises WeightsError, or OSError."""
    with open(path, "rb") as file:
        views = _read_state_dict(file)
        wanted: dict[str, Storage] = {}
        for view in views.values():
            if wanted.setdefault(view.storage.key, view.storage) != view.storage:
                raise WeightsError(f"storage {view.storage.key} is described in two ways")
        storages = _read_storages(file, wanted)
    tensors = {}
    for name, (storage, offset, shape, strides) in views.items():
        data = storages[storage.key][offset:]
        byte_strides = [stride * data.itemsize for stride in strides]
        tensors[name] = np.ascontiguousarray(np.lib.stride_tricks.as_strided(data, shape, byte_strides))
    return tensors
