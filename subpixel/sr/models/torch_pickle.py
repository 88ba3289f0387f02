"""Interprets the pickle program of a PyTorch file; it builds data and calls nothing.

Unpickling calls every function that a program names, so a file from somebody else is never
unpickled here. The instructions are read one by one. Those that build numbers, text, tuples, lists
and dicts are executed on an ordinary list. A name is kept as text, and a call as a record of that
text: PyTorch's records of tensors are decoded, a short list of harmless names is kept as text, and
any other name is an error.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

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
_ORDERED_DICT = "collections.OrderedDict"
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")
_BUILTINS = (
    "bool", "bytearray", "complex", "dict", "float", "frozenset", "int", "list", "object", "set",
    "slice", "str", "tuple",
)  # fmt: skip
_PATHS = ("Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath")
_DTYPES = (
    "bfloat16", "bool", "complex64", "float16", "float32", "float64", "int16", "int32", "int64",
    "int8", "uint8",
)  # fmt: skip
# What training programs keep beside the weights: options, counters, scores, dates, dtypes.
_INERT = frozenset(
    {"_codecs.encode", "addict.addict.Dict", "argparse.Namespace", "collections.Counter",
     "collections.defaultdict", "collections.deque", "copy_reg._reconstructor",
     "copyreg._reconstructor", "datetime.date", "datetime.datetime", "datetime.timedelta",
     "datetime.timezone", "easydict.EasyDict", "lightning.fabric.utilities.data.AttributeDict",
     "lightning_fabric.utilities.data.AttributeDict", "numpy._core.multiarray._reconstruct",
     "numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
     "numpy.core.multiarray.scalar", "numpy.dtype", "numpy.ndarray",
     "pytorch_lightning.utilities.parsing.AttributeDict", "torch.Size", "torch.device",
     "types.SimpleNamespace", "yacs.config.CfgNode"}
    | {f"{module}.{name}" for module in ("__builtin__", "builtins") for name in _BUILTINS}
    | {f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in _PATHS}
    | {f"torch.{name}" for name in _DTYPES}
)  # fmt: skip
_NAMES = frozenset({_ORDERED_DICT, *_TENSORS, *_PARAMETERS, *_STORAGES, *_INERT})


class UnreadableError(Exception):
    """Why a PyTorch file cannot be read."""


@dataclass(frozen=True, eq=False)
class _Name:
    """A name that the program mentions, or the result of a call of it."""

    text: str


@dataclass(frozen=True)
class Storage:
    """A reference to an array of numbers in the file.

    Attributes:
      dtype: of the numbers.
      key: the name of the array.
      size: how many numbers it holds.
    """

    dtype: Any
    key: str
    size: int


@dataclass(frozen=True)
class Tensor:
    """A tensor as a view of a storage; offset and strides count numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def run_pickle(code: bytes | BinaryIO, storages: dict[str, Storage] | None = None) -> Any:
    """Returns what a pickle program builds, with `Tensor` for the tensors.

    Args:
      code: the program; a file is read up to the last instruction.
      storages: receives every storage that the program mentions, by its key.

    Raises:
      UnreadableError: if the program names anything but tensors and harmless names, or is damaged.
      ValueError, LookupError, TypeError: if it is damaged.
    """
    return _Program({} if storages is None else storages).run(code)


