"""What enlarges a picture: bicubic, or a network, behind one interface."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np
from flax import nnx

from subpixel.image import imresize, rgb_to_luma, rgb_to_ycbcr, ycbcr_to_rgb
from subpixel.image.arrays import to_uint8
from subpixel.image.resize import Border


class Upscaler(Protocol):
    """Enlarges pictures by a whole number."""

    @property
    def scale(self) -> int:
        """How many times larger the output is."""
        ...

    def luma(self, low: np.ndarray) -> np.ndarray:
        """Returns Y of the enlarged picture: uint8 (h, w, 3) -> uint8 (r*h, r*w, 1)."""
        ...

    def picture(self, low: np.ndarray) -> np.ndarray:
        """Returns the enlarged picture: uint8 (h, w, 3) -> uint8 (r*h, r*w, 3)."""
        ...


@dataclass(frozen=True)
class Bicubic:
    """MATLAB's bicubic, as every paper has it in its first column.

    Attributes:
      scale: r.
      border: as in `subpixel.image.imresize`.
    """

    scale: int
    border: Border = "symmetric"

    def luma(self, low: np.ndarray) -> np.ndarray:
        """Returns Y of the enlarged RGB picture."""
        return rgb_to_luma(self.picture(low))

    def picture(self, low: np.ndarray) -> np.ndarray:
        """Returns the enlarged RGB picture."""
        return imresize(low, self.scale, border=self.border)


@dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
      graph: its definition.
      params: its parameters.
      scale: r.
      channels: 1, where it enlarges luma and chroma is enlarged by bicubic; or 3, RGB.
    """

    graph: nnx.GraphDef[Any]
    params: Any
    scale: int
    channels: int

    def luma(self, low: np.ndarray) -> np.ndarray:
        """Returns Y of the enlarged picture; of a luma network, its rounded output."""
        if self.channels == 3:
            return rgb_to_luma(self._enlarge(low))
        return self._enlarge(rgb_to_luma(low))

    def picture(self, low: np.ndarray) -> np.ndarray:
        """Returns the enlarged picture."""
        if self.channels == 3:
            return self._enlarge(low)
        chroma = imresize(rgb_to_ycbcr(low), self.scale)[..., 1:]
        return ycbcr_to_rgb(np.concatenate([self.luma(low), chroma], axis=-1))

    def _enlarge(self, low: np.ndarray) -> np.ndarray:
        output = forward(self.graph, self.params, low[None] / np.float32(255))
        return to_uint8(np.asarray(output)[0] * 255)


@partial(jax.jit, static_argnums=0)
def forward(graph: nnx.GraphDef[Any], params: Any, low: jax.Array) -> jax.Array:
    """Runs a network on (n, h, w, c) in 0..1, with the given parameters; compiled once a size."""
    return nnx.merge(graph, params)(low)
