"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without executing anything.

`torch.save` writes a zip archive, which holds a pickle program, `data.pkl`, and a file of raw
numbers for each storage; before version 1.6 it wrote pickle programs and the raw numbers one after
the other. `safetensors.torch` writes a JSON header and the raw numbers.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open

from subpixel.sr._support.errors import InputError

# The first of the pickled values of a file that PyTorch wrote before version 1.6.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

# Beside the state dict, under this name, an exported checkpoint states its metadata as JSON.
EXPORTED = "subpixel"

# Where a training program puts the weights, the averaged ones first.
WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model")

_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}

# The program of a network that is read has some 150 bytes for each tensor. A far longer one could
# nest so deep that Python's own recursion ends the process.
_MAX_PROGRAM = 2**16
_TOO_LONG = (
    f"its pickle program has more than {_MAX_PROGRAM} bytes: save the model's state_dict() alone"
)

# A tensor that repeats its numbers may expand to this many.
_MAX_EXPANDED = 2**20


@dataclass(frozen=True)
class Checkpoint:
    """What a PyTorch file holds.

    Attributes:
      tensors: by name, in the order of the file.
      texts: the strings beside the state dict, by name.
    """

    tensors: dict[str, Shaped[np.ndarray, "..."]]
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Storage:
    """An array of numbers in the file."""

    dtype: np.dtype[Any]
    key: str
    size: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offset and strides count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins like safetensors: the length of a JSON header, then the header."""
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32


def is_torch(path: Path) -> bool:
    """Whether a file is of a kind that `read_checkpoint` reads, by its content.

    A safetensors file is PyTorch's unless its header states a network of this project.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if not is_safetensors(head):
        return head[:2] == b"PK" or head[:1] == b"\x80"
    try:
        with safe_open(path, framework="numpy") as opened:
            return "model" not in (opened.metadata() or {})
    except SafetensorError:
        return False


