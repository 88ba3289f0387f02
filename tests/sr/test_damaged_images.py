"""Mutated image files: every reader of the commands reads them, or refuses them in one line."""

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import ImageSource, read_image
from subpixel.sr.data.pairs import find_pairs
from subpixel.sr.photo import reading

KINDS = (
    *("AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA"),
    *("TIFF", "WEBP"),
)
OPTIONS = {"TIFF": {"compression": "tiff_lzw"}, "WEBP": {"lossless": True}}
PIXELS = np.random.default_rng(7).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def encode(kind: str) -> bytes:
    """Returns a file of a kind, with EXIF data where the kind has them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    options = OPTIONS.get(kind, {})
    if kind in ("AVIF", "JPEG", "PNG", "TIFF", "WEBP"):
        options = {**options, "exif": exif}
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, kind, **options)
    return content.getvalue()


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Changes some bytes, removes or repeats a part, or cuts the file."""
    body = bytearray(content)
    how = rng.choice(("bytes", "bytes", "head", "cut", "remove", "repeat"))
    if how == "cut":
        return bytes(body[: rng.randrange(1, len(body))])
    start = rng.randrange(len(body))
    stop = min(start + rng.randrange(1, 64), len(body))
    if how == "remove":
        del body[start:stop]
    elif how == "repeat":
        body[start:start] = body[start:stop]
    else:
        places = len(body) if how == "bytes" else min(len(body), 64)
        for _ in range(rng.choice((1, 2, 8))):
            body[rng.randrange(places)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return with_checksums(bytes(body)) or b"\0"


def with_checksums(content: bytes) -> bytes:
    """Corrects the checksums of PNG chunks, so that a mutation passes them."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        chunk = content[place + 4 : place + 8 + length]
        if place + 12 + length > len(content):
            break
        parts += [content[place : place + 4], chunk, struct.pack(">I", zlib.crc32(chunk))]
        place += 12 + length
    return b"".join([*parts, content[place:]])


def listed_size(path: Path) -> tuple[int, int]:
    (image,) = find_pairs(f"folder:{path.parent}", None)
    return image.hr.size()


def enlarged_from(path: Path) -> np.ndarray:
    return np.concatenate(list(reading.open_photograph(path).strips().rows))


def checked(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    return image


def is_grey(path: Path) -> bool:
    return ImageSource.from_file(path).is_grey()


READERS = (checked, is_grey, listed_size, enlarged_from)


def fuzz(folder: Path, count: int, seed: int) -> int:
    """Gives `count` mutated files to each reader and returns how many were refused."""
    rng, refused = random.Random(seed), 0
    intact = [encode(kind) for kind in KINDS]
    for number in range(count):
        content = mutate(intact[number % len(KINDS)], rng)
        path = folder / rng.choice(("a.png", "a.bmp", "a.tif"))
        path.write_bytes(content)
        messages = []
        for read in READERS:
            try:
                read(path)
            except InputError as error:
                messages.append(str(error))
            except Exception as error:
                kept = folder / "failed"
                kept.write_bytes(content)
                pytest.fail(
                    f"mutation {number} of {KINDS[number % len(KINDS)]}: {read.__name__} raises "
                    f"{error!r} for {kept}"
                )
        refused += bool(messages)
        for message in messages:
            assert len(message.splitlines()) == 1
            assert str(path) in message
        path.unlink()
    return refused


@pytest.mark.slow
def test_mutated_images_are_read_or_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_MEGAPIXELS", 1)
    assert 100 < fuzz(tmp_path, 420, seed=0) < 420


@pytest.mark.slow
def test_ten_thousand_mutated_images_are_read_or_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_MEGAPIXELS", 1)
    assert 1000 < fuzz(tmp_path, 10_000, seed=1) < 10_000
