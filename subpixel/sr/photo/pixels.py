"""Values of pixels as they are stored: formats of libvips and their NumPy types."""

import numpy as np
from jaxtyping import Float32, Shaped

from subpixel.sr.inference.colour import rounded

DTYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
PEAKS = {"uchar": 255, "ushort": 65535, "float": 1}


def quantised(values: Float32[np.ndarray, "h w c"], dtype: str) -> Shaped[np.ndarray, "h w c"]:
    """Returns values in 0..1 as a format of libvips stores them; "float" stays as it is."""
    return values if dtype == "float" else rounded(values, DTYPES[dtype])
