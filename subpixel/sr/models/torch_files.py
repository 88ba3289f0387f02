"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without executing anything.

A `.pth` file is a zip archive: `data.pkl`, a program for Python's pickle machine that rebuilds the
saved object, and a file of raw numbers for each storage. Unpickling calls whatever the program
names, so it is not unpickled here. Its instructions are read one by one, and those that build
numbers, text, tuples, lists and dicts are carried out on an ordinary list. A name is kept as text
and a call as a record of that text; only PyTorch's records of tensors are understood, and anything
else is refused by its name.
"""

import math
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from subpixel.sr.errors import InputError

_STORAGES: dict[str, Any] = {
    "torch.DoubleStorage": np.float64,
    "torch.FloatStorage": np.float32,
    "torch.HalfStorage": np.float16,
    "torch.BFloat16Storage": ml_dtypes.bfloat16,
    "torch.LongStorage": np.int64,
    "torch.IntStorage": np.int32,
    "torch.ShortStorage": np.int16,
    "torch.CharStorage": np.int8,
    "torch.ByteStorage": np.uint8,
    "torch.BoolStorage": np.bool_,
}
_DICT = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_NAMES = frozenset({_DICT, _TENSOR, _PARAMETER, *_STORAGES})

# Where training frameworks put the weights beside other things; the averaged ones come first.
_WEIGHTS = ("params_ema", "params", "state_dict", "model")


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a checkpoint by their names, in the order of the file.

    Args:
      path: a file that `torch.save` wrote, PyTorch 1.6 or newer: a state dict, or a dict that
        holds one as "params_ema", "params", "state_dict" or "model".

    Raises:
      InputError: if the file is of another kind, damaged, or names anything but tensors.
    """
    tensors, _ = read_checkpoint(path)
    return tensors


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Returns the tensors of a checkpoint, and the texts that stand beside them.

    Args:
      path: as in `read_torch`.

    Raises:
      InputError: as `read_torch` does.
    """
    try:
        with path.open("rb") as file:
            if file.read(1) == b"\x80":
                raise InputError(
                    f"{path} is of the kind that PyTorch wrote before version 1.6, which cannot be "
                    "read without unpickling it: load it in PyTorch with weights_only=True and "
                    "save it again"
                )
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
            content = _Program(archive.read(entries["data.pkl"])).run()
            weights = _find_weights(content)
            tensors = {name: _array(tensor, archive, entries) for name, tensor in weights.items()}
            texts = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, str)}
            return tensors, texts
    except InputError:
        raise
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is not a PyTorch checkpoint, or it is damaged: {error}") from None
    except (_UnreadableError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as a PyTorch checkpoint: {error}") from None


class _UnreadableError(Exception):
    """Why a checkpoint cannot be read."""


@dataclass(frozen=True, eq=False)
class _Name:
    """A name that the program mentions."""

    text: str


@dataclass(frozen=True)
class _Storage:
    dtype: Any
    key: str
    size: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns the archive's files by their names below its one folder."""
    entries = {}
    for info in archive.infolist():
        # PyTorch stores without compression, so what is read is never more than the file's size.
        if info.compress_type != zipfile.ZIP_STORED:
            raise _UnreadableError("it is compressed, which torch.save never does")
        entries[info.filename.partition("/")[2]] = info
    if "data.pkl" not in entries:
        raise _UnreadableError("there is no data.pkl in it")
    if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
        raise _UnreadableError("its numbers are big-endian")
    return entries


def _find_weights(content: Any) -> dict[str, _Tensor]:
    for key in _WEIGHTS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise _UnreadableError("it does not hold a dict of tensors")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, _Tensor)}
    if not tensors:
        raise _UnreadableError("there is no tensor in it")
    return tensors


def _array(tensor: _Tensor, archive: zipfile.ZipFile, entries: dict) -> np.ndarray:
    storage, count = tensor.storage, math.prod(tensor.shape)
    last = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    # No overlap: the copy is never larger than what is in the file.
    if min((*tensor.shape, 1)) < 1 or min((*tensor.strides, tensor.offset)) < 0:
        raise _UnreadableError(f"a tensor has the shape {tensor.shape}, strides {tensor.strides}")
    values = np.frombuffer(archive.read(entries[f"data/{storage.key}"]), storage.dtype)
    if len(values) != storage.size or last >= len(values) or count > len(values):
        raise _UnreadableError(
            f"storage {storage.key} has {len(values)} numbers, not those that its tensor needs"
        )
    strides = [stride * values.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides)
    return view.astype(np.float32) if storage.dtype == ml_dtypes.bfloat16 else view.copy()


