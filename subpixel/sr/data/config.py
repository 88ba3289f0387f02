"""The data of an experiment: which images, and how patches are cut from them."""

from dataclasses import dataclass
from string import Formatter
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
    lr: str = ""
    """Folder of the LR images of the sets of data.train, if their layout (docs/data.md) does not
    have them: in the folder of the set, with {r} for the scale, such as "LR_mild/X{r}"."""
    lr_name: str = "{name}"
    """Name of an LR image in that folder, without suffix: {name} is that of its original, {r} the
    scale, as in "{name}x{r}m"."""
    on_leak: OnLeak = "stop"
    """What to do if the pixels of a training image equal one of a benchmark: "stop" and name them,
    or "warn" and train. An image that only looks like one is a warning. The results repeat it."""
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
        _check_template("data.lr", self.lr, {"r"})
        _check_template("data.lr_name", self.lr_name, {"name", "r"})
        require(
            "{name}" in self.lr_name,
            f"data.lr_name must contain {{name}}, the name of the original; got {self.lr_name!r}",
        )
        require(
            len(self.shrink) in (0, len(self.train)) and all(0 < f <= 1 for f in self.shrink),
            "data.shrink must have one factor for each set of data.train, above 0 and at most 1; "
            f"got {list(self.shrink)} for {len(self.train)}: give it beside data.train, "
            f"such as --data.shrink {' '.join('1' for _ in self.train)}",
        )
        require(
            self.patch_size >= 1 and self.batch_size >= 1 and self.validation_images >= 1,
            "data.patch_size, data.batch_size and data.validation_images must be at least 1; got "
            f"{self.patch_size}, {self.batch_size} and {self.validation_images}",
        )


def _check_template(field: str, template: str, known: set[str]) -> None:
    try:
        used = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError:
        used = {"{"}
    names = ", ".join(f"{{{name}}}" for name in sorted(known))
    require(used <= known, f"{field} may contain {names} and no other braces; got {template!r}")
