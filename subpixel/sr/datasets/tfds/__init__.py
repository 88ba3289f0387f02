"""Builders of TensorFlow Datasets for sets that it lacks, or reads only with TensorFlow.

Importing this module registers them, so that `tfds.builder` and `tfds.data_source` know
"subpixel_bsds500" and "subpixel_div2k/bicubic_x2". Neither needs TensorFlow.
"""

from subpixel.sr.datasets.tfds.bsds500 import SubpixelBsds500
from subpixel.sr.datasets.tfds.div2k import SubpixelDiv2k

__all__ = ["SubpixelBsds500", "SubpixelDiv2k"]
