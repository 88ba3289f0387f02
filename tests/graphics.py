"""Images that are not natural scenes, each drawn from a random generator.

Two images of one kind that are drawn from different seeds are unrelated.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def _colour(rng) -> tuple[int, int, int]:
    red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    return red, green, blue


def _ground(size: int = 128, colour: str | tuple[int, int, int] = "white"):
    image = Image.new("RGB", (size, size), colour)
    return image, ImageDraw.Draw(image)


def disc(rng):
    """One flat disc on white."""
    image, draw = _ground()
    radius = rng.uniform(15, 45)
    x, y = rng.uniform(radius, 128 - radius, 2)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(rng))
    return np.asarray(image)


def bar_chart(rng):
    """Seven bars above an axis."""
    image, draw = _ground(160)
    draw.line((15, 145, 155, 145), fill=0, width=2)
    colour = _colour(rng)
    for bar in range(7):
        draw.rectangle((22 + 19 * bar, rng.uniform(15, 140), 34 + 19 * bar, 144), fill=colour)
    return np.asarray(image)


def pie_chart(rng):
    """Five sectors."""
    image, draw = _ground()
    for start, end in pairwise([0.0, *np.sort(rng.uniform(0, 360, 4)), 360.0]):
        draw.pieslice((10, 10, 118, 118), start, end, fill=_colour(rng))
    return np.asarray(image)


def gradient(rng):
    """A linear gradient between two colours in any direction."""
    y, x = np.mgrid[:128, :128] / 127
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    along = (along - along.min()) / np.ptp(along)
    first, second = (np.array(_colour(rng), float) for _ in range(2))
    return np.round(first + along[..., None] * (second - first)).astype(np.uint8)


def checkerboard(rng):
    """Two colours in squares of any size."""
    cell, (top, left) = rng.integers(6, 33), rng.integers(0, 32, 2)
    y, x = np.mgrid[:128, :128]
    odd = ((y + top) // cell + (x + left) // cell) % 2
    return np.array([_colour(rng), _colour(rng)], np.uint8)[odd]


def letter(rng):
    """One letter on plain ground."""
    image, draw = _ground(colour=_colour(rng))
    draw.text((64, 64), rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")), fill=_colour(rng),
              font=ImageFont.load_default(80), anchor="mm")  # fmt: skip
    return np.asarray(image)


GRAPHICS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "flat discs": disc,
    "bar charts": bar_chart,
    "pie charts": pie_chart,
    "gradients": gradient,
    "checkerboards": checkerboard,
    "letters": letter,
}