class _Program:
    """A pickle program, carried out as far as data goes."""

    def __init__(self, code: bytes):
        self.code = code
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Returns what the program builds."""
        for opcode, argument, _ in pickletools.genops(self.code):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            else:
                raise _UnreadableError(f"it uses the pickle instruction {opcode.name}")
        raise _UnreadableError("its data.pkl has no end")

    def pop_to_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def take(self, count: int) -> tuple[Any, ...]:
        if count > len(self.stack):
            raise _UnreadableError("its data.pkl takes more values than it made")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return tuple(items)

    def name(self, text: str) -> None:
        if text not in _NAMES:
            raise _UnreadableError(
                f"it names {text}, and only tensors are read: save the model's state_dict() alone"
            )
        self.stack.append(_Name(text))

    def call(self) -> None:
        function, arguments = self.take(2)
        text = function.text if isinstance(function, _Name) else None
        if text == _DICT and arguments == ():
            self.stack.append({})
        elif text == _TENSOR:
            storage, offset, shape, strides, *_ = arguments
            for number in (offset, *shape, *strides):
                if type(number) is not int:
                    raise _UnreadableError(f"a tensor's shape holds a {type(number).__name__}")
            if not isinstance(storage, _Storage):
                raise _UnreadableError("a tensor has no storage")
            self.stack.append(_Tensor(storage, offset, tuple(shape), tuple(strides)))
        elif text == _PARAMETER:
            self.stack.append(arguments[0])
        else:
            raise _UnreadableError(f"it calls {text}")

    def load_storage(self) -> None:
        (reference,) = self.take(1)
        kind, name, key, _, size = reference
        if kind != "storage" or not isinstance(name, _Name) or name.text not in _STORAGES:
            raise _UnreadableError("it refers to something else than a storage")
        self.stack.append(_Storage(_STORAGES[name.text], str(key), size))

    def store(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or not all(isinstance(k, str | int) for k in items[::2]):
            raise _UnreadableError("it fills something else than a dict by names or numbers")
        target.update(zip(items[::2], items[1::2], strict=True))

    def set_state(self) -> None:
        # The attributes of an OrderedDict: PyTorch keeps versions of modules there.
        self.take(1)


_LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
     "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING", "BINBYTES", "SHORT_BINBYTES"}
)  # fmt: skip

_ACTIONS: dict[str, Callable[[_Program, Any], Any]] = {
    "PROTO": lambda program, _: None,
    "FRAME": lambda program, _: None,
    "NONE": lambda program, _: program.stack.append(None),
    "NEWTRUE": lambda program, _: program.stack.append(True),
    "NEWFALSE": lambda program, _: program.stack.append(False),
    "EMPTY_TUPLE": lambda program, _: program.stack.append(()),
    "EMPTY_LIST": lambda program, _: program.stack.append([]),
    "EMPTY_DICT": lambda program, _: program.stack.append({}),
    "MARK": lambda program, _: program.marks.append(len(program.stack)),
    "TUPLE": lambda program, _: program.stack.append(tuple(program.pop_to_mark())),
    "TUPLE1": lambda program, _: program.stack.append(program.take(1)),
    "TUPLE2": lambda program, _: program.stack.append(program.take(2)),
    "TUPLE3": lambda program, _: program.stack.append(program.take(3)),
    "APPEND": lambda program, _: program.take(1),
    "APPENDS": lambda program, _: program.pop_to_mark(),
    "SETITEM": lambda program, _: program.set_items(list(program.take(2))),
    "SETITEMS": lambda program, _: program.set_items(program.pop_to_mark()),
    "BINPUT": lambda program, key: program.store(key),
    "LONG_BINPUT": lambda program, key: program.store(key),
    "MEMOIZE": lambda program, _: program.store(len(program.memo)),
    "BINGET": lambda program, key: program.stack.append(program.memo[key]),
    "LONG_BINGET": lambda program, key: program.stack.append(program.memo[key]),
    "GLOBAL": lambda program, names: program.name(names.replace(" ", ".")),
    "STACK_GLOBAL": lambda program, _: program.name(".".join(program.take(2))),
    "REDUCE": lambda program, _: program.call(),
    "BINPERSID": lambda program, _: program.load_storage(),
    "BUILD": lambda program, _: program.set_state(),
}
