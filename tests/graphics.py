"""Images that are not natural scenes, each drawn from a random generator.

Two images of one kind that are drawn from different seeds are unrelated.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def rgb(values: np.ndarray) -> np.ndarray:
    """Grey levels (h, w) as an RGB image, uint8 (h, w, 3)."""
    return np.repeat(np.clip(np.round(values), 0, 255).astype(np.uint8)[..., None], 3, 2)


def texture(rng, size, slope):
    """Noise with a spectrum of 1 / frequency^slope, mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    frequency[0, 0] = 1
    values = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) / frequency**slope).real
    return (values - values.mean()) / values.std()


def _colour(rng) -> tuple[int, int, int]:
    red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    return red, green, blue


def _ground(size: int = 128, colour: str | tuple[int, int, int] = "white"):
    image = Image.new("RGB", (size, size), colour)
    return image, ImageDraw.Draw(image)


def disc(rng, *, black=False):
    """One flat disc on white."""
    image, draw = _ground()
    radius = rng.uniform(15, 45)
    x, y = rng.uniform(radius, 128 - radius, 2)
    colour = (0, 0, 0) if black else _colour(rng)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return np.asarray(image)


def disc_in_the_middle(rng):
    """One flat disc in the middle of a ground of another colour."""
    image, draw = _ground(colour=_colour(rng))
    radius = rng.uniform(20, 55)
    draw.ellipse((64 - radius, 64 - radius, 64 + radius, 64 + radius), fill=_colour(rng))
    return np.asarray(image)


def rectangle(rng):
    """One flat rectangle on white."""
    image, draw = _ground()
    (x, y), (width, height) = rng.uniform(5, 60, 2), rng.uniform(20, 60, 2)
    draw.rectangle((x, y, x + width, y + height), fill=_colour(rng))
    return np.asarray(image)


def flag(rng):
    """Three stripes."""
    image, draw = _ground()
    for stripe in range(3):
        draw.rectangle((43 * stripe, 0, 43 * stripe + 42, 127), fill=_colour(rng))
    return np.asarray(image)


def app_icon(rng):
    """A rounded square with one of three symbols."""
    image, draw = _ground()
    draw.rounded_rectangle((8, 8, 120, 120), 24, fill=_colour(rng))
    box = tuple(64 + sign * rng.uniform(15, 40) for sign in (-1, -1, 1, 1))
    (draw.ellipse, draw.rectangle, partial(draw.pieslice, start=30, end=300))[rng.integers(3)](
        box, fill=_colour(rng)
    )
    return np.asarray(image)


def bar_chart(rng):
    """Seven bars above an axis."""
    image, draw = _ground(160)
    draw.line((15, 145, 155, 145), fill=0, width=2)
    draw.line((15, 10, 15, 145), fill=0, width=2)
    colour = _colour(rng)
    for bar in range(7):
        draw.rectangle((22 + 19 * bar, rng.uniform(15, 140), 34 + 19 * bar, 144), fill=colour)
    return np.asarray(image)


def line_chart(rng):
    """A random walk on a grid."""
    image, draw = _ground(160)
    for place in range(16, 160, 24):
        draw.line((16, place, 150, place), fill=(210, 210, 210))
        draw.line((place, 10, place, 150), fill=(210, 210, 210))
    heights = np.clip(80 + np.cumsum(rng.normal(0, 9, 28)), 12, 148)
    points = [(16 + 5 * step, height) for step, height in enumerate(heights)]
    draw.line(points, fill=_colour(rng), width=2)
    return np.asarray(image)


def pie_chart(rng):
    """Five sectors."""
    image, draw = _ground()
    ends = [0.0, *np.sort(rng.uniform(0, 360, 4)), 360.0]
    for start, end in pairwise(ends):
        draw.pieslice((10, 10, 118, 118), start, end, fill=_colour(rng))
    return np.asarray(image)


def line_drawing(rng):
    """Six black strokes on white."""
    image, draw = _ground(160)
    for _ in range(6):
        points = [tuple(point) for point in rng.uniform(10, 150, (4, 2))]
        draw.line(points, fill=0, width=2, joint="curve")
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


def chessboard(rng):
    """Eight squares a side in two colours."""
    y, x = np.mgrid[:128, :128] // 16
    return np.array([_colour(rng), _colour(rng)], np.uint8)[(y + x) % 2]


def flat_face(rng):
    """A head with eyes and a mouth, of flat ellipses on plain ground."""
    image, draw = _ground(colour=_colour(rng))

    def fill(x, y, width, height, colour):
        x, y = x + rng.normal(0, 2), y + rng.normal(0, 2)
        draw.ellipse((x - width, y - height, x + width, y + height), fill=colour)

    fill(64, 66, 38 + rng.normal(0, 2), 50 + rng.normal(0, 2), _colour(rng))
    eyes, mouth = _colour(rng), _colour(rng)
    fill(48, 55, 6, 4, eyes)
    fill(80, 55, 6, 4, eyes)
    fill(64, 92, 15, 5, mouth)
    return np.asarray(image)


def cells(rng, *, count=12):
    """Soft bright blobs on dark ground, with the noise of a camera."""
    y, x = np.mgrid[:160, :160]
    values = np.full((160, 160), 12.0)
    for row, column in rng.uniform(8, 152, (count, 2)):
        width = rng.uniform(5, 12)
        values += rng.uniform(60, 200) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / width**2)
    return rgb(values + 3 * rng.standard_normal(values.shape))


def letter(rng):
    """One letter on plain ground."""
    image, draw = _ground(colour=_colour(rng))
    draw.text((64, 64), rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")), fill=_colour(rng),
              font=ImageFont.load_default(80), anchor="mm")  # fmt: skip
    return np.asarray(image)


def code(rng):
    """A matrix of 25 x 25 black and white modules with three finder patterns, as QR codes have."""
    modules = rng.integers(0, 2, (25, 25))
    finder = np.pad(np.pad(np.ones((3, 3), int), 1), 1, constant_values=1)
    for rows, columns in (
        (slice(7), slice(7)),
        (slice(7), slice(-7, None)),
        (slice(-7, None), slice(7)),
    ):
        modules[rows, columns] = finder
    return rgb(255 * (1 - np.pad(np.kron(modules, np.ones((6, 6))), 12)))


GRAPHICS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "flat discs": disc,
    "black discs": partial(disc, black=True),
    "discs in the middle": disc_in_the_middle,
    "flat rectangles": rectangle,
    "flags": flag,
    "app icons": app_icon,
    "bar charts": bar_chart,
    "line charts": line_chart,
    "pie charts": pie_chart,
    "line drawings": line_drawing,
    "gradients": gradient,
    "checkerboards": checkerboard,
    "chessboards": chessboard,
    "flat faces": flat_face,
    "cells": cells,
    "few cells": partial(cells, count=2),
    "letters": letter,
    "matrix codes": code,
}
