"""Image files for the tests of photographs."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from subpixel.sr.photo.engine import find_models
from subpixel.sr.photo.photographs import Settings, upscale_photograph
from subpixel.sr.photo.plan import Size
from subpixel.sr.photo.reading import open_photograph

COFFEE = data.coffee()[100:160, 200:280]
HEIGHT, WIDTH = COFFEE.shape[:2]


def picture(seed: int, height: int = 36, width: int = 48) -> np.ndarray:
    """Returns a smooth image, as photographs are, so that it is told from another by its shapes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def rgba() -> np.ndarray:
    """Returns the crop of a photograph, transparent in a corner whose hidden colour is magenta."""
    image = np.dstack([COFFEE, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    image[:20, :30] = (255, 0, 255, 0)
    return image


def coffee16() -> np.ndarray:
    """Returns the crop with 16 bits, which no 8-bit image has."""
    noise = np.random.default_rng(0).integers(0, 257, COFFEE.shape)
    return np.minimum(COFFEE.astype(int) * 257 + noise, 65535).astype(np.uint16)


def save(path: Path, values: np.ndarray = COFFEE, **options) -> Path:
    """Saves an array with Pillow, in a new folder if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)
    return path


def as_jpeg(values: np.ndarray, quality: int) -> np.ndarray:
    """Returns an array as JPEG changes it."""
    content = io.BytesIO()
    Image.fromarray(values).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def chunk(kind: bytes, content: bytes) -> bytes:
    """Returns a chunk of a PNG file."""
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def write_bomb(path: Path, width: int, height: int) -> None:
    """Writes a PNG that claims a size and holds nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def enlarge(source: Path, target: Path, model: str = "bicubic", **options) -> list[str]:
    """Enlarges an image by 2, and returns the notes."""
    settings = Settings(find_models(model), **{"size": Size(scale=2), **options})
    return list(upscale_photograph(source, target, settings).notes)


def read_pixels(path: Path) -> np.ndarray:
    """Returns the pixels of a file as the application reads them, in 0..1."""
    return np.concatenate(list(open_photograph(path).strips().rows))
