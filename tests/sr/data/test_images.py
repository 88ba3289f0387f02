"""Every kind of image file is converted harmlessly or refused by name."""

import numpy as np
import pytest
from PIL import Image

from subpixel.sr.data import check_no_leak, find_images, prepare, read_image
from subpixel.sr.data.embedded import TEST, TRAIN
from subpixel.sr.data.sources import find_benchmarks
from subpixel.sr.errors import InputError


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def test_what_needs_no_decision_is_converted(tmp_path, rgb):
    grey = rgb[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.dstack([grey] * 3))
    palette = Image.fromarray(rgb).quantize(16)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "palette.png"), np.asarray(palette.convert("RGB"))
    )
    opaque = np.dstack([rgb, np.full(grey.shape, 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_image(tmp_path / "opaque.png"), rgb)
    Image.fromarray(grey > 99).save(tmp_path / "two.png")
    np.testing.assert_array_equal(read_image(tmp_path / "two.png")[..., 1], (grey > 99) * 255)


def write_rgb16(path):
    """A PNG of 16 bits a channel, which Pillow cannot write, by hand."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(range(12)) for _ in range(2))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def bad_file(kind, path, rgb):
    good = path.with_name("good.png")
    Image.fromarray(rgb).save(good)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not an image")
    elif kind == "truncated":
        path.write_bytes(good.read_bytes()[:-150])
    elif kind == "flipped":
        body = bytearray(good.read_bytes())
        body[len(body) // 2] ^= 0xFF
        path.write_bytes(bytes(body))
    elif kind == "grey16":
        Image.fromarray(rgb[..., 0].astype(np.uint16) << 8).save(path)
    elif kind == "rgb16":
        write_rgb16(path)
    elif kind == "transparent":
        Image.fromarray(np.dstack([rgb, rgb[..., 0]])).save(path)
    elif kind == "cmyk":
        Image.fromarray(rgb).convert("CMYK").save(path, format="JPEG")
    good.unlink()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "is empty"),
        ("text", "is not an image"),
        ("truncated", "is damaged"),
        ("flipped", "is damaged"),
        ("grey16", "more than 8 bits"),
        ("rgb16", "more than 8 bits"),
        ("transparent", "is transparent in places"),
        ("cmyk", "is CMYK"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path, rgb, kind, message):
    path = tmp_path / "bad one.png"
    bad_file(kind, path, rgb)
    with pytest.raises(InputError, match=message) as error:
        read_image(path)
    assert str(path) in str(error.value)


def test_sources_are_found_under_the_root_and_by_path(tmp_path, rgb, monkeypatch):
    folder = tmp_path / "root" / "Mine"
    folder.mkdir(parents=True)
    for name in ("b.png", "a.JPG", ".hidden.png"):
        Image.fromarray(rgb).save(folder / name, format="PNG")
    (folder / "notes.txt").write_text("not listed")
    assert [p.name for p in find_images("Mine", tmp_path / "root")] == ["a", "b"]
    monkeypatch.chdir(tmp_path / "root")
    assert [p.name for p in find_images("Mine", None)] == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "root", "message"),
    [
        ("Missing", "given", "was not found: it is neither under the data root"),
        ("Missing", None, "SUBPIXEL_DATA and --data-root are not set"),
        ("Empty", "given", "has no images"),
        ("embedded:other", None, "unknown source 'embedded:other'"),
    ],
)
def test_missing_sources_are_explained(tmp_path, source, root, message):
    (tmp_path / "Empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_images(source, tmp_path if root else None)


def test_two_benchmarks_of_one_name_are_refused(tmp_path, rgb):
    for parent in ("a", "b"):
        (tmp_path / parent / "Mine").mkdir(parents=True)
        Image.fromarray(rgb).save(tmp_path / parent / "Mine" / "one.png")
    with pytest.raises(InputError, match="two benchmarks have the same name"):
        find_benchmarks([str(tmp_path / parent / "Mine") for parent in ("a", "b")], None)


def test_a_image_smaller_than_a_patch_is_named(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png has 3x4 low-resolution pixels, .* takes 4x4"):
        prepare(find_images(str(tmp_path), None), scale=3, channels=1, least=4)


def test_a_training_image_in_a_benchmark_is_named_whatever_its_file(tmp_path, rgb):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    Image.fromarray(rgb).save(tmp_path / "train" / "one.png")
    Image.fromarray(255 - rgb).save(tmp_path / "train" / "other.png")
    Image.fromarray(rgb).save(tmp_path / "test" / "same.bmp")
    training, benchmark = (find_images(str(tmp_path / n), None) for n in ("train", "test"))
    with pytest.raises(InputError, match=r"1 training images .*one\.png is .*same\.bmp"):
        check_no_leak(training, benchmark)
    check_no_leak(training[1:], benchmark)


def test_embedded_photographs_load_and_no_test_one_is_trained_on():
    assert not set(TRAIN) & set(TEST)
    training, test = find_images("embedded:train", None), find_images("embedded:test", None)
    check_no_leak(training, test)
    for image in training + test:
        image = image.load()
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[-1] == 3
        assert min(image.shape[:2]) >= 300
