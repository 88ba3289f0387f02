"""Super-resolution: networks, training, evaluation and the commands, over the library."""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel.sr.find import load
    from subpixel.sr.photo.arrays import upscale

__all__ = ["load", "upscale"]

__getattr__ = lazy_names(__name__, {"load": "find", "upscale": "photo.arrays"})
