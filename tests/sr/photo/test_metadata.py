"""What a photograph says of itself is still there after it is enlarged."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from files import COFFEE, HEIGHT, WIDTH, enlarge, save
from PIL import Image
from PIL.PngImagePlugin import putchunk

from subpixel import __version__
from subpixel.sr.models.released import read_release
from subpixel.sr.photo.plan import Size

MAKE, MODEL, ORIENTATION, SOFTWARE, EXIF_IFD, GPS_IFD = 271, 272, 274, 305, 0x8769, 0x8825
TAKEN, LENS = 0x9003, 0xA434


def load(path: Path) -> Image.Image:
    """Returns an image with its pixels and EXIF, and closes the file."""
    with Image.open(path) as image:
        image.load()
        for name in (EXIF_IFD, GPS_IFD, 1):
            image.getexif().get_ifd(name)
        return image


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[MAKE], tags[MODEL], tags[ORIENTATION] = "Maker", "Camera 1", orientation
    tags.get_ifd(EXIF_IFD)[TAKEN] = "2024:05:06 07:08:09"
    tags.get_ifd(EXIF_IFD)[LENS] = "A lens"
    tags.get_ifd(GPS_IFD)[1] = "N"
    tags.get_ifd(GPS_IFD)[2] = (52.0, 31.0, 12.0)
    return tags


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_version_of_a_released_model_is_recorded(suffix, tmp_path):
    target = tmp_path / f"b.{suffix}"
    tags = exif()
    tags[SOFTWARE] = "Firmware 2"
    enlarge(save(tmp_path / f"a.{suffix}", exif=tags), target, "espcn", size=Size(scale=6))
    digests = [read_release(f"espcn_x{scale}").sha256[:12] for scale in (3, 2)]
    expected = " and ".join(
        f"espcn_x{scale} sha256:{digest}" for scale, digest in zip((3, 2), digests, strict=True)
    )
    expected = f"Firmware 2; subpixel {__version__}, model {expected}"
    assert load(target).getexif()[SOFTWARE] == expected


TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_honoured_and_written_as_normal(orientation, suffix, tmp_path):
    image = Image.fromarray(COFFEE)
    if orientation in TRANSPOSED:
        # How a camera that was held so stores the scene.
        image = image.transpose(TRANSPOSED[orientation])
    image.save(tmp_path / f"a.{suffix}", exif=exif(orientation))
    enlarge(tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}")
    enlarge(save(tmp_path / "upright.png"), tmp_path / "expected.png")
    result = load(tmp_path / f"b.{suffix}")
    assert result.size == (2 * WIDTH, 2 * HEIGHT)
    assert result.getexif().get(ORIENTATION, 1) == 1
    # Rows before columns or after them: the last bit of a sum may differ, and then a rounding.
    difference = np.asarray(result).astype(int) - np.asarray(load(tmp_path / "expected.png"))
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_resolution_is_carried_over(suffix, tmp_path):
    source = save(tmp_path / f"a.{suffix}", dpi=(300, 300))
    enlarge(source, tmp_path / f"b.{suffix}")
    assert load(tmp_path / f"b.{suffix}").info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_stale_thumbnail_is_left_out(tmp_path):
    thumbnail = save(tmp_path / "thumbnail.jpg", COFFEE[:40, :40]).read_bytes()
    source = save(tmp_path / "a.jpg", exif=exif())
    change_by_exiftool(source, f"-ThumbnailImage<={tmp_path / 'thumbnail.jpg'}")
    assert thumbnail[-400:] in source.read_bytes()
    enlarge(source, tmp_path / "b.jpg")
    tags = load(tmp_path / "b.jpg").getexif()
    assert tags[MAKE] == "Maker"
    assert tags.get_ifd(1) == {}
    assert thumbnail[-400:] not in (tmp_path / "b.jpg").read_bytes()


PACKET = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>%s</x:xmpmeta>"


def save_with_xmp(path: Path, content: bytes, orientation: int = 1) -> bytes:
    """Saves a JPEG with a packet of XMP, and returns the packet."""
    xmp = PACKET % content
    Image.fromarray(COFFEE).save(path, exif=exif(orientation), xmp=xmp)
    return xmp


def xmp_of(path: Path) -> bytes | None:
    image = pyvips.Image.new_from_file(str(path))
    return image.get("xmp-data") if image.get_typeof("xmp-data") else None


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_xmp_is_kept_byte_for_byte(suffix, tmp_path):
    xmp = save_with_xmp(tmp_path / "a.jpg", b'tiff:Orientation="1" <a>\xe5\x86\x99</a>')
    assert enlarge(tmp_path / "a.jpg", tmp_path / f"b.{suffix}") == []
    assert xmp_of(tmp_path / f"b.{suffix}") == xmp


@pytest.mark.parametrize(
    ("content", "orientation", "note"),
    [
        (b'tiff:Orientation="6"', 6, "states the rotation of the original"),
        (b"<tiff:Orientation>8</tiff:Orientation>", 8, "states the rotation of the original"),
        (b"GCamera:MotionPhoto='1'", 1, "a gain map or a video beside the photograph"),
        (b'hdrgm:Version="1.0"', 1, "a gain map or a video"),
        (b"xmpNote:HasExtendedXMP='04B9'", 1, "continues in further segments"),
    ],
)
def test_xmp_that_holds_for_the_original_only_is_left_out(content, orientation, note, tmp_path):
    save_with_xmp(tmp_path / "a.jpg", content, orientation)
    (found,) = enlarge(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert note in found
    assert xmp_of(tmp_path / "b.jpg") is None


EXIFTOOL = shutil.which("exiftool")
GROUPS = ("IFD0", "ExifIFD", "GPS", "InteropIFD", "XMP", "IPTC", "Photoshop", "PNG", "PNG-pHYs")
# What an enlarged file cannot have in common with its original.
OF_THE_FILE = re.compile(
    r":(Software|ProfileName|ImageWidth|ImageHeight|ExifImageWidth|ExifImageHeight|Compression|Predictor|Filter"
    r"|StripOffsets|StripByteCounts|RowsPerStrip|BitsPerSample|SampleFormat|PlanarConfiguration"
    r"|PhotometricInterpretation|SamplesPerPixel|ColorType|BitDepth|Interlace)$"
)


def exiftool(*words: object) -> bytes:
    if EXIFTOOL is None:
        pytest.skip("exiftool is not installed (apt-get install libimage-exiftool-perl)")
    return subprocess.check_output([EXIFTOOL, *map(str, words)])


def read_by_exiftool(path: Path) -> dict[str, str]:
    """Returns the metadata that exiftool reads, by group and name."""
    groups = (f"-{group}:all" for group in GROUPS)
    (found,) = json.loads(exiftool("-j", "-G1", "-a", "-u", "-n", *groups, path))
    return {k: v for k, v in found.items() if k != "SourceFile" and not OF_THE_FILE.search(k)}


def change_by_exiftool(path: Path, *changes: str) -> None:
    exiftool("-q", "-overwrite_original", *changes, path)


def full_exif() -> bytes:
    tags = exif()
    tags[315], tags[33432] = "An Artist", "No rights"
    # Rational, unsigned and undefined values, and no ColorSpace and resolution.
    tags.get_ifd(EXIF_IFD).update({0x829A: 0.004, 0x8827: 200, 0x9000: b"0230", 0x9204: -0.5})
    return tags.tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
@pytest.mark.parametrize(
    "stated",
    [{}, {"icc_profile": pyvips.Operation.call("profile_load", "p3")}, {"exif": full_exif()}],
    ids=["nothing", "profile", "exif"],
)
def test_what_a_file_states_is_kept_and_nothing_is_invented(stated, suffix, tmp_path):
    source, target = save(tmp_path / f"a.{suffix}", **stated), tmp_path / f"b.{suffix}"
    assert enlarge(source, target) == []
    found = load(target)
    assert found.info.get("icc_profile") == stated.get("icc_profile")
    if "exif" in stated:
        tags = found.getexif()
        assert (tags[MAKE], tags[MODEL]) == ("Maker", "Camera 1")
        assert tags.get_ifd(EXIF_IFD)[TAKEN] == "2024:05:06 07:08:09"
        assert tags.get_ifd(GPS_IFD)[2] == (52.0, 31.0, 12.0)
    assert read_by_exiftool(target) == read_by_exiftool(source)


@pytest.mark.parametrize("tag", ["Artist=J\u00f6rg \u5199\u771f", "Copyright=\u00a9 2024 A"])
def test_text_of_exif_keeps_its_bytes(tag, tmp_path):
    source = save(tmp_path / "a.jpg", exif=exif())
    change_by_exiftool(source, f"-EXIF:{tag}")
    enlarge(source, tmp_path / "b.jpg")
    found = read_by_exiftool(tmp_path / "b.jpg")
    assert found == read_by_exiftool(source)
    name, _, value = tag.partition("=")
    assert found[f"IFD0:{name}"] == value


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_iptc_is_kept_within_a_format_and_named_across(suffix, byteorder, tmp_path):
    source = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        inches = {"resolution": (300, 300), "resolutionunit": "INCH", "metadata": None}
        tifffile.imwrite(source, COFFEE, photometric="rgb", byteorder=byteorder, **inches)
    else:
        save(source)
    change_by_exiftool(source, "-IPTC:By-line=A Name", "-IPTC:Keywords=one", "-IPTC:Keywords+=two")
    assert enlarge(source, tmp_path / f"b.{suffix}") == []
    found = read_by_exiftool(tmp_path / f"b.{suffix}")
    assert found["IPTC:By-line"] == "A Name"
    assert found == read_by_exiftool(source)
    other = tmp_path / ("c.tif" if suffix == "jpg" else "c.jpg")
    assert enlarge(source, other) == [
        "IPTC was left out, which is copied within JPEG and within TIFF only"
    ]
    assert not any(name.startswith("IPTC") for name in read_by_exiftool(other))


def test_iptc_stored_as_whole_numbers_keeps_its_order(tmp_path):
    block = b"\x1c\x02\x50\0\x06A Name\0"
    numbers = tuple(int.from_bytes(block[i : i + 4]) for i in range(0, len(block), 4))
    tags = [(33723, "I", len(numbers), numbers, True)]
    tifffile.imwrite(tmp_path / "a.tif", COFFEE, byteorder=">", metadata=None, extratags=tags)
    enlarge(tmp_path / "a.tif", tmp_path / "b.tif")
    assert read_by_exiftool(tmp_path / "b.tif")["IPTC:By-line"] == "A Name"


@pytest.mark.parametrize("behind", [False, True])
def test_text_of_png_is_named(behind, tmp_path):
    content = save(tmp_path / "a.png").read_bytes()
    # The chunk IEND has 12 bytes; in front are the signature and the header of 25.
    at = len(content) - 12 if behind else 33
    with (tmp_path / "a.png").open("wb") as file:
        file.write(content[:at])
        putchunk(file, b"tEXt", b"Title\0mine")
        file.write(content[at:])
    (note,) = enlarge(tmp_path / "a.png", tmp_path / "b.png")
    assert note == "the text of the PNG, and what stands behind its pixels, were left out"
    assert "Title" not in load(tmp_path / "b.png").info


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_adobe_rgb_of_a_camera_stays(suffix, tmp_path):
    tags = Image.Exif()
    tags.get_ifd(EXIF_IFD).update({0xA001: 65535, 0xA005: {1: "R03"}})
    source = save(tmp_path / "a.jpg", exif=tags)
    enlarge(source, tmp_path / f"b.{suffix}")
    # From TIFF as well, whose directories lie elsewhere in the file.
    enlarge(tmp_path / f"b.{suffix}", tmp_path / f"c.{suffix}")
    for path in (source, tmp_path / f"c.{suffix}"):
        with Image.open(path) as image:
            inner = image.getexif()
            assert inner.get_ifd(EXIF_IFD)[0xA001] == 65535
            assert inner.get_ifd(0xA005)[1] == "R03"
