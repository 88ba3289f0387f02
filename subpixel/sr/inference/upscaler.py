"""Enlargement of images by bicubic interpolation or by a network, behind one interface."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Real, UInt8

from subpixel.image import (
    Border,
    LumaRange,
    imresize,
    rgb_to_luma,
    rgb_to_ycbcr,
    to_uint8,
    ycbcr_to_rgb,
)
from subpixel.sr._support.errors import InputError, NonFiniteError
from subpixel.sr._support.threads import map_in_threads
from subpixel.sr.inference.bicubic import BICUBIC_RADIUS
from subpixel.sr.inference.colour import enlarge_opaque, rounded
from subpixel.sr.inference.tiling import TILES_AT_ONCE, tiles
from subpixel.sr.models.base import Network, Params

Rgb = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class BicubicUpscaler:
    """MATLAB's bicubic interpolation, the first column of every table."""

    scale: int
    border: Border = "symmetric"

    def luma(
        self, lr: Rgb, luma_range: LumaRange = "studio"
    ) -> UInt8[np.ndarray, "{self.scale}*h {self.scale}*w 1"]:
        """Returns Y of the enlarged RGB image."""
        return rgb_to_luma(self.rgb(lr), luma_range)

    def rgb(self, lr: Rgb) -> UInt8[np.ndarray, "{self.scale}*h {self.scale}*w 3"]:
        """Returns the enlarged RGB image."""
        return imresize(lr, self.scale, border=self.border)

    def image(self, lr: Rgb) -> UInt8[np.ndarray, "{self.scale}*h {self.scale}*w 3"]:
        """Returns the enlarged RGB image, rounded once, at the end."""
        return rounded(imresize(lr / np.float32(255), self.scale, border=self.border), np.uint8)

    def luma_unrounded(
        self, lr: Real[np.ndarray, "h w 1"]
    ) -> Real[np.ndarray, "{self.scale}*h {self.scale}*w 1"]:
        """Returns the enlarged luma, not rounded."""
        return imresize(lr, self.scale, border=self.border)


@dataclass(frozen=True)
class NetworkUpscaler:
    """A trained network, which enlarges images tile by tile.

    A network with one channel enlarges luma, and bicubic interpolation enlarges chroma; a network
    with three channels enlarges RGB. Every method raises `NonFiniteError` for such an output.

    With `self_ensemble` the output is the mean over the eight flips and rotations of the input.
    """

    graph: nnx.GraphDef[Any]
    params: Params
    self_ensemble: bool = False

    @cached_property
    def network(self) -> Network:
        """The network."""
        return nnx.merge(self.graph, self.params)

    @property
    def scale(self) -> int:
        """How many times larger the output is."""
        return self.network.scale

    @property
    def channels(self) -> int:
        """1 for a network of luma, 3 for a network of RGB."""
        return self.network.channels

    def luma(
        self, lr: Rgb, luma_range: LumaRange = "studio"
    ) -> UInt8[np.ndarray, "{self.scale}*h {self.scale}*w 1"]:
        """Returns Y of the enlarged image; for a luma network, its rounded output."""
        if self.channels == 3:
            return self._tiled(
                lambda tile: rgb_to_luma(to_uint8(self._output(tile)), luma_range), lr, 1
            )
        return self._tiled(
            lambda tile: to_uint8(self._output(rgb_to_luma(tile, luma_range))), lr, 1
        )

    def rgb(self, lr: Rgb) -> UInt8[np.ndarray, "{self.scale}*h {self.scale}*w 3"]:
        """Returns the enlarged image; for a luma network, with bicubic chroma."""
        if self.channels == 3:
            return self._tiled(lambda tile: to_uint8(self._output(tile)), lr, 3)
        return self._tiled(self._with_bicubic_chroma, lr, 3)

    def image(self, lr: Rgb) -> UInt8[np.ndarray, "{self.scale}*h {self.scale}*w 3"]:
        """Returns the enlarged image as `subpixel upscale` writes it: rounded once, at the end."""
        run = ensemble if self.self_ensemble else forward
        given = self.graph, self.scale, self.channels, self.params

        def enlarge(tile: np.ndarray) -> np.ndarray:
            return _finite(np.asarray(enlarge_image(*given, tile, run)))

        return rounded(self._tiled(enlarge, lr / np.float32(255), 3, np.float32), np.uint8)

    def luma_unrounded(
        self, lr: Real[np.ndarray, "h w 1"]
    ) -> Real[np.ndarray, "{self.scale}*h {self.scale}*w 1"]:
        """Returns the enlarged luma, not rounded.

        Raises:
          InputError: if this is a network of RGB.
          NonFiniteError: if the output is not finite.
        """
        if self.channels == 3:
            raise InputError(
                "this network enlarges RGB, and the protocol measures enlarged luma: choose a "
                'protocol whose lr_from is "rgb"'
            )
        return self._tiled(self._output, lr, 1, np.float32)

    def _with_bicubic_chroma(self, tile: np.ndarray) -> np.ndarray:
        luma = to_uint8(self._output(rgb_to_luma(tile)))
        chroma = imresize(rgb_to_ycbcr(tile), self.scale)[..., 1:]
        return ycbcr_to_rgb(np.concatenate([luma, chroma], axis=-1))

    def _output(self, tile: np.ndarray) -> np.ndarray:
        run = ensemble if self.self_ensemble else forward
        output = run(self.graph, self.params, jnp.asarray(tile[None] / np.float32(255)))
        return _finite(np.asarray(output)[0] * 255)

    def _tiled(
        self,
        enlarge: Callable[[np.ndarray], np.ndarray],
        lr: np.ndarray,
        channels: int,
        dtype: type = np.uint8,
    ) -> np.ndarray:
        r = self.scale
        overlap = max(self.network.radius, BICUBIC_RADIUS)
        result = np.empty((lr.shape[0] * r, lr.shape[1] * r, channels), dtype)
        places = list(product(tiles(lr.shape[0], overlap), tiles(lr.shape[1], overlap)))
        parts = (lr[y.read, x.read] for y, x in places)
        enlarged = map_in_threads(enlarge, parts, TILES_AT_ONCE)
        for (y, x), hr in zip(places, enlarged, strict=True):
            result[y.written(r), x.written(r)] = hr[y.kept(r), x.kept(r)]
        return result


