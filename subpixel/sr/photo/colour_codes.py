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
# Gamma and primaries of sRGB as older PNG files state them, PNG specification, 11.3.2, and how
# differently programs round them.
_SRGB = {
    "gAMA": ((45455,), 2000),
    "cHRM": ((31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), 500),
}


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
        if len(stated := chunks.get("cICP", b"")) == 4:
            codes = stated[0], stated[1]
        elif "sRGB" not in chunks and not all(_is_srgb(name, chunks) for name in _SRGB):
            notes.append("gamma and primaries of the PNG are left out: it is taken for sRGB")
    profile = profile_of(path, *codes) if codes is not None else None
    if profile is not None:
        image = image.copy()
        image.set_type(libvips().GValue.blob_type, "icc-profile-data", profile)
    return image, notes


def _is_srgb(name: str, chunks: dict[str, bytes]) -> bool:
    """Returns whether a chunk is absent or has the values of sRGB."""
    content, (values, tolerance) = chunks.get(name, b""), _SRGB[name]
    stated = [int.from_bytes(content[i : i + 4]) for i in range(0, len(content), 4)]
    return all(abs(a - b) <= tolerance for a, b in zip(stated, values, strict=False))


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
