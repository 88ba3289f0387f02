"""The exact, fast transposed convolution, from one line of index arithmetic to Flax layers.

`geometry` says where each number goes, `columns` computes, `trilinear` makes a primitive of it with
derivatives of every order, `function` is `jax.lax.conv_transpose`'s twin, `pytorch` PyTorch's, and
`nnx_layer` and `linen_layer` are Flax's layers.
"""

from subpixel.transposed.function import Method, conv_transpose
from subpixel.transposed.pytorch import torch_conv_transpose

__all__ = ["Method", "conv_transpose", "torch_conv_transpose"]
