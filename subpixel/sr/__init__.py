"""Super-resolution: networks, training, evaluation and the commands, over the library."""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel.sr.photo.arrays import upscale
    from subpixel.sr.targets import load

__all__ = ["load", "upscale"]

__getattr__ = lazy_names(__name__, {"load": "targets", "upscale": "photo.arrays"})
