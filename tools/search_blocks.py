"""Convolutions that train with more parameters than they compute with.

The kernel of such a block is a function of several parameters and is computed before the
convolution, so a trained block is a plain 3x3 convolution: only the path of the optimiser differs.
Since each branch is linear and pads with zeros, this equals the sum of the branches' outputs.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from subpixel.kernels import Layout
from subpixel.sr.config import ESPCNConfig
from subpixel.sr.models.espcn import ESPCN

Block = Literal["branches", "edges"]

# Sobel's two filters and the Laplacian, (3, 3, filter).
EDGES = jnp.stack(
    [
        jnp.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]),
        jnp.array([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]),
        jnp.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]),
    ],
    axis=-1,
)


class BlockConv(nnx.Module):
    """A 3x3 convolution whose kernel is the sum of branches.

    "branches" is the 3x3 kernel, a 1x1 kernel and, if the block has as many inputs as outputs, the
    identity times one number for each channel, as in Ding et al., "RepVGG", arXiv 2101.03697,
    without its normalisation. "edges" has further branches: a 1x1 convolution to twice the outputs
    and a 3x3 convolution, and 1x1 convolutions each followed by one of three edge filters times a
    number for each channel, as in Zhang et al., "Edge-oriented Convolution Block for Real-time
    Super Resolution on Mobile Devices", 2021.

    Args:
      plain: the convolution that the block replaces. The block starts with its kernel and the
        branches: the identity starts at 0, and a branch of two factors with small ones.
      block: which branches.
      rngs: random streams.
    """

    def __init__(self, plain: nnx.Conv, block: Block, *, rngs: nnx.Rngs):
        inputs, outputs = plain.kernel.shape[-2:]
        small = nnx.initializers.lecun_normal()
        self.kernel = nnx.Param(plain.kernel[...])
        self.bias = nnx.Param(jnp.zeros(outputs))
        self.centre = nnx.Param(0.1 * small(rngs.params(), (1, 1, inputs, outputs)))
        self.identity = nnx.Param(jnp.zeros(outputs)) if inputs == outputs else None
        self.has_edges = block == "edges"
        if self.has_edges:
            self.expand = nnx.Param(small(rngs.params(), (1, 1, inputs, 2 * outputs)))
            self.squeeze = nnx.Param(0.1 * small(rngs.params(), (3, 3, 2 * outputs, outputs)))
            self.edge_mix = nnx.Param(small(rngs.params(), (3, inputs, outputs)))
            self.edge_scale = nnx.Param(0.1 * jax.random.normal(rngs.params(), (3, outputs)))

    def collapsed(self) -> nnx.Conv:
        """Returns the plain convolution that computes the same."""
        inputs, outputs = self.kernel.shape[-2:]
        return nnx.Conv(
            inputs,
            outputs,
            (3, 3),
            kernel_init=lambda *_: self.merged(),
            bias_init=lambda *_: self.bias[...],
            rngs=nnx.Rngs(0),
        )

    def merged(self) -> Float[Array, "3 3 in out"]:
        """Returns the kernel of the plain convolution that computes the same."""
        kernel = self.kernel[...] + jnp.pad(self.centre[...], ((1, 1), (1, 1), (0, 0), (0, 0)))
        if self.identity is not None:
            kernel = kernel.at[1, 1].add(jnp.diag(self.identity[...]))
        if self.has_edges:
            kernel += jnp.einsum("ie,hweo->hwio", self.expand[0, 0], self.squeeze[...])
            mixes = self.edge_mix[...] * self.edge_scale[...][:, None]
            kernel += jnp.einsum("fio,hwf->hwio", mixes, EDGES)
        return kernel

    def __call__(self, x: Float[Array, "*batch h w in"]) -> Float[Array, "*batch h w out"]:
        """(..., h, w, in) -> (..., h, w, out), with zero padding."""
        axes = ("NHWC", "HWIO", "NHWC")
        output = jax.lax.conv_general_dilated(
            x, self.merged(), (1, 1), "SAME", dimension_numbers=axes
        )
        return output + self.bias[...]


@dataclass(frozen=True, kw_only=True)
class BlocksConfig(ESPCNConfig):
    """A network whose hidden 3x3 convolutions train as blocks."""

    block: Block = "branches"

    def build(self, upsampler: Layout, seed: int) -> ESPCN:
        """Returns a new network; see `NetworkConfig.build`."""
        network = super().build(upsampler, seed)
        rngs = nnx.Rngs(seed + 1)
        for name in hidden(network):
            plain = getattr(network, name)
            if plain.kernel.shape[:2] == (3, 3):
                setattr(network, name, BlockConv(plain, self.block, rngs=rngs))
        return network

    def plain(self) -> ESPCNConfig:
        """Returns the same choices without blocks."""
        choices = {field.name: getattr(self, field.name) for field in fields(ESPCNConfig)}
        return ESPCNConfig(**choices)


def hidden(network: ESPCN) -> list[str]:
    """Returns the names of the hidden convolutions."""
    return [f"conv{number}" for number in range(1, len(network.features) + 1)]


def collapse(config: BlocksConfig, network: ESPCN) -> tuple[nnx.GraphDef[Any], Any]:
    """Returns the graph and the parameters of the plain network that computes the same function."""
    for name in hidden(network):
        block = getattr(network, name)
        if isinstance(block, BlockConv):
            setattr(network, name, block.collapsed())
    graph = nnx.graphdef(config.plain().build_abstract(network.upsampler_name))
    return graph, nnx.to_pure_dict(nnx.state(network))
