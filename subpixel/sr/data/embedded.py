"""Photographs inside scikit-image's wheel: enough to train and measure on without a download.

Only those whose terms are stated in scikit-image's documentation of `skimage.data` are used.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import skimage.data

from subpixel.sr.data.images import SourceImage

# Name in `skimage.data`, and the terms stated there.
TRAIN = {
    "camera": "CC0",
    "hubble_deep_field": "public domain",
    "retina": "CC0",
    "coffee": "CC0",
    "brick": "CC0",
    "grass": "CC0",
    "gravel": "CC0",
}
TEST = {"astronaut": "public domain", "chelsea": "CC0", "rocket": "CC0"}

SETS = {"train": tuple(TRAIN), "test": tuple(TEST)}


def embedded_images(name: str) -> list[SourceImage]:
    """Returns the images of the set "train" or "test"; no image is in both."""
    return [
        SourceImage(photograph, f"skimage.data.{photograph}", partial(_load, photograph))
        for photograph in SETS[name]
    ]


def _load(photograph: str) -> np.ndarray:
    read: Callable[[], np.ndarray] = getattr(skimage.data, photograph)
    image = read()
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    return image
