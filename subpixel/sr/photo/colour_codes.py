"""Colours that a file states by numbers instead of by a profile, which libvips does not read.

HEIC and AVIF have a box "colr" of the type "nclx", and PNG has the chunk cICP, with code points of
ITU-T H.273; older PNG files have the chunks gAMA and cHRM.
"""

from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.metadata import png_chunks
from subpixel.sr.photo.vips import libvips

# Code points of ITU-T H.273: BT.709, unspecified, and two of BT.601, which differ little.
_SRGB_PRIMARIES, _DISPLAY_P3 = (1, 2, 5, 6), 12
# Unspecified, sRGB, and those of SDR video, whose images are shown as sRGB.
_SDR_TRANSFERS = (1, 2, 4, 6, 13, 14, 15)
# Gamma of sRGB and primaries of BT.709 as PNG states them, PNG specification, 11.3.2.
_SRGB_GAMMA = 45455
_SRGB_POINTS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
# Programs round these numbers differently.
_GAMMA_TOLERANCE, _POINT_TOLERANCE = 2000, 500
_UNSPECIFIED = 2


def profile_of(path: Path, primaries: int, transfer: int) -> bytes | None:
    """Returns the colour profile for two code points of ITU-T H.273; None for sRGB.

    Raises:
      InputError: if they are not those of sRGB or Display P3.
    """
    if transfer not in _SDR_TRANSFERS or primaries not in (*_SRGB_PRIMARIES, _DISPLAY_P3):
        raise InputError(
            f"{path} has the colours of HDR video (primaries {primaries}, transfer {transfer} of "
            "ITU-T H.273): convert it to sRGB or Display P3"
        )
    return libvips().Operation.call("profile_load", "p3") if primaries == _DISPLAY_P3 else None


def with_profile(path: Path, image: Any) -> tuple[Any, list[str]]:
    """Gives an AVIF or PNG without a colour profile the profile of its code points.

    Args:
      path: the file.
      image: its libvips image.

    Returns:
      The image, and notes for the user, one line each.

    Raises:
      InputError: if its colours are not those of sRGB or Display P3.
    """
    loader = image.get("vips-loader") if image.get_typeof("vips-loader") else ""
    if image.get_typeof("icc-profile-data"):
        return image, []
    codes, notes = None, []
    if loader == "heifload":
        codes = _avif_codes(path)
        if codes is None:
            notes.append(
                "it is taken for sRGB: the colours that AVIF states by numbers are read with "
                "pip install 'subpixel[video]'"
            )
    elif loader == "pngload":
        chunks = dict(png_chunks(path))
        stated = chunks.get("cICP", b"")
        if len(stated) == 4:
            codes = stated[0], stated[1]
        elif "sRGB" not in chunks and not _is_srgb(chunks):
            notes.append("gamma and primaries of the PNG are left out: it is taken for sRGB")
    profile = profile_of(path, *codes) if codes is not None else None
    if profile is not None:
        image = image.copy()
        image.set_type(libvips().GValue.blob_type, "icc-profile-data", profile)
    return image, notes


def _is_srgb(chunks: dict[str, bytes]) -> bool:
    """Returns whether gAMA and cHRM are absent or those of sRGB."""
    gamma, points = chunks.get("gAMA", b""), chunks.get("cHRM", b"")
    stated = [int.from_bytes(points[i : i + 4]) for i in range(0, len(points), 4)]
    return (
        len(gamma) != 4 or abs(int.from_bytes(gamma) - _SRGB_GAMMA) <= _GAMMA_TOLERANCE
    ) and all(abs(a - b) <= _POINT_TOLERANCE for a, b in zip(stated, _SRGB_POINTS, strict=False))


def _avif_codes(path: Path) -> tuple[int, int] | None:
    """Returns primaries and transfer as FFmpeg reads them; None without PyAV."""
    try:
        import av
    except ImportError:
        return None
    try:
        with av.open(str(path)) as file:
            context = file.streams.video[0].codec_context
            return int(context.color_primaries), int(context.color_trc)
    except (OSError, ValueError, IndexError):
        # libvips decides whether the pixels can be decoded.
        return _UNSPECIFIED, _UNSPECIFIED
