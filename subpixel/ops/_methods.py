"""What "auto" takes for each result of `subpixel.ops._primitive` on each platform.

The choice is made where a program is compiled, for the platform that it is compiled for.
"""

import math
from typing import Literal

import jax.numpy as jnp

from subpixel.ops._geometry import Axis
from subpixel.ops._native import Result, result_shape
from subpixel.ops._polyphase import grid, product_ratio

Method = Literal["auto", "im2col", "polyphase", "strided", "native"]

# Bytes of temporary memory that a choice may always take.
SMALL = 64 * 2**20

# The number of channels that a TPU computes side by side.
LANES = 128

# The number of gathers along one axis of which col2im is the sum. More take seconds to compile:
# 513 taps in one dimension took 10 s where XLA's convolution takes 0.02 s.
MAX_GATHERS = 32


def choose(a, b, result: Result, axes: tuple[Axis, ...], platform: str | None) -> Method:
    """Returns the method that "auto" stands for.

    Args:
      a: the first operand of the result, as in `subpixel.ops._primitive.contract`.
      b: the second operand.
      result: the result to compute.
      axes: geometry of each spatial axis.
      platform: JAX's name of the platform of the program; "native" serves an unknown one.
    """
    # No platform has a convolution of other ranks.
    if not 1 <= len(axes) <= 3:
        return "im2col"
    if platform == "cpu":
        return _choose_on_cpu(a, b, result, axes)
    if platform == "cuda":
        return _choose_on_cuda(a, b, result, axes)
    if platform == "tpu":
        return _choose_on_tpu(a, b, result, axes)
    return "native"


def _choose_on_cuda(a, b, result: Result, axes: tuple[Axis, ...]) -> Method:
    """Returns the form that XLA turns into one cuDNN call without a zero-inserted array.

    The table lists the calls in programs that were compiled for an H100, jaxlib 0.10.2, float32 and
    bfloat16. Nothing was run. ``python -m subpixel compile --conv-transpose --target=h100`` makes
    its first rows, the tests in tests/accelerators check all of them.

    ==========================  ==========================  ==============  ====================
    case                        output                      input gradient  kernel gradient
    ==========================  ==========================  ==============  ====================
    stride above 1              strided: BackwardInput      Forward         BackwardFilter
    stride 1                    native: Forward             BackwardInput   BackwardFilter
    groups, vmapped kernels     polyphase: Forward          Forward         BackwardFilter
    dilated kernel              im2col: matrix product      im2col          im2col
    the same, stride 1          native: Forward             Forward         im2col
    kernel larger than input    im2col: matrix product      Forward         im2col
    ==========================  ==========================  ==============  ====================

    XLA exchanges image and kernel where the kernel is larger (`AlgebraicSimplifier`), and then
    inserts zeros. It does not recognise the output with groups, nor the output and the kernel
    gradient of a dilated kernel (`conv_rewriter.cc`), and inserts zeros into a dilated kernel if
    there are strides too. A matrix product has the least work there; it
    is taken unless its columns exceed both 64 MiB and four times the operands and the result.
    """
    sizes, taps = (math.prod(getattr(axis, of) for axis in axes) for of in ("size", "taps"))
    is_dilated = any(axis.dilation > 1 for axis in axes)
    has_stride = any(axis.stride > 1 for axis in axes)
    is_large = {"output": taps > sizes, "input": False, "kernel": taps >= sizes}[result]
    if is_dilated or is_large:
        arrays = sum(map(math.prod, (a.shape, b.shape, result_shape(a, b, result, axes))))
        fits = columns(a, b, result, axes) <= max(SMALL / a.dtype.itemsize, 4 * arrays)
        if fits and (has_stride or (is_dilated and result == "kernel")):
            return "im2col"
    if result == "output" and not has_stride:
        return "native"
    return "polyphase" if result == "output" and a.shape[-2] > 1 else "strided"


