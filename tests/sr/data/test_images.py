"""Every kind of image file is converted harmlessly or refused by name."""

import os

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageOps

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.degradation import make_lr
from subpixel.sr.data.embedded import PHOTOGRAPHS
from subpixel.sr.data.images import read_image
from subpixel.sr.data.leak import check_no_leak
from subpixel.sr.data.pairs import find_benchmarks, find_pairs, load_pair
from subpixel.sr.data.preparation import prepare


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def test_what_needs_no_decision_is_converted(tmp_path, rgb):
    grey, palette = rgb[..., 0], Image.fromarray(rgb).quantize(16)
    opaque = np.dstack([rgb, np.full(grey.shape, 255, np.uint8)])
    for image, expected in (
        (Image.fromarray(grey), np.dstack([grey] * 3)),
        (palette, np.asarray(palette.convert("RGB"))),
        (Image.fromarray(opaque), rgb),
        (Image.fromarray(grey > 99), np.dstack([(grey > 99) * 255] * 3)),
    ):
        image.save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


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
    ppm(31)(tmp_path / "p.ppm", None)
    assert (read_image(tmp_path / "p.ppm") == 255).all()


def png16(path, _):
    """Writes a PNG of 16 bits a channel, which Pillow cannot write."""
    image = pyvips.Image.black(2, 2, bands=3).cast("ushort").copy(interpretation="rgb16")
    path.write_bytes(image.pngsave_buffer())


def ppm(maximum):
    samples = np.full(12, min(maximum, 300), ">u2" if maximum > 255 else "u1")
    return content(f"P6 2 2 {maximum}\n".encode() + samples.tobytes())


def content(content: bytes):
    return lambda path, _: path.write_bytes(content)


def tiff(dtype, pick=lambda rgb: rgb, **options):
    def write(path, rgb):
        values = pick(rgb).astype(dtype)
        colours = "rgb" if values.ndim == 3 else None
        tifffile.imwrite(path, values, photometric=colours, metadata=None, **options)

    return write


def saved(convert=lambda image: image, kind="PNG", **options):
    return lambda path, rgb: convert(Image.fromarray(rgb)).save(path, kind, **options)


def changed(change, kind="PNG"):
    """Writes an image and changes its bytes."""

    def write(path, rgb):
        saved(kind=kind)(path, rgb)
        body = bytearray(path.read_bytes())
        change(body)
        path.write_bytes(body)

    return write


