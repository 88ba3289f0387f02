"""Initial values for upsampling kernels."""

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jaxtyping import Array, Inexact

from subpixel import kernels
from subpixel.kernels import Layout
from subpixel.ops.pixel_shuffle import Order, Scale, channels_per_phase, join_phases, scale_per_axis


def icnr(
    base: Initializer,
    scale: Scale,
    *,
    layout: Layout = "subpixel",
    order: Order = "dcr",
    transpose_kernel: bool = False,
) -> Initializer:
    """Returns ICNR: upsampling starts as a convolution and nearest-neighbour upsampling.

    Every phase begins with the same kernel, drawn by `base`, so the network's first output has no
    checkerboard of period r. The name means "initialised to convolution, nearest-neighbour
    resized".

    Args:
      base: draws the low-resolution kernel of one phase, (k1, ..., kd, in, out).
      scale: r, one number or one for each spatial axis.
      layout: layout of the kernel, as in `subpixel.kernels`.
      order: order of the channels of the sub-pixel layout.
      transpose_kernel: as in `subpixel.kernels.convert`.

    Returns:
      An initializer, called as ``init(key, shape, dtype)`` with the shape of a kernel in that
      layout. It raises ValueError if the shape does not fit it.

    Example:
      >>> import jax
      >>> init = icnr(jax.nn.initializers.lecun_normal(), 3)
      >>> init(jax.random.key(0), (3, 3, 32, 9)).shape
      (3, 3, 32, 9)

    Reference: Aitken et al., "Checkerboard artifact free sub-pixel convolution", arXiv 1707.02937.
    """
    kernels.validate_layout(layout)

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
        return kernel if out_sharding is None else jax.device_put(kernel, out_sharding)

    return init
