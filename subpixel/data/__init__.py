"""Pictures on disk, or embedded, become arrays; arrays become batches."""

from subpixel.data.patches import PatchCutter, batches
from subpixel.data.pictures import Picture, read_picture
from subpixel.data.sources import check_no_leak, find_pictures, load_pairs

__all__ = [
    "PatchCutter",
    "Picture",
    "batches",
    "check_no_leak",
    "find_pictures",
    "load_pairs",
    "read_picture",
]