def _choose_on_tpu(a, b, result: Result, axes: tuple[Axis, ...]) -> Method:
    """Returns the method with the fewest cycles by the TPU compiler's own estimate.

    The rules follow the sum of `estimated_cycles` in programs of forward pass and both gradients
    that were compiled for v5e, jaxlib 0.10.2 and libtpu 0.0.42. Nothing was run. In thousands of
    cycles, float32 / bfloat16, the ten geometries of `subpixel.sr.compile.geometries`, and by
    ``python -m subpixel compile --conv-transpose --target=v5e``:

    ==============  ============  ============  =================================================
    geometry        `jax.lax`     "auto"        rule
    ==============  ============  ============  =================================================
    ESPCN, FSRCNN   501 / 500     139 / 136     one output: polyphase
    V-Net           277 / 482     227 / 244     three axes, taps as the stride: polyphase
    U-Net           204 / 303     180 / 303     taps as the stride, 128 outputs or more: im2col
                                                for the output and "strided" for the kernel in
                                                float32, native in narrower types
    HiFi-GAN        266 / 260     266 / 260     one axis: native
    audio           271 / 273     271 / 273     the same
    DCGAN           223 / 251     188 / 212     else: native, and "strided" for the kernel
    autoencoder     213 / 279     121 / 173     the same
    5x5             278 / 280     126 / 174     phases in one register: polyphase in float32
    3-D 3           1397 / 1473   625 / 704     the same
    ==============  ============  ============  =================================================

    In two dimensions, where nothing is cropped (5x5 and 6x6 with a stride of 2, 9x9 with 3): if the
    phases of all outputs are at most 128 channels, a register, polyphase; in narrower types fewer
    than 128. With more than 128 inputs not.

    Where the rules are wrong: polyphase for HiFi-GAN's output would give 219 / 236. A 3x3 kernel
    with a stride of 3 and 64 channels has 181 by polyphase. On v6e 6x6 from 64 to 32 channels in
    bfloat16 has 225 where polyphase has 168. Strides of 1, groups and dilated kernels stay native.
    """
    is_plain = a.shape[-2] == 1 and all(axis.dilation == 1 for axis in axes)
    if not is_plain or all(axis.stride == 1 for axis in axes):
        return "native"
    outputs = (a if result == "input" else b).shape[-1]
    has_no_overlap = all(axis.taps == axis.stride for axis in axes)
    if outputs == 1 or (len(axes) == 3 and has_no_overlap):
        return "polyphase"
    if len(axes) == 1:
        return "native"
    inputs = b.shape[-2] if result == "input" else a.shape[-1]
    phases = outputs * math.prod(axis.stride for axis in axes)
    lanes = LANES if a.dtype.itemsize >= 4 else LANES - 1
    is_whole = all(grid(axis).size <= axis.size for axis in axes)
    fits = phases <= lanes and inputs <= LANES
    if len(axes) == 2 and is_whole and not has_no_overlap and fits:
        return "polyphase"
    if has_no_overlap and outputs >= 128:
        if a.dtype.itemsize < 4:
            return "native"
        if result == "output":
            return "im2col"
    return "strided" if result == "kernel" else "native"


_OPERANDS: dict[Result, tuple[Result, Result]] = {
    "output": ("input", "kernel"),
    "input": ("output", "kernel"),
    "kernel": ("input", "output"),
}


def operands(result: Result) -> tuple[Result, Result]:
    """Returns which of (input, kernel, output) the operands of a result are, in their order."""
    return _OPERANDS[result]


def columns(a, b, result: Result, axes: tuple[Axis, ...]) -> int:
    """Returns the number of elements of the im2col matrix, shape (g, n * s, t * o)."""
    outputs = (a if result == "input" else b).shape[-1]
    return a.shape[0] * a.shape[-2] * outputs * math.prod(axis.size * axis.taps for axis in axes)


