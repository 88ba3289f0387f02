"""Initial values for upsampling kernels."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jaxtyping import Array, Inexact

from subpixel import kernels
from subpixel._choices import validate_choice
from subpixel.kernels import Layout
from subpixel.ops.pixel_shuffle import (
    Order,
    Scale,
    channels_per_phase,
    hashable_scale,
    join_phases,
    scale_per_axis,
    validate_order,
)

KernelPadding = Literal["same_padding", "SAME"]


def icnr(
    base: Initializer,
    scale: Scale,
    *,
    layout: Layout = "subpixel",
    order: Order = "dcr",
    transpose_kernel: bool = False,
    padding: KernelPadding = "same_padding",
) -> Initializer:
    """Returns ICNR: upsampling starts as a convolution and nearest-neighbour upsampling.

    Every phase begins with the same kernel, drawn by `base`, so the network's first output has no
    checkerboard of period r. The name means "initialised to convolution, nearest-neighbour
    resized".

    With "SAME", `subpixel.subpixel_conv` and `subpixel.zero_insert_conv` start with blocks of r
    pixels that are aligned with the input's pixels. A transposed convolution whose kernel size is
    an even multiple of the scale, such as 4x4 with strides of 2, does not, under its own "SAME":
    its blocks begin ceil(r / 2) pixels late. Give it the padding `subpixel.kernels.same_padding`,
    or give `padding="SAME"` here.

    Args:
      base: draws the low-resolution kernel of one phase, (k1, ..., kd, in, out).
      scale: r, one number or one for each spatial axis.
      layout: layout of the kernel, as in `subpixel.kernels`.
      order: order of the channels of the sub-pixel layout.
      transpose_kernel: as in `subpixel.kernels.convert`.
      padding: padding of the transposed convolution in the layout "conv_transpose": "same_padding"
        for `subpixel.kernels.same_padding`, with which the function is that of the other layouts;
        or "SAME" for JAX's own. If k is even, "SAME" has no room for k aligned taps: `base` draws
        k - 1, and zeros surround them. If k is odd, both are the same.

    Returns:
      An initializer, called as ``init(key, shape, dtype)`` with the shape of a kernel in that
      layout. It raises ValueError if the shape does not fit it.

    Raises:
      ValueError: if the layout, order or padding is unknown, or the scale is less than 2.
      TypeError: if the scale is not a whole number.

    Example:
      >>> import jax
      >>> from flax import nnx
      >>> from subpixel.nnx import ConvTranspose
      >>> init = icnr(jax.nn.initializers.lecun_normal(), 3)
      >>> init(jax.random.key(0), (3, 3, 32, 9)).shape
      (3, 3, 32, 9)
      >>> init = icnr(jax.nn.initializers.ones, 2, layout="conv_transpose", padding="SAME")
      >>> layer = ConvTranspose(1, 1, (4,), 2, kernel_init=init, rngs=nnx.Rngs(0))
      >>> layer(jnp.array([[1.0], [2.0], [3.0]]))[:, 0]
      Array([1., 1., 2., 2., 3., 3.], dtype=float32)

    Reference: Aitken et al., "Checkerboard artifact free sub-pixel convolution", arXiv 1707.02937.
    """
    kernels.validate_layout(layout)
    validate_order(order)
    validate_choice("padding", padding, KernelPadding)
    scale = hashable_scale(scale)

    def init(key, shape, dtype=jnp.float32, out_sharding=None) -> Inexact[Array, "*taps in out"]:
        ndim = len(shape) - 2
        scales = scale_per_axis(scale, ndim)
        *sizes, features_in, features_out = shape
        if layout == "conv_transpose" and transpose_kernel:
            features_in, features_out = features_out, features_in
        if layout == "subpixel":
            features_out = channels_per_phase(features_out, scales)
        else:
            if any(size % r for size, r in zip(sizes, scales, strict=True)):
                raise ValueError(
                    f"ICNR needs a kernel size that is a multiple of the scale; got a kernel of "
                    f"shape {tuple(shape)} and a scale of {scales}"
                )
            sizes = [size // r for size, r in zip(sizes, scales, strict=True)]
        margins = [(0, 0)] * ndim
        if layout == "conv_transpose" and padding == "SAME":
            margins = [
                (0, 0) if size % 2 else (r - r // 2, r // 2)
                for size, r in zip(sizes, scales, strict=True)
            ]
            sizes = [size - 1 + size % 2 for size in sizes]
            if transpose_kernel:
                margins = [(after, before) for before, after in margins]
        phase = base(key, (*sizes, features_in, features_out), dtype)
        expanded = jnp.expand_dims(phase, range(ndim + 1, 2 * ndim + 1))
        every = jnp.broadcast_to(expanded, (*sizes, features_in, *scales, features_out))
        kernel = kernels.convert(
            join_phases(every, ndim, order),
            scales,
            "subpixel",
            layout,
            order=order,
            transpose_kernel=transpose_kernel,
        )
        kernel = jnp.pad(kernel, [*margins, (0, 0), (0, 0)])
        return kernel if out_sharding is None else jax.device_put(kernel, out_sharding)

    return init
