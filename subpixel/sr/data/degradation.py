"""How LR images are made from HR images, in training and in measurements."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Num

from subpixel.image import Border, imresize, to_uint8
from subpixel.sr._support.errors import InputError
from subpixel.sr.serialization import check_fields

Kind = Literal["bicubic", "blur", "unknown"]


@dataclass(frozen=True)
class Degradation:
    """How LR images are made from HR images.

    "blur" is what the ESPCN paper trained with: a Gaussian filter, then sub-sampling by the scale
    (arXiv 1609.05158, section 3). It gives neither the Gaussian's width nor which pixel is taken.
    The defaults are the "BD" setting of what followed (Zhang et al., IRCNN, arXiv 1704.03264; RDN
    and RCAN after it): sigma 1.6, 7x7 pixels at x3, the middle of each block of r x r. Their files
    have the replicate border, and 12x12 pixels at x2 and x4, which is kernel_size 11 here.
    """

    kind: Kind = "bicubic"
    """"bicubic": MATLAB's imresize. "blur": a Gaussian, then every r-th pixel. "unknown": only the
    LR images of the set. Bicubic LR images in the folders of the set are used if they exist."""
    border: Border = "symmetric"
    """How pixels outside the image are defined: "symmetric", as in MATLAB today, or "replicate", as
    before 2014."""
    sigma: float = 1.6
    """The standard deviation of the Gaussian of "blur", in HR pixels."""
    kernel_size: int = 7
    """The height and width of the Gaussian of "blur", odd; one pixel more at an even scale."""

    def __post_init__(self):
        check_fields(self, "data.degradation.")
        if not self.sigma > 0:
            raise InputError(f"data.degradation.sigma must be positive; got {self.sigma}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise InputError(
                f"data.degradation.kernel_size must be odd and positive; got {self.kernel_size}"
            )

    def describe(self) -> str:
        """Returns the description that the protocol's line contains."""
        if self.kind == "bicubic":
            return f"MATLAB's imresize, bicubic, uint8, {self.border} border"
        if self.kind == "blur":
            return (
                f"a Gaussian of sigma {self.sigma:g} in {self.kernel_size}x{self.kernel_size} "
                f"pixels (one more at an even scale), {self.border} border, then every r-th pixel, "
                "uint8"
            )
        return "the set's own files, LR_unknown"


BICUBIC = Degradation()


def make_lr(
    hr: Num[np.ndarray, "h w c"], scale: int, degradation: Degradation = BICUBIC
) -> Num[np.ndarray, "lr_h lr_w c"]:
    """Makes the LR image of an original.

    Returns:
      uint8 (h / r, w / r, c). Of sizes that the scale r does not divide, bicubic rounds up, as
      MATLAB does, and blur rounds down.

    Raises:
      InputError: if the degradation is "unknown", which only files can hold.
    """
    if degradation.kind == "unknown":
        raise InputError(
            'the degradation is "unknown", which cannot be computed: the set must have its LR '
            "images, in a folder LR_unknown"
        )
    if degradation.kind == "bicubic":
        resize = partial(imresize, scale=1 / scale, border=degradation.border)
    else:
        resize = partial(_blur, scale=scale, degradation=degradation)
    # Channel by channel, since floating point takes eight times the memory of uint8.
    channels = np.split(hr, hr.shape[2], axis=2)
    return np.concatenate([resize(channel) for channel in channels], axis=2)


def _blur(hr: np.ndarray, scale: int, degradation: Degradation) -> np.ndarray:
    # Imported here: a config stays quick to read.
    from scipy.ndimage import correlate1d

    # The size is even if the scale is even, so that the Gaussian's centre is the middle of a block.
    size = degradation.kernel_size + (scale + 1) % 2
    offsets = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * degradation.sigma**2))
    weights /= weights.sum()
    mode = "reflect" if degradation.border == "symmetric" else "nearest"
    # SciPy's centre of an even kernel is behind its middle.
    origin, first = (0 if size % 2 else -1), (scale - 1) // 2
    height, width = (side // scale for side in hr.shape[:2])
    blurred = hr.astype(np.float64)
    blurred = correlate1d(blurred, weights, 0, mode=mode, origin=origin)[first::scale][:height]
    blurred = correlate1d(blurred, weights, 1, mode=mode, origin=origin)[:, first::scale][:, :width]
    return to_uint8(blurred)