class _Program:
    """The stack, the marks and the memo of a pickle program."""

    def __init__(self, storages: dict[str, Storage]):
        self.storages = storages
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, code: bytes | BinaryIO) -> Any:
        for opcode, argument, _ in pickletools.genops(code):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            else:
                raise UnreadableError(f"it uses the pickle instruction {opcode.name}")
        raise UnreadableError("its pickle program has no end")

    def pop_to_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def take(self, count: int) -> tuple[Any, ...]:
        if count > len(self.stack):
            raise UnreadableError("its data.pkl takes more values than it made")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return tuple(items)

    def name(self, text: str) -> None:
        if text in _NAMES:
            self.stack.append(_Name(text))
            return
        if text.startswith("torch._utils._rebuild_") or text.endswith("Storage"):
            raise UnreadableError(
                f"it holds a tensor of a kind that is not read ({text}): save dense tensors of "
                "float32"
            )
        # torch.save(model) keeps the object, and with it the name of its class.
        whole = (
            "; it may hold a whole model instead of its state dict"
            if text.startswith(("__main__.", "torch.nn.", "model", "net"))
            else ""
        )
        raise UnreadableError(
            f"it names {text}, and only tensors are read{whole}: save the model's state_dict() "
            "alone"
        )

    def call(self) -> None:
        function, arguments = self.take(2)
        text = function.text if isinstance(function, _Name) else None
        if text == _ORDERED_DICT and (pairs := _pairs(arguments)) is not None:
            self.stack.append(pairs)
        elif text in _TENSORS:
            storage, offset, shape, strides, *_ = arguments
            for number in (offset, *shape, *strides):
                if type(number) is not int:
                    raise UnreadableError(f"a tensor's shape holds a {type(number).__name__}")
            if not isinstance(storage, Storage):
                raise UnreadableError("a tensor has no storage")
            self.stack.append(Tensor(storage, offset, tuple(shape), tuple(strides)))
        elif text in _PARAMETERS:
            self.stack.append(arguments[0])
        elif text in _INERT:
            self.stack.append(_Name(text))
        else:
            raise UnreadableError(f"it calls {text}")

    def load_storage(self) -> None:
        (reference,) = self.take(1)
        kind, name, key, _, size, *view = reference
        if kind != "storage" or not isinstance(name, _Name) or name.text not in _STORAGES:
            raise UnreadableError("it refers to something else than a storage")
        if any(part is not None for part in view):
            raise UnreadableError("its storages are views of others, as before PyTorch 0.4")
        storage = Storage(_STORAGES[name.text], str(key), size)
        self.storages[storage.key] = storage
        self.stack.append(storage)

    def store(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, _Name) and target.text in _INERT:
            return
        if not isinstance(target, dict) or not all(isinstance(k, str | int) for k in items[::2]):
            raise UnreadableError("it fills something else than a dict by names or numbers")
        target.update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def set_state(self) -> None:
        # The attributes of an OrderedDict: PyTorch keeps versions of modules there.
        self.take(1)


def _pairs(arguments: Any) -> dict[Any, Any] | None:
    """Returns the items that an OrderedDict is made of: none, or pairs as Python 2 wrote them."""
    if arguments == ():
        return {}
    items = arguments[0] if isinstance(arguments, tuple) and len(arguments) == 1 else None
    if not isinstance(items, list):
        return None
    pairs = all(
        isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str | int)
        for item in items
    )
    return dict(items) if pairs else None


_LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
     "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
     "BYTEARRAY8", "LONG4"}
)  # fmt: skip

_ACTIONS: dict[str, Callable[[_Program, Any], Any]] = {
    "PROTO": lambda program, _: None,
    "FRAME": lambda program, _: None,
    "NONE": lambda program, _: program.stack.append(None),
    "NEWTRUE": lambda program, _: program.stack.append(True),
    "NEWFALSE": lambda program, _: program.stack.append(False),
    "EMPTY_TUPLE": lambda program, _: program.stack.append(()),
    "EMPTY_LIST": lambda program, _: program.stack.append([]),
    "EMPTY_SET": lambda program, _: program.stack.append([]),
    "EMPTY_DICT": lambda program, _: program.stack.append({}),
    "MARK": lambda program, _: program.marks.append(len(program.stack)),
    "TUPLE": lambda program, _: program.stack.append(tuple(program.pop_to_mark())),
    "TUPLE1": lambda program, _: program.stack.append(program.take(1)),
    "TUPLE2": lambda program, _: program.stack.append(program.take(2)),
    "TUPLE3": lambda program, _: program.stack.append(program.take(3)),
    "FROZENSET": lambda program, _: program.stack.append(program.pop_to_mark()),
    "APPEND": lambda program, _: program.extend(list(program.take(1))),
    "APPENDS": lambda program, _: program.extend(program.pop_to_mark()),
    "ADDITEMS": lambda program, _: program.extend(program.pop_to_mark()),
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
    "NEWOBJ": lambda program, _: program.call(),
    "BINPERSID": lambda program, _: program.load_storage(),
    "BUILD": lambda program, _: program.set_state(),
}
