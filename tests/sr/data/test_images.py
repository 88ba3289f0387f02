"""Every kind of image file is converted harmlessly or refused by name."""

import numpy as np
import pytest
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import Degradation, make_lr
from subpixel.sr.data.embedded import PHOTOGRAPHS
from subpixel.sr.data.images import read_image
from subpixel.sr.data.leak import check_no_leak
from subpixel.sr.data.pairs import find_benchmarks, find_pairs, load_pair
from subpixel.sr.data.preparation import prepare


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
    assert [p.name for p in find_pairs("Mine", tmp_path / "root")] == ["a", "b"]
    monkeypatch.chdir(tmp_path / "root")
    assert [p.name for p in find_pairs("Mine", None)] == ["a", "b"]


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
        find_pairs(source, tmp_path if root else None)


def test_two_benchmarks_of_one_name_are_refused(tmp_path, rgb):
    for parent in ("a", "b"):
        (tmp_path / parent / "Mine").mkdir(parents=True)
        Image.fromarray(rgb).save(tmp_path / parent / "Mine" / "one.png")
    with pytest.raises(InputError, match="two benchmarks have the same name"):
        find_benchmarks([str(tmp_path / parent / "Mine") for parent in ("a", "b")], None)


def test_a_image_smaller_than_a_patch_is_named(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png has 3x4 low-resolution pixels, .* takes 4x4"):
        prepare(find_pairs(str(tmp_path), None), scale=3, channels=1, min_size=4)


def test_a_training_image_in_a_benchmark_is_named_whatever_its_file(tmp_path, rgb):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    Image.fromarray(rgb).save(tmp_path / "train" / "one.png")
    Image.fromarray(255 - rgb).save(tmp_path / "train" / "other.png")
    Image.fromarray(rgb).save(tmp_path / "test" / "same.bmp")
    training, benchmark = (find_pairs(str(tmp_path / n), None) for n in ("train", "test"))
    with pytest.raises(InputError, match=r"1 training images .*one\.png is .*same\.bmp"):
        check_no_leak(training, benchmark)
    check_no_leak(training[1:], benchmark)


def test_embedded_photographs_load_and_no_test_one_is_trained_on():
    assert not set(PHOTOGRAPHS["train"]) & set(PHOTOGRAPHS["test"])
    training, test = find_pairs("embedded:train", None), find_pairs("embedded:test", None)
    check_no_leak(training, test)
    for image in training + test:
        image = image.hr.load()
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[-1] == 3
        assert min(image.shape[:2]) >= 300


def tiff(path, values, planar=False, **tags):
    import tifffile

    options = {"planarconfig": "separate"} if planar else {}
    tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else None, **options)


def ppm(path, maximum):
    samples = np.full(12, min(maximum, 300), ">u2" if maximum > 255 else "u1")
    path.write_bytes(f"P6 2 2 {maximum}\n".encode() + samples.tobytes())