def _choose_on_cpu(a, b, result: Result, axes: tuple[Axis, ...]) -> Method:
    """Returns the fastest method of those that fit into memory.

    In a program whose cotangent depends on the output, XLA's convolution takes no temporary array
    for the output, one of the output's size for the input gradient, and one of the input's and two
    of the output's for the kernel gradient. No choice takes more than four times as much, or 64 MiB
    if that is more. The others need an array of the output's size, the kernel gradient one of the
    input's too, and im2col its columns.
    """
    method = _fastest_on_cpu(a, b, result, axes)
    if method == "native":
        return method
    sizes = {name: math.prod(v.shape) for name, v in zip(operands(result), (a, b), strict=True)}
    sizes[result] = math.prod(result_shape(a, b, result, axes))
    if method == "polyphase":
        pixels = math.prod(axis.out for axis in axes)
        needed = sizes["output"] // pixels * math.prod(grid(x).size * x.stride for x in axes)
    else:
        needed = columns(a, b, result, axes) + sizes["output"]
    native = 0 if result == "output" else sizes["output"]
    if result == "kernel":
        needed, native = needed + sizes["input"], 2 * native + sizes["input"]
    gathers = max(-(-axis.taps // axis.stride) for axis in axes) if result == "output" else 0
    # Sums of half-precision numbers are accumulated in float32.
    if gathers > MAX_GATHERS or needed > max(SMALL / max(a.dtype.itemsize, 4), 4 * native):
        return "strided" if result == "kernel" else "native"
    return method


def _fastest_on_cpu(a, b, result: Result, axes: tuple[Axis, ...]) -> Method:
    """Returns the method that was measured to be the fastest on a CPU.

    The gradients use im2col. XLA's gradient of the kernel is 3 to 200 times slower. XLA's
    gradient of the input alone is up to 2.6 times as fast, but it saves nothing if the gradient of
    the kernel is needed too, because both gradients then share one im2col matrix. XLA's output is
    slower in three dimensions, in float64 and with groups. The table has the processor time of the
    output in ms by im2col / XLA's convolution / polyphase, "SAME", float32, for an input of
    4 x 32 x 32 with 32 or 128 channels (jaxlib 0.10.2, Intel Xeon with AVX-512, a machine with
    other work, minimum of 8 rounds). The product ratio is that of `product_ratio`:

    ============  =============  ==================  ===================  =====================
    taps, stride  product ratio  32 to 1 channels    32 to 16             128 to 64
    2x2, 2        1.00           0.15 / 0.16 / 0.22  0.52 / 0.90 / 0.59   4.5 / 5.4 / 4.7
    3x3, 2        1.89           0.33 / 0.27 / 0.67  1.13 / 1.39 / 1.31   8.8 / 10.2 / 12.7
    4x4, 2        1.06           0.27 / 0.41 / 0.59  2.74 / 3.48 / 2.13   18.7 / 19.2 / 13.4
    5x5, 2        1.44           0.44 / 0.54 / 0.31  3.83 / 4.84 / 1.86   25.2 / 26.6 / 23.8
    6x6, 2        1.00           0.44 / 0.53 / 0.28  4.50 / 7.66 / 2.18   48.9 / 49.7 / 24.1
    7x7, 2        1.39           0.86 / 0.86 / 1.19  7.69 / 9.84 / 4.44   101 / 70 / 46
    9x9, 2        1.23           1.05 / 1.28 / 0.53  32.5 / 16.1 / 4.3
    3x3, 3        1.00           0.20 / 0.35 / 0.23  1.33 / 2.26 / 1.25   11.7 / 14.2 / 11.8
    9x9, 3        1.00           0.90 / 1.15 / 0.64  10.6 / 16.7 / 4.6
    10x10, 3      1.53           1.69 / 1.63 / 2.86  37.7 / 20.6 / 7.6
    3x3, 1        1.00           0.22 / 0.24 / 0.18  1.19 / 0.60 / 0.51   8.9 / 6.1 / 5.9
    ============  =============  ==================  ===================  =====================

    With one output channel, polyphase is slower where its result has to be cropped. With 32 or more
    its unused products count: 5x5, 2 with 64 to 32 channels takes 7.5 / 8.0 / 8.3, and on an AMD
    EPYC 12.1 / 15.4 / 13.1, where XLA's convolution uses two threads and polyphase's one. Where the
    kernel is larger than the output, as in a vocoder, the rearrangement of the kernel takes as much
    time as the method saves.
    ``python benchmarks/conv_transpose.py --method METHOD`` measures one method.
    """
    if result != "output" or len(axes) > 2 or a.dtype != jnp.float32 or a.shape[-2] > 1:
        return "im2col"
    overlap = math.prod(axis.taps for axis in axes) / math.prod(axis.stride for axis in axes)
    is_plain = all(axis.is_plain for axis in axes)
    has_channels = b.shape[-1] >= 3
    if all(axis.stride == 1 for axis in axes):  # polyphase is XLA's convolution
        return "native" if has_channels and is_plain else "im2col"
    is_small = math.prod(b.shape) <= math.prod(result_shape(a, b, result, axes))
    many_products = 1.4 if b.shape[-1] >= 32 and overlap <= 9 else 1.6
    if overlap > 1 and is_small and product_ratio(axes) < many_products:
        cropped = any(grid(axis).size > axis.size for axis in axes)
        if has_channels or not cropped:
            return "polyphase"
    return "native" if overlap > 9 and has_channels and is_plain else "im2col"
