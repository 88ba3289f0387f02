"""PyTorch checkpoints without PyTorch: right numbers, and nothing in a hostile file is executed."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from subpixel.sr._support.errors import InputError
from subpixel.sr.find import check_options, find_model
from subpixel.sr.models.torch_files import read_checkpoint


class Name:
    """Pickles as a name that need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call, which unpickling would carry out."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Storage:
    """Pickles as PyTorch's reference to a storage."""

    def __init__(self, key, size, kind="FloatStorage"):
        self.reference = ("storage", Name("torch", kind), str(key), "cpu", size)


# In Python, since the C pickler looks names up.
class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        return obj.reference if isinstance(obj, Storage) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Name):
            self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def pickled(obj, protocol=2):
    buffer = io.BytesIO()
    Pickler(buffer, protocol).dump(obj)
    return buffer.getvalue()


def archive(path, program, storages=(), compression=zipfile.ZIP_STORED, **extra):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        for key, values in enumerate(storages):
            file.writestr(f"archive/data/{key}", np.ascontiguousarray(values).tobytes())
        for name, content in extra.items():
            file.writestr(f"archive/{name}", content)
    return path


def tensor(key, array, *, offset=0, shape=None, strides=None, size=None, kind="FloatStorage"):
    shape = array.shape if shape is None else shape
    if strides is None:
        strides = tuple(stride // array.itemsize for stride in array.strides)
    storage = Storage(key, array.size if size is None else size, kind)
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    hooks = Call(Name("collections", "OrderedDict"))
    return Call(rebuild, storage, offset, shape, strides, False, hooks)


NUMBERS = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_are_read_by_name_whatever_their_strides(tmp_path, protocol):
    state = {
        "plain": tensor(0, NUMBERS),
        "turned": tensor(0, NUMBERS, shape=(6, 4), strides=(1, 6)),
        "part": tensor(0, NUMBERS, offset=7, shape=(2, 3), strides=(6, 1)),
        "number": tensor(0, NUMBERS, offset=5, shape=(), strides=()),
    }
    path = archive(tmp_path / "a.pth", pickled({"params": state}, protocol), [NUMBERS])
    read = read_checkpoint(path).tensors
    assert list(read) == list(state)
    np.testing.assert_array_equal(read["plain"], NUMBERS)
    np.testing.assert_array_equal(read["turned"], NUMBERS.T)
    np.testing.assert_array_equal(read["part"], NUMBERS[1:3, 1:4])
    np.testing.assert_array_equal(read["number"], NUMBERS[0, 5])


def hostile(tmp_path):
    flag = tmp_path / "executed"
    return Call(Name("os", "system"), f"touch {flag}")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda t: pickled({"a": hostile(t)}), "it names os.system, and only tensors"),
        (lambda t: pickled({"a": Call(Name("builtins", "eval"), "1")}), "names builtins.eval"),
        (lambda t: pickled({"a": Call(Name("torch", "FloatStorage"), 10**9)}), "not callable"),
        (lambda t: pickled({"a": Call(Name("collections", "OrderedDict"), 5)}), "not iterable"),
        (lambda t: pickled({"a": Name("torch.storage", "UntypedStorage")}), "of a kind that is"),
        (lambda t: pickled({"a": Name("posix", "system")}), "it names posix.system"),
        (lambda t: pickled({"a": Name("builtins", "getattr")}), "it names builtins.getattr"),
        (lambda t: pickled({"a": Name("torch", "load")}), "it names torch.load, and only"),
        (lambda t: pickled({"a": 1}), "there is no tensor in it"),
        (lambda t: pickled([tensor(0, NUMBERS)]), "does not hold a dict"),
        (lambda t: pickled({"a": tensor(1, NUMBERS)}), "data/1"),
        (lambda t: pickled({"a": tensor(0, NUMBERS, shape=(4, 7))}), "not those that its tensor"),
        (lambda t: pickled({"a": tensor(0, NUMBERS, offset=1)}), "not those that its tensor"),
        (lambda t: pickled({"a": tensor(0, NUMBERS, offset=-1)}), "has the shape"),
        (lambda t: pickled({"a": tensor(0, NUMBERS, strides=(-6, 1))}), "has the shape"),
        (lambda t: pickled({"a": tensor(0, NUMBERS, strides=(6,))}), "cannot be read"),
        (lambda t: pickled({"a": tensor(0, NUMBERS, size=10**12)}), "not those that its tensor"),
        (
            lambda t: pickled({"a": tensor(0, NUMBERS, shape=(10**6,) * 2, strides=(0, 0))}),
            "not those that its tensor",
        ),
        (lambda t: pickled({"a": tensor(0, NUMBERS)})[:-20], "cannot be read"),
        (lambda t: b"", "cannot be read"),
        (lambda t: b"not a program", "cannot be read"),
        # Takes from an empty stack; fills a number; keys that nest; a memo that would be huge.
        (lambda t: b"\x80\x02R.", "cannot be read"),
        (lambda t: b"\x80\x02K\x01K\x02K\x03s.", "does not support item assignment"),
        (lambda t: b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.", "more than 65536 bytes"),
        (lambda t: b"\x80\x02})" + b"\x85" * 60_000 + b"K\x01s.", "no tensor in it"),
        (lambda t: b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b".", "there is no tensor"),
        (lambda t: b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"a.", "cannot be read"),
        (lambda t: b"\x80\x02cos\nsystem\n(S'true'\ntR.", "it names os.system"),
        (lambda t: b"\x80\x02(S'true'\nios\nsystem\n.", "it names os.system"),
        (lambda t: b"\x80\x02ccollections\nOrderedDict\n}(X\x01\x00\x00\x00aK\x01ub.", "cannot"),
    ],
)
def test_hostile_and_damaged_programs_end_in_a_line(tmp_path, program, message):
    path = archive(tmp_path / "a.pth", program(tmp_path), [NUMBERS])
    with pytest.raises(InputError, match=message) as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert not (tmp_path / "executed").exists()


