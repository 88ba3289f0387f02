"""The data of an experiment: which images, and how patches are cut from them."""

from dataclasses import dataclass
from typing import Literal

from subpixel.sr.data.degradation import BICUBIC, Degradation
from subpixel.sr.serialization import check_fields, require

OnLeak = Literal["stop", "warn"]
Sampling = Literal["positions", "images"]


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how patches are cut from them."""

    train: tuple[str, ...] = ("embedded:train",)
    """Sets to train on (docs/data.md): named ones such as DIV2K/train, folders under the data root
    or anywhere, tfds:NAME; "embedded:train" is the set that comes with scikit-image."""
    benchmarks: tuple[str, ...] = ("embedded:test",)
    """Folders of images to measure on at the end: none may be among the training images."""
    on_leak: OnLeak = "stop"
    """What to do if a training image is one of a benchmark, or a copy of one: "stop" and name them,
    or "warn" and train; the results then say so."""
    exclude: tuple[str, ...] = ()
    """Names of images that are not trained on."""
    skip_small: bool = False
    """Whether images smaller than a patch are left out; otherwise they are an error."""
    shrink: tuple[float, ...] = ()
    """One factor for each set of data.train, by which MATLAB's bicubic makes its images smaller
    (default: 1 for all). Smaller photographs are sharper and have fewer JPEG artefacts."""
    validation_images: int = 8
    """How many training images are held out for validation."""
    patch_size: int = 17
    """Height and width of a training patch, in low-resolution pixels."""
    batch_size: int = 16
    """Patches in a step."""
    augment: bool = True
    """Whether patches are flipped and rotated, in eight ways."""
    sampling: Sampling = "positions"
    """How patches are drawn: all "positions" alike, so that a large image gives more patches than a
    small one, or all "images" alike."""
    degradation: Degradation = BICUBIC

    def __post_init__(self):
        check_fields(self, "data.")
        require(bool(self.train), "data.train must name at least one folder of images")
        require(
            len(self.shrink) in (0, len(self.train)) and all(0 < f <= 1 for f in self.shrink),
            "data.shrink must have one factor for each set of data.train, above 0 and at most 1; "
            f"got {list(self.shrink)} for {len(self.train)}",
        )
        require(
            self.patch_size >= 1 and self.batch_size >= 1 and self.validation_images >= 1,
            "data.patch_size, data.batch_size and data.validation_images must be at least 1; got "
            f"{self.patch_size}, {self.batch_size} and {self.validation_images}",
        )
