"""Photographs of scikit-image's wheel, to train and measure without a download.

Only those whose terms are stated in scikit-image's documentation of `skimage.data` are used.
"""

from importlib.util import find_spec
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import ImageSource

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

PHOTOGRAPHS = {"train": tuple(TRAIN), "test": tuple(TEST)}


def embedded_images(name: str) -> dict[str, ImageSource]:
    """Returns the images of the set "train" or "test" by name; no image is in both.

    Raises:
      InputError: if scikit-image is not installed.
    """
    return {
        photograph: ImageSource(f"skimage.data.{photograph}", _file(photograph))
        for photograph in PHOTOGRAPHS[name]
    }


def _file(photograph: str) -> Path:
    """Returns the file of a photograph; finding it does not import scikit-image."""
    package = find_spec("skimage")
    for folder in (package and package.submodule_search_locations) or ():
        for file in sorted((Path(folder) / "data").glob(f"{photograph}.*")):
            return file
    raise InputError(
        f"the photograph {photograph} of scikit-image is not there: pip install scikit-image"
    )