Upscaler = BicubicUpscaler | NetworkUpscaler


def _finite(output: np.ndarray) -> np.ndarray:
    if not np.isfinite(output).all():
        raise NonFiniteError("the network's output is not finite: its weights may be damaged")
    return output


@partial(jax.jit, static_argnums=0)
def forward(
    graph: nnx.GraphDef[Any], params: Params, lr: Float[Array, "n h w c"]
) -> Float[Array, "n hr_h hr_w c"]:
    """Runs a network on (n, h, w, c) in 0..1; compiled once for each shape."""
    return nnx.merge(graph, params)(lr)


@partial(jax.jit, static_argnums=0)
def ensemble(
    graph: nnx.GraphDef[Any], params: Params, lr: Float[Array, "n h w c"]
) -> Float[Array, "n hr_h hr_w c"]:
    """Returns the mean of `forward` over the eight flips and rotations of its input, each undone.

    Reference: Timofte et al., "Seven ways to improve example-based single image super
    resolution", 2016.
    """
    outputs = []
    for quarters in range(4):
        for flipped in (False, True):
            rotated = jnp.rot90(lr, quarters, axes=(1, 2))
            hr = forward(graph, params, jnp.flip(rotated, 2) if flipped else rotated)
            hr = jnp.flip(hr, 2) if flipped else hr
            outputs.append(jnp.rot90(hr, -quarters, axes=(1, 2)))
    return jnp.mean(jnp.stack(outputs), axis=0)


@partial(jax.jit, static_argnums=(0, 1, 2, 5))
def enlarge_image(
    graph: nnx.GraphDef[Any],
    scale: int,
    channels: int,
    params: Params,
    tile: Float[Array, "h w c"],
    run: Callable[..., Any] = forward,
) -> Float[Array, "{scale}*h {scale}*w c"]:
    """Enlarges a tile of a grey or RGB image in 0..1 by `forward` or `ensemble`, not rounded."""

    def network(x: jax.Array) -> jax.Array:
        return run(graph, params, x[None])[0]

    return enlarge_opaque(jnp.asarray(tile), network, scale, channels)