def flip(body):
    body[len(body) // 2] ^= 0xFF


def cut(body):
    del body[-150:]


def twelve_bits(body):
    body[body.index(b"\xff\xc0") + 4] = 12


def ten_bit_bmp(path, _):
    """Writes a BMP of 10, 10, 10 and 2 bits."""
    header = np.array([56, 2, 2, 1 | 32 << 16, 3, 16, 0, 0, 0, 0], "<u4").tobytes()
    masks = np.array([0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000], "<u4").tobytes()
    front = b"BM" + np.array([86, 0, 70], "<u4").tobytes()
    path.write_bytes(front + header + masks + bytes(16))


UNKNOWN = "is not an image, is damaged, or is of a form that is not read.*8 bits a channel"
DEEP = "has more than 8 bits a channel"
REFUSED = {
    "empty": (content(b""), "is empty"),
    "text": (content(b"not an image"), UNKNOWN),
    "cut": (changed(cut), "is damaged"),
    "flipped": (changed(flip), "is damaged"),
    "transparent": (
        saved(lambda image: Image.merge("RGBA", (*image.split(), image.split()[0]))),
        "is transparent in places",
    ),
    "CMYK": (saved(lambda image: image.convert("CMYK"), "JPEG"), "is CMYK"),
    "grey of 16 bits": (
        saved(lambda image: Image.fromarray(np.asarray(image)[..., 0].astype(np.uint16) << 8)),
        DEEP,
    ),
    "PNG of 16 bits": (png16, f"{DEEP} .16 bits"),
    "PPM of 10 bits": (ppm(1023), f"{DEEP} .10 bits"),
    "PGM of 16 bits": (content(b"P5 1 1 65535\n\1\2"), DEEP),
    "TIFF of 16 bits": (tiff("u2"), DEEP),
    "TIFF of 16 bits, planar": (
        tiff("u2", lambda rgb: rgb.transpose(2, 0, 1), planarconfig="separate"),
        f"{DEEP} .16 bits",
    ),
    "grey TIFF of floats": (tiff("f4", lambda rgb: rgb[..., 0]), DEEP),
    "grey TIFF of int8": (tiff("i1", lambda rgb: rgb[..., 0]), "stores signed"),
    "TIFF of float32": (tiff("f4"), UNKNOWN),
    "TIFF of uint32, big-endian": (tiff(">u4", byteorder=">"), UNKNOWN),
    "TIFF of int16": (tiff("i2"), UNKNOWN),
    "BigTIFF": (tiff("u8", bigtiff=True), UNKNOWN),
    "TIFF cut": (content(b"II*\0\x08\0\0\0"), UNKNOWN),
    "JPEG of 12 bits": (changed(twelve_bits, "JPEG"), UNKNOWN),
    "BMP of 10 bits": (ten_bit_bmp, "is of a form that is not read: Unsupported BMP bitfields"),
    "PFM": (content(b"PF\n2 2\n-1.0\n" + bytes(48)), UNKNOWN),
    **{
        f"animated {kind}": (
            lambda path, rgb, kind=kind: Image.fromarray(rgb).save(
                path, kind, save_all=True, append_images=[Image.fromarray(255 - rgb)]
            ),
            "is animated or has several pages, 2 frames",
        )
        for kind in ("GIF", "PNG", "WEBP", "TIFF")
    },
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_refused_by_name_as_a_file_and_as_bytes(tmp_path, rgb, kind):
    write, message = REFUSED[kind]
    path = tmp_path / "bad one.img"
    write(path, rgb)
    with pytest.raises(InputError, match=rf"bad one\.img {message}") as from_file:
        read_image(path)
    with pytest.raises(InputError) as from_bytes:
        read_image(path.read_bytes(), str(path))
    assert str(from_file.value) == str(from_bytes.value)
    assert str(path) in str(from_file.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_plain_file_is_refused_as_that_and_never_waited_for(tmp_path, kind):
    path = tmp_path / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    else:
        path.mkdir()
    with pytest.raises(InputError, match=r"a\.png is a folder, pipe, socket or device: it must be"):
        read_image(path)


def test_sources_are_found_under_the_root_and_by_path(tmp_path, rgb, monkeypatch):
    folder = tmp_path / "root" / "Mine"
    folder.mkdir(parents=True)
    for name in ("b.png", "a.JPG", ".hidden.png", "._a.JPG"):
        Image.fromarray(rgb).save(folder / name, format="PNG")
    (folder / "notes.txt").write_text("not listed")
    (folder / "folder.png").mkdir()
    (folder / "c.png").symlink_to(folder / "b.png")
    assert [p.name for p in find_pairs("Mine", tmp_path / "root")] == ["a", "b", "c"]
    monkeypatch.chdir(tmp_path / "root")
    found = find_pairs("Mine", None)
    assert [p.name for p in found] == ["a", "b", "c"]
    (folder / "b.png").unlink()
    with pytest.raises(InputError, match=r"c\.png is not there, or a link that leads nowhere"):
        found[-1].hr.load()


@pytest.mark.parametrize(
    ("source", "root", "message"),
    [
        ("Missing", True, "was not found: it is neither under the data root"),
        ("Missing", False, "SUBPIXEL_DATA and --data-root are not set"),
        ("Empty", True, "has no images"),
        ("embedded:other", False, "unknown source 'embedded:other'"),
        ("{}/file.png", False, r"file\.png is a file, and a data set is a folder"),
        ("{}/nowhere", False, r"the folder .*nowhere does not exist$"),
        ("folder:{}/nowhere", True, r"the folder .*nowhere does not exist$"),
    ],
)
def test_missing_sources_are_explained(tmp_path, source, root, message):
    (tmp_path / "Empty").mkdir()
    (tmp_path / "file.png").write_bytes(b"x")
    with pytest.raises(InputError, match=message):
        find_pairs(source.format(tmp_path), tmp_path if root else None)


def test_two_benchmarks_of_one_name_are_refused(tmp_path, rgb):
    for parent in ("a", "b"):
        (tmp_path / parent / "Mine").mkdir(parents=True)
        Image.fromarray(rgb).save(tmp_path / parent / "Mine" / "one.png")
    with pytest.raises(InputError, match="two benchmarks have the same name"):
        find_benchmarks([str(tmp_path / parent / "Mine") for parent in ("a", "b")], None)


def test_an_image_smaller_than_a_patch_is_named(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png has 3x4 low-resolution pixels, .* takes 4x4"):
        prepare(find_pairs(str(tmp_path), None), scale=3, channels=1, min_size=4)


def test_embedded_photographs_load_and_no_test_one_is_trained_on():
    assert not set(PHOTOGRAPHS["train"]) & set(PHOTOGRAPHS["test"])
    training, test = find_pairs("embedded:train", None), find_pairs("embedded:test", None)
    check_no_leak(training, test)
    for pair in training + test:
        image = pair.hr.load()
        assert (image.dtype, image.ndim, image.shape[-1]) == (np.uint8, 3, 3)
        assert min(image.shape[:2]) >= 300
    grey = {image.name for image in training if image.hr.is_grey()}
    assert grey == {"camera", "brick", "grass", "gravel"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_lr_fits_what_is_shown(tmp_path, orientation):
    coarse = np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    stored = Image.fromarray(coarse).resize((40, 32), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    hr, lr = tmp_path / "M/a.png", tmp_path / "M/ax2.png"
    hr.parent.mkdir()
    stored.save(hr, exif=exif)
    with Image.open(hr) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(read_image(hr), upright)
    Image.fromarray(make_lr(upright, 2)).save(lr)
    (found,) = find_pairs("M", tmp_path, 2)
    assert found.hr.size() == (upright.shape[1], upright.shape[0])
    np.testing.assert_array_equal(load_pair(found, 2)[1], upright)
    if orientation > 1:
        Image.fromarray(make_lr(np.asarray(stored), 2)).save(lr)
        with pytest.raises(InputError, match=r"as by EXIF|has 20x16 pixels, but"):
            load_pair(found, 2)
