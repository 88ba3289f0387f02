"""Images on disk, or embedded, become arrays; arrays become batches."""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel.sr.data.degradation import Degradation, make_lr
    from subpixel.sr.data.images import ImageSource, read_image
    from subpixel.sr.data.leak import check_no_leak
    from subpixel.sr.data.pairs import Pair, find_pairs, load_pair
    from subpixel.sr.data.patches import PatchCutter, batches
    from subpixel.sr.data.preparation import prepare
    from subpixel.sr.data.training_set import load_training_set

__all__ = [
    "Degradation",
    "ImageSource",
    "Pair",
    "PatchCutter",
    "batches",
    "check_no_leak",
    "find_pairs",
    "load_pair",
    "load_training_set",
    "make_lr",
    "prepare",
    "read_image",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Degradation": "degradation",
        "make_lr": "degradation",
        "ImageSource": "images",
        "read_image": "images",
        "check_no_leak": "leak",
        "Pair": "pairs",
        "find_pairs": "pairs",
        "load_pair": "pairs",
        "PatchCutter": "patches",
        "batches": "patches",
        "prepare": "preparation",
        "load_training_set": "training_set",
    },
)
