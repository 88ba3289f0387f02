"""Pictures on disk, or embedded, become arrays; arrays become batches."""

from subpixel.data.degradation import Degradation, make_low
from subpixel.data.leak import check_no_leak
from subpixel.data.patches import PatchCutter, batches
from subpixel.data.pictures import Picture, read_picture
from subpixel.data.preparing import prepare
from subpixel.data.sources import find_pictures, load_pair

__all__ = [
    "Degradation",
    "PatchCutter",
    "Picture",
    "batches",
    "check_no_leak",
    "find_pictures",
    "load_pair",
    "make_low",
    "prepare",
    "read_picture",
]
