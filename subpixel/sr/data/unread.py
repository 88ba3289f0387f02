"""Messages about image files that cannot be read."""

import io
from collections.abc import Mapping
from pathlib import Path

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from subpixel.sr.data.bit_depth import BITS_PER_SAMPLE, SAMPLE_FORMAT, tiff_bits

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# The first bytes of the formats that are read, and of formats that resemble them.
_KINDS = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"PF": "floating-point PFM",
    b"Pf": "floating-point PFM",
    b"P7": "PAM",
    **dict.fromkeys(_TIFF, "TIFF"),
}


def explain_unidentified(content: Path | bytes, name: str) -> str:
    """Returns one sentence on an image that Pillow does not identify."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            content = file.read(1 << 16)
    kind = next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)
    if kind is None:
        return f"{name} is not an image, or its kind is unknown: delete it or convert it to PNG"
    if kind == "TIFF":
        bits, signed = tiff_bits(_tiff_tags(content))
        if bits > 8:
            return too_many_bits(name, f"{bits} bits")
        if signed:
            return signed_values(name)
    return (
        f"{name} starts as a {kind} file, and is damaged or of a form that is not read: copy it "
        "again or convert it to PNG"
    )


def too_many_bits(name: str, depth: str) -> str:
    """Returns the line for an image of more than 8 bits a channel."""
    return (
        f"image {name} has more than 8 bits a channel ({depth}): convert it to 8 bits, in the "
        "way that you want it rounded"
    )


def signed_values(name: str) -> str:
    """Returns the line for an image of 8 bits or fewer that are signed or floating-point."""
    return f"image {name} stores signed or floating-point values: convert it to unsigned 8 bits"


def _tiff_tags(head: bytes) -> Mapping:
    """Returns the tags of the first directory; none if it is damaged or not within `head`."""
    file = io.BytesIO(head)
    try:
        directory = ImageFileDirectory_v2(head[:8] if head[2] != 43 else head[:16])
        file.seek(directory.next)
        directory.load(file)
        return {tag: directory[tag] for tag in (BITS_PER_SAMPLE, SAMPLE_FORMAT) if tag in directory}
    except Exception:
        # Pillow raises nearly every class of exception on damaged content.
        return {}
