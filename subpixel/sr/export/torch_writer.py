"""Writes tensors as a PyTorch checkpoint, without PyTorch.

The file is what `torch.save` writes: a zip archive, stored without compression, with a pickle
program in `data.pkl` and the numbers of each tensor in `data/0`, `data/1`, ... The program uses
the few instructions below and names only `collections.OrderedDict` and PyTorch's records of
tensors, so `torch.load(..., weights_only=True)` reads it, and so does `read_checkpoint`.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
from jaxtyping import Shaped

# A fixed time, so that the same tensors give the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


def torch_bytes(
    tensors: Mapping[str, Shaped[np.ndarray, "..."]], texts: Mapping[str, str] | None = None
) -> bytes:
    """Returns a checkpoint: a state dict, or a dict that holds one as "params".

    Args:
      tensors: by name; float32.
      texts: strings beside the state dict. Without them the file is the bare state dict.

    Raises:
      ValueError: if a tensor is not float32.
    """
    wrong = [name for name, tensor in tensors.items() if tensor.dtype != np.float32]
    if wrong:
        raise ValueError(f"tensors of a checkpoint must be float32; {', '.join(wrong)} are not")
    program = io.BytesIO()
    program.write(pickle.PROTO + b"\x02")
    if texts is None:
        _write_state_dict(program, tensors)
    else:
        program.write(pickle.EMPTY_DICT + pickle.MARK)
        _write_text(program, "params")
        _write_state_dict(program, tensors)
        for name, text in texts.items():
            _write_text(program, name)
            _write_text(program, text)
        program.write(pickle.SETITEMS)
    program.write(pickle.STOP)
    files = {"data.pkl": program.getvalue(), "byteorder": b"little"}
    for key, tensor in enumerate(tensors.values()):
        files[f"data/{key}"] = np.ascontiguousarray(tensor, "<f4").tobytes()
    files["version"] = b"3\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(f"archive/{name}", _TIME), content)
    return archive.getvalue()


def _write_state_dict(program: io.BytesIO, tensors: Mapping[str, np.ndarray]) -> None:
    _write_empty_ordered_dict(program)
    program.write(pickle.MARK)
    for key, (name, tensor) in enumerate(tensors.items()):
        _write_text(program, name)
        program.write(_global("torch._utils", "_rebuild_tensor_v2") + pickle.MARK)
        # The storage: ("storage", kind, key, device, size).
        program.write(pickle.MARK)
        _write_text(program, "storage")
        program.write(_global("torch", "FloatStorage"))
        _write_text(program, str(key))
        _write_text(program, "cpu")
        _write_number(program, tensor.size)
        program.write(pickle.TUPLE + pickle.BINPERSID)
        _write_number(program, 0)
        strides = [int(np.prod(tensor.shape[axis + 1 :])) for axis in range(tensor.ndim)]
        for numbers in (tensor.shape, strides):
            program.write(pickle.MARK)
            for number in numbers:
                _write_number(program, number)
            program.write(pickle.TUPLE)
        # No gradient, no hooks.
        program.write(pickle.NEWFALSE)
        _write_empty_ordered_dict(program)
        program.write(pickle.TUPLE + pickle.REDUCE)
    program.write(pickle.SETITEMS)


def _write_empty_ordered_dict(program: io.BytesIO) -> None:
    program.write(_global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE)


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _write_text(program: io.BytesIO, text: str) -> None:
    encoded = text.encode()
    program.write(pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded)


def _write_number(program: io.BytesIO, number: int) -> None:
    program.write(pickle.BININT + struct.pack("<i", number))
