"""Photographs of scikit-image's wheel, to train and measure without a download.

Only those whose terms are stated in scikit-image's documentation of `skimage.data` are used: the
Hubble deep field and the astronaut are in the public domain, the others CC0.
"""

from importlib.util import find_spec
from pathlib import Path

from subpixel.sr._support.errors import InputError
from subpixel.sr.data.images import ImageSource

PHOTOGRAPHS = {
    "train": ("camera", "hubble_deep_field", "retina", "coffee", "brick", "grass", "gravel"),
    "test": ("astronaut", "chelsea", "rocket"),
}


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
