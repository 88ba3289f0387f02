"""Pictures on disk, or embedded, become arrays; arrays become batches."""

from subpixel.data.degradation import Degradation, make_low
from subpixel.data.patches import PatchCutter, batches
from subpixel.data.pictures import Picture, read_picture
from subpixel.data.sources import check_no_leak, find_pictures, load_pair, load_pairs

__all__ = [
    "Degradation",
    "PatchCutter",
    "Picture",
    "batches",
    "check_no_leak",
    "find_pictures",
    "load_pair",
    "load_pairs",
    "make_low",
    "read_picture",
]
