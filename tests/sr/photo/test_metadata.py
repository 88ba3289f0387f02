"""What a photograph says of itself is still there after it is enlarged."""

from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from files import COFFEE, HEIGHT, WIDTH, save
from PIL import Image, ImageCms

from subpixel import __version__
from subpixel.sr.models.released import read_release
from subpixel.sr.photo.engine import find_models
from subpixel.sr.photo.photographs import Settings, upscale_photograph
from subpixel.sr.photo.plan import Size

MAKE, MODEL, ORIENTATION, SOFTWARE, EXIF_IFD, GPS_IFD = 271, 272, 274, 305, 0x8769, 0x8825
TAKEN, LENS = 0x9003, 0xA434


@pytest.fixture
def settings() -> Settings:
    return Settings(find_models("bicubic"), Size(scale=2))


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


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_exif_is_kept_and_the_model_recorded(suffix, tmp_path, settings):
    source = save(tmp_path / f"a.{suffix}", exif=exif().tobytes())
    target = tmp_path / f"b.{suffix}"
    upscale_photograph(source, target, settings)
    tags = load(target).getexif()
    assert (tags[MAKE], tags[MODEL]) == ("Maker", "Camera 1")
    assert tags.get_ifd(EXIF_IFD)[TAKEN] == "2024:05:06 07:08:09"
    assert tags.get_ifd(EXIF_IFD)[LENS] == "A lens"
    assert tags.get_ifd(GPS_IFD)[2] == (52.0, 31.0, 12.0)
    assert f"subpixel {__version__}, model bicubic" in tags[SOFTWARE]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_version_of_a_released_model_is_recorded(suffix, tmp_path):
    models = find_models("espcn")
    target = tmp_path / f"b.{suffix}"
    upscale_photograph(save(tmp_path / f"a.{suffix}"), target, Settings(models, Size(scale=6)))
    digests = [read_release(f"espcn_x{scale}").sha256[:12] for scale in (3, 2)]
    expected = " and ".join(
        f"espcn_x{scale} sha256:{digest}" for scale, digest in zip((3, 2), digests, strict=True)
    )
    assert load(target).getexif()[SOFTWARE] == f"subpixel {__version__}, model {expected}"


def test_png_has_the_model_in_a_text_chunk(tmp_path, settings):
    upscale_photograph(save(tmp_path / "a.png"), tmp_path / "b.png", settings)
    assert load(tmp_path / "b.png").info["Software"] == (f"subpixel {__version__}, model bicubic")


def test_the_camera_s_own_software_stays(tmp_path, settings):
    tags = exif()
    tags[SOFTWARE] = "Firmware 2"
    upscale_photograph(save(tmp_path / "a.jpg", exif=tags), tmp_path / "b.jpg", settings)
    expected = f"Firmware 2; subpixel {__version__}, model bicubic"
    assert load(tmp_path / "b.jpg").getexif()[SOFTWARE] == expected


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
def test_orientation_is_honoured_and_written_as_normal(orientation, suffix, tmp_path, settings):
    image = Image.fromarray(COFFEE)
    if orientation in TRANSPOSED:
        # How a camera that was held so stores the scene.
        image = image.transpose(TRANSPOSED[orientation])
    image.save(tmp_path / f"a.{suffix}", exif=exif(orientation))
    upscale_photograph(tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}", settings)
    upscale_photograph(save(tmp_path / "upright.png"), tmp_path / "expected.png", settings)
    result = load(tmp_path / f"b.{suffix}")
    assert result.size == (2 * WIDTH, 2 * HEIGHT)
    assert result.getexif().get(ORIENTATION, 1) == 1
    # Rows before columns or after them: the last bit of a sum may differ, and then a rounding.
    difference = np.asarray(result).astype(int) - np.asarray(load(tmp_path / "expected.png"))
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_a_wide_colour_profile_is_kept_byte_for_byte(suffix, tmp_path, settings):
    profile = wide_gamut_profile()
    source = save(tmp_path / f"a.{suffix}", icc_profile=profile)
    upscale_photograph(source, tmp_path / f"b.{suffix}", settings)
    assert load(tmp_path / f"b.{suffix}").info["icc_profile"] == profile