def read_checkpoint(path: Path) -> Checkpoint:
    """Returns the tensors of a checkpoint, and the strings beside them.

    Args:
      path: a file that `torch.save` wrote, under any name, or a safetensors file. It holds a state
        dict, or a dict with a state dict under one of the names `WRAPPERS`.

    Raises:
      InputError: if the file is of another kind, damaged, or names anything but tensors.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
            file.seek(0)
            if head[:2] == b"PK":
                return _read_zip(path)
            if head[:1] == b"\x80":
                return _read_legacy(file)
        if is_safetensors(head):
            return _read_safetensors(path)
    except (zipfile.BadZipFile, SafetensorError) as error:
        raise InputError(f"{path} is not a PyTorch checkpoint, or it is damaged: {error}") from None
    except Exception as error:
        # A damaged pickle program can raise nearly everything.
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise InputError(f"{path} cannot be read as a PyTorch checkpoint: {reason}") from None
    raise InputError(
        f"{path} is not a PyTorch checkpoint, or it is damaged: it begins with {head[:24]!r}"
    )


class _TensorUnpickler(pickle._Unpickler):
    """An unpickler for which tensors, and no other objects, exist.

    Python's own implementation reads a damaged program safely; that in C reserves memory for any
    number that the program states.
    """

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full == "collections.OrderedDict":
            return OrderedDict
        if full in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"):
            return self._tensor
        if full == "torch._utils._rebuild_parameter":
            return self._parameter
        if module == "torch" and name in _STORAGES:
            return name
        if full.startswith("torch._utils._rebuild_") or full.endswith("Storage"):
            raise pickle.UnpicklingError(
                f"it holds a tensor of a kind that is not read ({full}): save dense tensors of "
                "float32"
            )
        raise pickle.UnpicklingError(
            f"it names {full}, and only tensors are read: save the model's state_dict() alone"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, name, key, _, size, *view = pid
        if kind != "storage" or any(part is not None for part in view):
            raise pickle.UnpicklingError("it refers to something else than a storage")
        storage = _Storage(_STORAGES[name], str(key), size)
        self.storages[storage.key] = storage
        return storage

    def _tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
        whole = all(type(number) is int for number in (offset, *shape, *strides))
        if not isinstance(storage, _Storage) or not whole:
            raise pickle.UnpicklingError("a tensor has no storage, or a shape that is no numbers")
        return _Tensor(storage, offset, tuple(shape), tuple(strides))

    def _parameter(self, tensor: Any, *_: Any) -> Any:
        return tensor


def _read_zip(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if "constants.pkl" in entries:
            raise ValueError(
                "it is a TorchScript program, whose weights are not read: load it with "
                "torch.jit.load and save its state_dict() with torch.save"
            )
        if "data.pkl" not in entries:
            names = ", ".join(info.filename for info in archive.infolist()[:3]) or "nothing"
            raise ValueError(f"there is no data.pkl in it; it is a zip archive of {names}")
        if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
            # What is stored is never more than the file's size.
            raise ValueError("it is compressed, which torch.save never does")
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            raise ValueError("its numbers are big-endian")
        if entries["data.pkl"].file_size > _MAX_PROGRAM:
            raise ValueError(_TOO_LONG)
        content = _TensorUnpickler(io.BytesIO(archive.read(entries["data.pkl"]))).load()
        return _checkpoint(content, lambda key: archive.read(entries[f"data/{key}"]))


def _read_legacy(file: BinaryIO) -> Checkpoint:
    """Reads the format before PyTorch 1.6: pickled values, then the storages in a given order."""
    programs = io.BytesIO(file.read(_MAX_PROGRAM))
    if _TensorUnpickler(programs).load() != _LEGACY_MAGIC:
        raise ValueError(
            "it is a Python pickle, which torch.save did not write (PyTorch before version 1.6 "
            "wrote its magic number first)"
        )
    _, system = _TensorUnpickler(programs).load(), _TensorUnpickler(programs).load()
    if not system.get("little_endian", True):
        raise ValueError("its numbers are big-endian")
    program = _TensorUnpickler(programs)
    try:
        content, keys = program.load(), _TensorUnpickler(programs).load()
    except EOFError:
        raise ValueError(_TOO_LONG if programs.tell() == _MAX_PROGRAM else "it was cut") from None
    file.seek(programs.tell())
    storages = {}
    for key in map(str, keys):
        # A storage is its count of numbers in eight bytes, then the numbers.
        count = int.from_bytes(file.read(8), "little")
        storages[key] = file.read(count * program.storages[key].dtype.itemsize)
    return _checkpoint(content, storages.__getitem__)


def _read_safetensors(path: Path) -> Checkpoint:
    with safe_open(path, framework="numpy") as file:
        names = file.keys()
        tensors = {name: _as_float32(file.get_tensor(name)) for name in names}
        return Checkpoint(tensors, file.metadata() or {})


def _checkpoint(content: Any, read: Callable[[str], bytes]) -> Checkpoint:
    if not isinstance(content, dict):
        raise ValueError("it does not hold a dict of tensors")
    inner = [content[name] for name in WRAPPERS if isinstance(content.get(name), dict)]
    state = inner[0] if inner else content
    tensors = {k: _array(v, read) for k, v in state.items() if isinstance(v, _Tensor)}
    if not tensors:
        raise ValueError(
            f"there is no tensor in it, nor under {', '.join(WRAPPERS)}: save the model's "
            "state_dict() alone"
        )
    texts = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, str)}
    return Checkpoint({str(name): tensor for name, tensor in tensors.items()}, texts)


def _array(tensor: _Tensor, read: Callable[[str], bytes]) -> np.ndarray:
    storage, count = tensor.storage, math.prod(tensor.shape)
    last = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min((*tensor.shape, 1)) < 1 or min((*tensor.strides, tensor.offset)) < 0:
        raise ValueError(f"a tensor has the shape {tensor.shape}, strides {tensor.strides}")
    values = np.frombuffer(read(storage.key), storage.dtype)
    if (
        len(values) != storage.size
        or last >= len(values)
        or count > max(len(values), _MAX_EXPANDED)
    ):
        raise ValueError(
            f"storage {storage.key} has {len(values)} numbers, not those that its tensor needs"
        )
    strides = [stride * values.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides)
    return _as_float32(view.copy())


def _as_float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
