"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without executing anything.

The kind of a file is decided by its content. `torch.save` writes a zip archive, which holds a
pickle program, `data.pkl`, and a file of raw numbers for each storage; before version 1.6 it wrote
pickle programs and the raw numbers one after the other. `safetensors.torch` writes a JSON header
and the raw numbers.
"""

import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import ml_dtypes
import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open

from subpixel.sr._support.errors import InputError
from subpixel.sr.models.file_kinds import describe_content, is_safetensors
from subpixel.sr.models.torch_pickle import Storage, Tensor, UnreadableError, run_pickle

Value = TypeVar("Value")

# The first of the pickled values of a file that PyTorch wrote before version 1.6.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

# Where training programs put the weights; others are taken if they are the only ones.
_WRAPPERS = (
    "params", "state_dict", "model_state_dict", "model_state", "model", "net", "network", "net_g",
    "netg", "generator", "generator_state_dict", "g", "weights",
)  # fmt: skip
# Parts of a checkpoint whose tensors are not the network's.
_OTHERS = ("optim", "sched", "discriminator", "net_d", "netd", "scaler", "swa_n", "loss")
_OTHER_MODULES = re.compile(r"discriminator|^net_?d$|loss|criterion|vgg|lpips|percep", re.I)
_DEEPEST = 4

# Tensors that overlap, such as an expanded number, may expand to this many numbers.
_MOST_EXPANDED = 2**20


@dataclass(frozen=True)
class Checkpoint:
    """What a PyTorch file holds.

    Attributes:
      tensors: by name, in the order of the file.
      texts: the strings beside the state dict, by name.
      place: where in the file the tensors were, such as "params_ema"; "" for the file itself.
    """

    tensors: dict[str, Shaped[np.ndarray, "..."]]
    texts: dict[str, str] = field(default_factory=dict)
    place: str = ""


def is_torch(path: Path) -> bool:
    """Whether a file is of a kind that `read_checkpoint` reads, by its content.

    A safetensors file is PyTorch's unless its header states a network of this project.
    """
    with path.open("rb") as file:
        head = file.read(512)
        if not is_safetensors(head):
            return head[:2] == b"PK" or head[:1] == b"\x80"
        size = int.from_bytes(head[:8], "little")
        file.seek(8)
        try:
            header = json.loads(file.read(min(size, path.stat().st_size)))
        except (ValueError, RecursionError):
            return False
    return isinstance(header, dict) and "model" not in (header.get("__metadata__") or {})


def read_torch(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Returns the tensors of a checkpoint by their names, in the order of the file.

    Args:
      path: as in `read_checkpoint`.

    Raises:
      InputError: as `read_checkpoint` does.
    """
    return read_checkpoint(path).tensors


def read_checkpoint(path: Path) -> Checkpoint:
    """Returns the tensors of a checkpoint, and the strings beside them.

    Args:
      path: a file that `torch.save` wrote, under any name, or a safetensors file: a state dict,
        or dicts that hold one. Averaged weights ("params_ema") are preferred to others.

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
        raise InputError(
            f"{path} is not a PyTorch checkpoint, or it is damaged: it is {describe_content(head)}"
        )
    except InputError:
        raise
    except (zipfile.BadZipFile, SafetensorError) as error:
        raise InputError(f"{path} is not a PyTorch checkpoint, or it is damaged: {error}") from None
    except (UnreadableError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as a PyTorch checkpoint: {error}") from None


def _read_zip(path: Path) -> Checkpoint:
    with zipfile.ZipFile(path) as archive:
        entries = _entries(archive)
        content = run_pickle(archive.read(entries["data.pkl"]))
        return _checkpoint(content, lambda key: archive.read(entries[f"data/{key}"]))


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns the archive's files by their names below its one folder."""
    entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    if "constants.pkl" in entries and any(name.startswith("code/") for name in entries):
        raise UnreadableError(
            "it is a TorchScript program, whose weights are not read: load it with "
            "torch.jit.load and save its state_dict() with torch.save"
        )
    if "data.pkl" not in entries:
        names = ", ".join(info.filename for info in archive.infolist()[:3]) or "nothing"
        raise UnreadableError(f"there is no data.pkl in it; it is a zip archive of {names}")
    for info in entries.values():
        # PyTorch stores without compression, so what is read is never more than the file's size.
        if info.compress_type != zipfile.ZIP_STORED:
            raise UnreadableError("it is compressed, which torch.save never does")
    if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
        raise UnreadableError("its numbers are big-endian")
    return entries


