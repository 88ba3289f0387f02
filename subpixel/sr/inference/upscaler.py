"""What enlarges an image: bicubic, or a network, behind one interface.

A network sees an image through windows of a few sizes, so that images of any size need few
compilations and little memory. Every window lies inside the image. Its edges are either the
image's own, where the network pads with zeros as it would for the whole image, or so far away
that they do not reach what is kept: the result is that of the whole image at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from subpixel.image import imresize, rgb_to_luma, rgb_to_ycbcr, ycbcr_to_rgb
from subpixel.image._arrays import to_uint8
from subpixel.image._color import LumaRange
from subpixel.image._resize import Border
from subpixel.sr.errors import InputError

# Heights and widths of windows, in low-resolution pixels; what is smaller than the first is
# enlarged whole.
WINDOWS = (16, 32, 64, 128, 256)

# Bicubic enlargement reads two pixels to each side.
BICUBIC_RADIUS = 2


class Upscaler(Protocol):
    """Enlarges images by a whole number."""

    @property
    def scale(self) -> int:
        """How many times larger the output is."""
        ...

    def luma(self, lr: np.ndarray, luma_range: LumaRange = "studio") -> np.ndarray:
        """Returns Y of the enlarged image: uint8 (h, w, 3) -> uint8 (r*h, r*w, 1)."""
        ...

    def rgb(self, lr: np.ndarray) -> np.ndarray:
        """Returns the enlarged image: uint8 (h, w, 3) -> uint8 (r*h, r*w, 3)."""
        ...

    def plane(self, lr: np.ndarray) -> np.ndarray:
        """Enlarges luma without rounding: float (h, w, 1) -> float (r*h, r*w, 1), in 0..255."""
        ...


@dataclass(frozen=True)
class BicubicUpscaler:
    """MATLAB's bicubic, as every paper has it in its first column.

    Attributes:
      scale: r.
      border: as in `subpixel.image.imresize`.
    """

    scale: int
    border: Border = "symmetric"

    def luma(self, lr: np.ndarray, luma_range: LumaRange = "studio") -> np.ndarray:
        """Returns Y of the enlarged RGB image."""
        return rgb_to_luma(self.rgb(lr), luma_range)

    def rgb(self, lr: np.ndarray) -> np.ndarray:
        """Returns the enlarged RGB image."""
        return imresize(lr, self.scale, border=self.border)

    def plane(self, lr: np.ndarray) -> np.ndarray:
        """Returns the enlarged luma."""
        return imresize(lr, self.scale, border=self.border)


@dataclass(frozen=True)
class NetworkUpscaler:
    """A trained network.

    Attributes:
      graph: its definition.
      params: its parameters.
      scale: r.
      channels: 1, where it enlarges luma and chroma is enlarged by bicubic; or 3, RGB.
      self_ensemble: whether its output is the mean over the eight flips and turns of the input.
    """

    graph: nnx.GraphDef[Any]
    params: Any
    scale: int
    channels: int
    self_ensemble: bool = False

    def luma(self, lr: np.ndarray, luma_range: LumaRange = "studio") -> np.ndarray:
        """Returns Y of the enlarged image; of a luma network, its rounded output.

        Raises:
          InputError: if the output is not finite.
        """
        if self.channels == 3:
            return self._in_windows(
                lambda window: rgb_to_luma(to_uint8(self._output(window)), luma_range), lr, 1
            )
        return self._in_windows(
            lambda window: to_uint8(self._output(rgb_to_luma(window, luma_range))), lr, 1
        )

    def rgb(self, lr: np.ndarray) -> np.ndarray:
        """Returns the enlarged image; of a luma network, with bicubic chroma.

        Raises:
          InputError: if the output is not finite.
        """
        if self.channels == 3:
            return self._in_windows(lambda window: to_uint8(self._output(window)), lr, 3)
        return self._in_windows(self._finish_colour, lr, 3)

    def plane(self, lr: np.ndarray) -> np.ndarray:
        """Returns the enlarged luma, not rounded.

        Raises:
          InputError: if this is a network of RGB, or the output is not finite.
        """
        if self.channels == 3:
            raise InputError(
                "this network enlarges RGB, and the protocol measures enlarged luma: choose a "
                'protocol whose lr_from is "rgb"'
            )
        return self._in_windows(self._output, lr, 1, np.float32)

    def _finish_colour(self, window: np.ndarray) -> np.ndarray:
        luma = to_uint8(self._output(rgb_to_luma(window)))
        chroma = imresize(rgb_to_ycbcr(window), self.scale)[..., 1:]
        return ycbcr_to_rgb(np.concatenate([luma, chroma], axis=-1))

    def _output(self, window: np.ndarray) -> np.ndarray:
        run = ensemble if self.self_ensemble else forward
        output = run(self.graph, self.params, jnp.asarray(window[None] / np.float32(255)))
        output = np.asarray(output)[0] * 255
        if not np.isfinite(output).all():
            raise InputError("the network's output is not finite: its weights may be damaged")
        return output

    def _in_windows(
        self,
        enlarge: Callable[[np.ndarray], np.ndarray],
        lr: np.ndarray,
        channels: int,
        dtype: type = np.uint8,
    ) -> np.ndarray:
        r = self.scale
        result = np.empty((lr.shape[0] * r, lr.shape[1] * r, channels), dtype)
        for y in windows(lr.shape[0], self._radius):
            for x in windows(lr.shape[1], self._radius):
                hr = enlarge(lr[y.read, x.read])
                kept = hr[y.kept(r), x.kept(r)]
                result[y.written(r), x.written(r)] = kept
        return result

    @cached_property
    def _radius(self) -> int:
        return max(nnx.merge(self.graph, self.params).radius, BICUBIC_RADIUS)


@dataclass(frozen=True)
class Window:
    """A stretch of a line: `start` to `stop` is read, `first` to `last` of it is kept."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def read(self) -> slice:
        """What is read, in low-resolution pixels."""
        return slice(self.start, self.stop)

    def kept(self, scale: int) -> slice:
        """What is kept of the enlarged window."""
        return slice((self.first - self.start) * scale, (self.last - self.start) * scale)

    def written(self, scale: int) -> slice:
        """Where that goes in the enlarged line."""
        return slice(self.first * scale, self.last * scale)


