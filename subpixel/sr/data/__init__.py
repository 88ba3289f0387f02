"""Images on disk, or embedded, become arrays; arrays become batches."""

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
