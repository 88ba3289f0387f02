"""Colours that a file states by code points of ITU-T H.273, which libvips does not read.

HEIC and AVIF have a box "colr" of the type "nclx", and PNG has the chunk cICP.
"""

from pathlib import Path
from typing import Any

from subpixel.sr._support.errors import InputError
from subpixel.sr.photo.metadata import png_chunks
from subpixel.sr.photo.vips import libvips

# BT.709, unspecified, and two of BT.601, which differ little.
_SRGB_PRIMARIES, _DISPLAY_P3 = (1, 2, 5, 6), 12
# BT.709, unspecified, sRGB, and those of SDR video, whose images are shown as sRGB.
_SDR_TRANSFERS = (1, 2, 4, 6, 13, 14, 15)


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

    Returns:
      The libvips image, and notes for the user, one line each.

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
        stated = dict(png_chunks(path)).get("cICP", b"")
        codes = (stated[0], stated[1]) if len(stated) == 4 else None
    profile = profile_of(path, *codes) if codes is not None else None
    if profile is not None:
        image = image.copy()
        image.set_type(libvips().GValue.blob_type, "icc-profile-data", profile)
    return image, notes


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
        return 2, 2
