"""Learned upsampling in JAX: one linear map, three layouts, several times faster.

A transposed convolution, a convolution over the zero-inserted image, and a low-resolution
convolution with a pixel shuffle are the same function (arXiv 1609.07009). This package has all
three, with exact conversions between them.
"""

from typing import TYPE_CHECKING

from subpixel._lazy import lazy_names

if TYPE_CHECKING:
    from subpixel import image, initializers, kernels, layers, linen, nnx, ops
    from subpixel.ops import (
        conv_transpose,
        pixel_shuffle,
        pixel_unshuffle,
        subpixel_conv,
        torch_conv_transpose,
        zero_insert_conv,
    )

__version__ = "0.2.0"

__all__ = [
    "conv_transpose",
    "image",
    "initializers",
    "kernels",
    "layers",
    "linen",
    "nnx",
    "ops",
    "pixel_shuffle",
    "pixel_unshuffle",
    "subpixel_conv",
    "torch_conv_transpose",
    "zero_insert_conv",
]

_PACKAGES = ("image", "initializers", "kernels", "layers", "linen", "nnx", "ops")

__getattr__ = lazy_names(
    __name__, {name: "ops" for name in __all__ if name not in _PACKAGES}, _PACKAGES
)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