DEEP = {
    "ppm10": ("p.ppm", lambda path: ppm(path, 1023), "more than 8 bits a channel .10 bits"),
    "ppm16": ("p.ppm", lambda path: ppm(path, 65535), "more than 8 bits a channel .16 bits"),
    "pgm16": ("p.pgm", lambda p: p.write_bytes(b"P5 1 1 65535\n\1\2"), "more than 8 bits"),
    "tiff16": ("t.tif", lambda path: tiff(path, np.zeros((8, 8, 3), np.uint16)), "more than 8"),
    "int8": ("t.tif", lambda path: tiff(path, np.full((8, 8), -33, np.int8)), "stores signed"),
    "float": ("t.tif", lambda path: tiff(path, np.zeros((8, 8), np.float32)), "more than 8 bits"),
    "planar": (
        "t.tif",
        lambda path: tiff(path, np.zeros((3, 8, 8), np.uint16), planar=True),
        "more than 8 bits a channel .16 bits",
    ),
    "rgb16": ("r.png", write_rgb16, "more than 8 bits a channel .16 bits"),
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_deep_and_signed_images_are_refused_as_files_and_as_bytes(tmp_path, kind, as_bytes):
    name, write, message = DEEP[kind]
    if write not in (write_rgb16,) and name.endswith("tif"):
        pytest.importorskip("tifffile")
    write(tmp_path / name)
    content = (tmp_path / name).read_bytes() if as_bytes else tmp_path / name
    with pytest.raises(InputError, match=message):
        read_image(content, "the image")


def test_fewer_than_8_bits_are_scaled(tmp_path):
    """A BMP of 5, 6 and 5 bits a channel, written by hand: white, red, and 16 of 31 blue."""
    pixels = np.array([0xFFFF, 0xF800, 0x0010, 0], "<u2").tobytes()
    header = np.array([40, 3, 1, 1 | 16 << 16, 3, len(pixels), 0, 0, 0, 0], "<u4").tobytes()
    masks = np.array([0xF800, 0x07E0, 0x001F], "<u4").tobytes()
    start = 14 + len(header) + len(masks)
    front = b"BM" + np.array([start + len(pixels), 0, start], "<u4").tobytes()
    (tmp_path / "a.bmp").write_bytes(front + header + masks + pixels)
    expected = [[[255, 255, 255], [255, 0, 0], [0, 0, 132]]]
    np.testing.assert_allclose(read_image(tmp_path / "a.bmp").astype(int), expected, atol=1)
    ppm(tmp_path / "p.ppm", 31)
    assert (read_image(tmp_path / "p.ppm") == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif"])
def test_animated_and_multi_page_files_are_refused(tmp_path, rgb, name):
    first, second = Image.fromarray(rgb), Image.fromarray(255 - rgb)
    first.save(tmp_path / name, save_all=True, append_images=[second])
    with pytest.raises(InputError, match=f"{name} is animated or has several pages, 2 frames"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_lr_fits_what_is_shown(tmp_path, orientation):
    from PIL import ImageOps

    coarse = np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    stored = Image.fromarray(coarse).resize((40, 32), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for folder in ("HR", "LR"):
        (tmp_path / "Mine" / folder).mkdir(parents=True)
    hr, lr = (tmp_path / "Mine" / folder / "a.png" for folder in ("HR", "LR"))
    stored.save(hr, exif=exif)
    with Image.open(hr) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(read_image(hr), upright)
    (listed,) = find_pairs(str(hr.parent), None)
    assert listed.hr.size() == (upright.shape[1], upright.shape[0])
    Image.fromarray(make_lr(upright, 2)).save(lr)
    (found,) = find_pairs(str(tmp_path / "Mine"), None, 2)
    np.testing.assert_array_equal(load_pair(found, 2)[1], upright)
    if orientation > 1:
        Image.fromarray(make_lr(np.asarray(stored), 2)).save(lr)
        with pytest.raises(InputError, match=r"as by EXIF|has 16x20, but|has 20x16 pixels, but"):
            load_pair(found, 2)


def test_grey_is_told_by_the_stored_mode_for_embedded_images_too():
    grey = {image.name for image in find_pairs("embedded:train", None) if image.hr.is_grey()}
    assert grey == {"camera", "brick", "grass", "gravel"}


def test_a_path_that_is_not_a_folder_is_named_for_that(tmp_path):
    (tmp_path / "file.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"file\.png is a file, and a data set is a folder"):
        find_pairs(str(tmp_path / "file.png"), None)
    with pytest.raises(InputError, match=r"the folder .*nowhere does not exist$"):
        find_pairs(str(tmp_path / "nowhere"), None)
    with pytest.raises(InputError, match=r"the folder .*nowhere does not exist$"):
        find_pairs(f"folder:{tmp_path / 'nowhere'}", tmp_path)


def test_a_degradation_of_another_kind_is_refused():
    with pytest.raises(InputError, match=r"degradation\.kind must be one of .*; got 'blurr'"):
        Degradation("blurr")
    with pytest.raises(InputError, match=r"degradation\.border must be one of"):
        Degradation(border="mirror")