def test_archives_that_pytorch_does_not_write_are_refused(tmp_path):
    program = pickled({"a": tensor(0, NUMBERS)})
    bomb = archive(tmp_path / "bomb.pth", program, [np.zeros(10**6)], zipfile.ZIP_DEFLATED)
    big = archive(tmp_path / "big.pth", program, [NUMBERS], byteorder="big")
    good = archive(tmp_path / "good.pth", program, [NUMBERS])
    content = bytearray(good.read_bytes())
    start = content.index(NUMBERS.tobytes())
    content[start] ^= 1
    (tmp_path / "flipped.pth").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as file:
        file.writestr("archive/code.py", "import os")
    old = tmp_path / "old.pth"
    old.write_bytes(pickle.dumps({"a": 1}, 2))
    for path, message in (
        (bomb, "compressed"),
        (big, "big-endian"),
        (tmp_path / "flipped.pth", "damaged: Bad CRC-32"),
        (tmp_path / "other.pth", "no data.pkl"),
        (old, "before version 1.6"),
    ):
        with pytest.raises(InputError, match=message):
            read_checkpoint(path)
    for size in range(0, len(good.read_bytes()), 97):
        cut = tmp_path / "cut.pth"
        cut.write_bytes(good.read_bytes()[:size])
        with pytest.raises(InputError, match=r"cut\.pth"):
            read_checkpoint(cut)


def espcn_file(path: Path, *, scale=2, channels=3, change=None):
    rng = np.random.default_rng(0)
    shapes = [(4, channels, 3, 3), (4,), (3, 4, 1, 1), (3,), (channels * scale**2, 3, 3, 3)]
    shapes.append((channels * scale**2,))
    arrays = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes]
    if change is not None:
        change(arrays)
    names = [f"conv{i // 2 + 1}.{'bias' if i % 2 else 'weight'}" for i in range(len(arrays))]
    tensors = [tensor(i, array) for i, array in enumerate(arrays)]
    return archive(path, pickled(dict(zip(names, tensors, strict=True))), arrays), arrays


@pytest.mark.parametrize(
    ("change", "scale", "message"),
    [
        (None, 3, "gives 12 channels before the shuffle, and x3 of 3 takes 27"),
        (lambda arrays: [arrays.pop(), arrays.pop()], 2, "3 outputs, which no pixel shuffle"),
        (lambda arrays: arrays.__setitem__(1, arrays[1][:3]), 2, "conv1.bias is 3 instead of 4"),
        (lambda arrays: arrays.__setitem__(5, arrays[5][:3]), 2, "are not two or more convolut"),
        (lambda arrays: arrays[0].fill(np.nan), 2, "are not all finite"),
    ],
)
def test_networks_that_do_not_fit_are_refused(tmp_path, change, scale, message):
    path, _ = espcn_file(tmp_path / "a.pth", change=change)
    with pytest.raises(InputError, match=message):
        find_model(str(path), scale)
    with pytest.raises(InputError, match="output_activation is for PyTorch checkpoints"):
        check_options("bicubic", output_activation="sigmoid")
