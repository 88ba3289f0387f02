"""Images on disk, or embedded, become arrays; arrays become batches."""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel.sr.data.degradation import Degradation, make_lr
    from subpixel.sr.data.images import SourceImage, read_image
    from subpixel.sr.data.leak import check_no_leak
    from subpixel.sr.data.patches import PatchCutter, batches
    from subpixel.sr.data.preparation import prepare
    from subpixel.sr.data.sources import find_images, load_pair

__all__ = [
    "Degradation",
    "PatchCutter",
    "SourceImage",
    "batches",
    "check_no_leak",
    "find_images",
    "load_pair",
    "make_lr",
    "prepare",
    "read_image",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Degradation": "degradation",
        "make_lr": "degradation",
        "SourceImage": "images",
        "read_image": "images",
        "check_no_leak": "leak",
        "PatchCutter": "patches",
        "batches": "patches",
        "prepare": "preparation",
        "find_images": "sources",
        "load_pair": "sources",
    },
)