def windows(size: int, radius: int, widths: tuple[int, ...] = WINDOWS) -> Iterator[Window]:
    """Covers a line with windows of one size, of which there are few: see the module's docstring.

    Args:
      size: of the line.
      radius: how far an output pixel sees to each side.
      widths: of the windows to choose from.
    """
    useful = [w for w in widths if 2 * radius < w <= size] or [size]
    width = min(useful, key=lambda w: (_count(size, w, radius) * w, -w))
    count, first = _count(size, width, radius), 0
    for i in range(count):
        start = min(i * (width - 2 * radius), size - width)
        last = size if i == count - 1 else start + width - radius
        yield Window(start, start + width, first, last)
        first = last


def _count(size: int, width: int, radius: int) -> int:
    return 1 if width == size else 1 - (width - size) // (width - 2 * radius)


@partial(jax.jit, static_argnums=0)
def forward(graph: nnx.GraphDef[Any], params: Any, lr: jax.Array) -> jax.Array:
    """Runs a network on (n, h, w, c) in 0..1, with the given parameters; compiled once a size."""
    return nnx.merge(graph, params)(lr)


@partial(jax.jit, static_argnums=0)
def ensemble(graph: nnx.GraphDef[Any], params: Any, lr: jax.Array) -> jax.Array:
    """Means `forward` over the eight flips and turns of its input, undone again.

    Reference: Timofte et al., "Seven ways to improve example-based single image super
    resolution", 2016.
    """
    outputs = []
    for turns in range(4):
        for flipped in (False, True):
            turned = jnp.rot90(lr, turns, axes=(1, 2))
            hr = forward(graph, params, jnp.flip(turned, 2) if flipped else turned)
            hr = jnp.flip(hr, 2) if flipped else hr
            outputs.append(jnp.rot90(hr, -turns, axes=(1, 2)))
    return jnp.mean(jnp.stack(outputs), axis=0)
