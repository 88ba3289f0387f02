"""Writes tensors as a PyTorch checkpoint, without PyTorch.

The file is what `torch.save` writes: a zip archive, stored without compression, with a pickle
program in `data.pkl` and the numbers of each tensor in `data/0`, `data/1`, ... The program names
only `collections.OrderedDict` and PyTorch's records of tensors, so
`torch.load(..., weights_only=True)` reads it, and so does `read_checkpoint`.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped

# A fixed time, so that the same tensors give the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)
_REBUILD = pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n"
_FLOATS = pickle.GLOBAL + b"torch\nFloatStorage\n"
_ORDERED_DICT = pickle.GLOBAL + b"collections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE


def torch_bytes(
    tensors: Mapping[str, Shaped[np.ndarray, "..."]], texts: Mapping[str, str] | None = None
) -> bytes:
    """Returns a checkpoint: a state dict, or with texts a dict that holds it as "params".

    Raises:
      ValueError: if a tensor is not float32.
    """
    wrong = [name for name, tensor in tensors.items() if tensor.dtype != np.float32]
    if wrong:
        raise ValueError(f"tensors of a checkpoint must be float32; {', '.join(wrong)} are not")
    program = _state_dict(tensors)
    if texts is not None:
        program = pickle.EMPTY_DICT + pickle.MARK + _value("params") + program
        program += b"".join(_value(name) + _value(text) for name, text in texts.items())
        program += pickle.SETITEMS
    program = pickle.PROTO + b"\x02" + program + pickle.STOP
    files = {"data.pkl": program, "byteorder": b"little"}
    for key, tensor in enumerate(tensors.values()):
        files[f"data/{key}"] = np.ascontiguousarray(tensor, "<f4").tobytes()
    files["version"] = b"3\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(f"archive/{name}", _TIME), content)
    return archive.getvalue()


def _state_dict(tensors: Mapping[str, np.ndarray]) -> bytes:
    program = _ORDERED_DICT + pickle.MARK
    for key, (name, tensor) in enumerate(tensors.items()):
        # The storage: ("storage", kind, key, device, size).
        storage = _value("storage") + _FLOATS + _value(str(key)) + _value("cpu")
        storage = pickle.MARK + storage + _value(tensor.size) + pickle.TUPLE + pickle.BINPERSID
        strides = tuple(int(np.prod(tensor.shape[axis + 1 :])) for axis in range(tensor.ndim))
        place = b"".join(map(_value, (0, tensor.shape, strides)))
        # No gradient, no hooks.
        arguments = storage + place + _value(False) + _ORDERED_DICT
        program += _value(name) + _REBUILD + pickle.MARK + arguments + pickle.TUPLE + pickle.REDUCE
    return program + pickle.SETITEMS


def _value(value: Any) -> bytes:
    """Returns the program of a string, a number or a tuple, without its start and its end."""
    return pickle.dumps(value, 2)[2:-1]