def _read_legacy(file: BinaryIO) -> Checkpoint:
    """Reads the format before PyTorch 1.6: pickled values, then the storages in a given order."""
    try:
        magic = run_pickle(file)
    except UnreadableError as error:
        raise UnreadableError(f"it is a Python pickle; {error}") from None
    if magic != _LEGACY_MAGIC:
        raise UnreadableError(
            "it is a Python pickle, which torch.save did not write (PyTorch before version 1.6 "
            "wrote its magic number first)"
        )
    _, system = run_pickle(file), run_pickle(file)
    described: dict[str, Storage] = {}
    content = run_pickle(file, described)
    if not system.get("little_endian", True):
        raise UnreadableError("its numbers are big-endian")
    keys = run_pickle(file)
    rest, start, storages = memoryview(file.read()), 0, {}
    for key in map(str, keys):
        # A storage is its count of numbers in eight bytes, then the numbers.
        count = int.from_bytes(rest[start : start + 8], "little")
        end = start + 8 + count * np.dtype(described[key].dtype).itemsize
        storages[key] = bytes(rest[start + 8 : end])
        start = end
    return _checkpoint(content, storages.__getitem__)


def _read_safetensors(path: Path) -> Checkpoint:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        names = file.keys()
        tensors = {name: _as_float32(file.get_tensor(name)) for name in names}
        return Checkpoint(_network_of(tensors), metadata)


def _checkpoint(content: Any, read: Callable[[str], bytes]) -> Checkpoint:
    place, weights = _find_weights(content)
    tensors = {name: _array(tensor, read) for name, tensor in weights.items()}
    beside = content.items() if isinstance(content, dict) else ()
    texts = {k: v for k, v in beside if isinstance(k, str) and isinstance(v, str)}
    return Checkpoint(tensors, texts, place)


def _find_weights(content: Any) -> tuple[str, dict[str, Tensor]]:
    """Returns the state dict among nested dicts, and its place."""
    if isinstance(content, list | tuple):
        content = {str(i): part for i, part in enumerate(content) if isinstance(part, dict)} or None
    if not isinstance(content, dict):
        raise UnreadableError("it does not hold a dict of tensors")
    found = list(_state_dicts(content, ""))
    if not found:
        raise UnreadableError("there is no tensor in it")
    # A state dict of a network holds kernels; scores and counters may be tensors too.
    kernels = [(p, t) for p, t in found if any(len(x.shape) >= 3 for x in t.values())] or found
    usable = [
        (place, tensors)
        for place, tensors in kernels
        if not any(other in place.lower() for other in _OTHERS)
    ]
    if not usable:
        raise UnreadableError(f"its tensors are those of {_named(kernels)}, not of a network")
    ranks = [_rank(place) for place, _ in usable]
    best = [pair for pair, rank in zip(usable, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        raise UnreadableError(
            f"it holds several networks, {_named(best)}: save the state_dict() of one of them alone"
        )
    place, tensors = best[0]
    return place, _network_of(tensors)


def _network_of(tensors: dict[str, Value]) -> dict[str, Value]:
    """Returns the tensors of the network among the modules of a training.

    Lightning and MMagic save a training as one module: with the network stand its discriminator
    and its loss, which are left out, or its running average, which is preferred.
    """
    modules: dict[str, set[str]] = {}
    for name in tensors:
        module, _, rest = name.partition(".")
        modules.setdefault(module, set()).add(rest)
    module = next(iter(modules))
    if len(modules) == 1 and all(modules[module]):
        inner = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
        return {f"{module}.{name}": tensor for name, tensor in _network_of(inner).items()}
    left_out = {module for module in modules if _OTHER_MODULES.search(module)}
    for module, names in modules.items():
        twins = {other for other in modules if other != module and modules[other] == names}
        if "ema" in module.lower() and any(names):
            left_out |= twins
    kept = {n: t for n, t in tensors.items() if n.partition(".")[0] not in left_out}
    return kept or tensors


def _state_dicts(content: dict[Any, Any], place: str) -> Iterator[tuple[str, dict[str, Tensor]]]:
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield place, tensors
    if place.count(".") + 1 < _DEEPEST:
        for name, value in content.items():
            if isinstance(value, dict):
                yield from _state_dicts(value, f"{place}.{name}" if place else str(name))


def _rank(place: str) -> int:
    name = place.rpartition(".")[2].lower()
    if "ema" in name:
        return 0
    return 1 + (_WRAPPERS.index(name) if name in _WRAPPERS else len(_WRAPPERS) + bool(place))


def _named(found: list[tuple[str, dict[str, Tensor]]]) -> str:
    return ", ".join(repr(place) for place, _ in found)


def _array(tensor: Tensor, read: Callable[[str], bytes]) -> np.ndarray:
    storage, count = tensor.storage, math.prod(tensor.shape)
    last = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min((*tensor.shape, 1)) < 1 or min((*tensor.strides, tensor.offset)) < 0:
        raise UnreadableError(f"a tensor has the shape {tensor.shape}, strides {tensor.strides}")
    values = np.frombuffer(read(storage.key), storage.dtype)
    if (
        len(values) != storage.size
        or last >= len(values)
        or count > max(len(values), _MOST_EXPANDED)
    ):
        raise UnreadableError(
            f"storage {storage.key} has {len(values)} numbers, not those that its tensor needs"
        )
    strides = [stride * values.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides)
    return _as_float32(view.copy())


def _as_float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