def wide_gamut_profile() -> bytes:
    """Returns sRGB's profile with the description changed: what counts is that it is another."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red = content.index(b"XYZ \0\0\0\0", 128)
    content[red + 8 : red + 12] = (0x9CB0).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp"])
def test_resolution_is_carried_over(suffix, tmp_path, settings):
    source = save(tmp_path / f"a.{suffix}", dpi=(300, 300))
    upscale_photograph(source, tmp_path / f"b.{suffix}", settings)
    assert load(tmp_path / f"b.{suffix}").info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_stale_thumbnail_is_left_out(tmp_path, settings):
    thumbnail = save(tmp_path / "thumbnail.jpg", COFFEE[:40, :40]).read_bytes()
    path = tmp_path / "a.jpg"
    save(path, exif=exif_with_thumbnail(thumbnail))
    assert thumbnail in path.read_bytes()
    upscale_photograph(path, tmp_path / "b.jpg", settings)
    tags = load(tmp_path / "b.jpg").getexif()
    assert tags[MAKE] == "M"
    assert tags.get_ifd(1) == {}
    assert thumbnail[-400:] not in (tmp_path / "b.jpg").read_bytes()


def exif_with_thumbnail(thumbnail: bytes) -> bytes:
    """Returns EXIF with a maker "M" and a second directory that holds a JPEG."""

    def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
        return tag.to_bytes(2) + kind.to_bytes(2) + count.to_bytes(4) + value.ljust(4, b"\0")

    first = (1).to_bytes(2) + entry(MAKE, 2, 2, b"M\0")
    second_at = 8 + len(first) + 4
    jpeg_at = second_at + 2 + 3 * 12 + 4
    second = (
        (3).to_bytes(2)
        + entry(0x103, 3, 1, (6).to_bytes(2))
        + entry(0x201, 4, 1, jpeg_at.to_bytes(4))
        + entry(0x202, 4, 1, len(thumbnail).to_bytes(4))
        + bytes(4)
    )
    return b"Exif\0\0MM\0*" + (8).to_bytes(4) + first + second_at.to_bytes(4) + second + thumbnail


@pytest.mark.parametrize(
    "orientation", [b'tiff:Orientation="6"', b"<tiff:Orientation>6</tiff:Orientation>"]
)
def test_the_orientation_in_xmp_becomes_normal_too(orientation, tmp_path, settings):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>%s xmp:Rating='6'</x:xmpmeta>" % orientation
    Image.fromarray(COFFEE).save(tmp_path / "a.jpg", exif=exif(6), xmp=xmp)
    upscale_photograph(tmp_path / "a.jpg", tmp_path / "b.jpg", settings)
    kept = pyvips.Image.new_from_file(str(tmp_path / "b.jpg")).get("xmp-data")
    assert kept == xmp.replace(orientation, orientation.replace(b"6", b"1"))


def test_xmp_states_no_video_and_no_gain_map_behind_the_image(tmp_path, settings):
    text = "<rdf:Description GCamera:MotionPhoto='%s' Camera:MotionPhotoVersion='1' %s/>"
    claims = (text % ("1", 'hdrgm:Version="1.0"')).encode()
    element = b"<GCamera:MicroVideo>%s</GCamera:MicroVideo>"
    Image.fromarray(COFFEE).save(tmp_path / "a.jpg", xmp=claims + element % b"1")
    upscale_photograph(tmp_path / "a.jpg", tmp_path / "b.jpg", settings)
    kept = pyvips.Image.new_from_file(str(tmp_path / "b.jpg")).get("xmp-data")
    assert kept == (text % ("0", 'hdrgm:Version=""')).encode() + element % b"0"


def test_a_description_of_the_stored_pixels_is_replaced(tmp_path, settings):
    tifffile.imwrite(tmp_path / "a.tif", COFFEE, photometric="rgb")
    upscale_photograph(tmp_path / "a.tif", tmp_path / "b.tif", settings)
    # tifffile refuses a file whose description states another shape.
    assert tifffile.imread(tmp_path / "b.tif").shape == (2 * HEIGHT, 2 * WIDTH, 3)


def test_quality_changes_the_size_of_a_jpeg(tmp_path):
    from subpixel.sr.photo.writing import Encoding

    sizes = []
    for quality in (30, 95):
        settings = Settings(find_models("bicubic"), Size(scale=2), Encoding(quality))
        target = Path(tmp_path / f"{quality}.jpg")
        upscale_photograph(save(tmp_path / "a.png"), target, settings)
        sizes.append(target.stat().st_size)
    assert 3 * sizes[0] < sizes[1]


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_lossless_keeps_every_value(suffix, tmp_path):
    from subpixel.sr.photo.writing import Encoding

    settings = Settings(find_models("bicubic"), Size(scale=2), Encoding(lossless=True))
    source = save(tmp_path / "a.png")
    upscale_photograph(source, tmp_path / f"b.{suffix}", settings)
    upscale_photograph(source, tmp_path / "b.png", settings)
    result, expected = (np.asarray(load(tmp_path / f"b.{s}")) for s in (suffix, "png"))
    np.testing.assert_array_equal(result, expected)
