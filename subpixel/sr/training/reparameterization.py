"""Structural re-parameterisation: 3x3 convolutions that train as sums of branches.

A branched convolution has more parameters than a plain one and computes the same function: its
kernel is a function of the parameters. It starts as the plain convolution that it replaces, and at
the end of a training it becomes one again, so only the path of the optimiser differs.
"""

import functools
from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from subpixel.sr._support.errors import InputError
from subpixel.sr.models.base import AnyNetwork, Params
from subpixel.sr.training.config import Reparameterization


def reparameterize(network: AnyNetwork, kind: Reparameterization, seed: int) -> AnyNetwork:
    """Replaces a network's 3x3 convolutions by branched ones; the function stays the same.

    The upsampler is none of them.

    Args:
      network: changed in place.
      kind: the branches, as in `BranchedConv`; "none" changes nothing.
      seed: of the branches' factors.

    Returns:
      The network.

    Raises:
      InputError: if the network has no such convolution.
    """
    if kind == "none":
        return network
    rngs = nnx.Rngs(seed)
    convs = {
        name: layer
        for name, layer in vars(network).items()
        if isinstance(layer, nnx.Conv) and layer.kernel.shape[:2] == (3, 3)
    }
    if not convs:
        raise InputError(
            f"optimizer.reparameterization={kind} needs 3x3 convolutions beside the upsampler, and "
            'this network has none: use "none"'
        )
    for name, layer in convs.items():
        setattr(network, name, BranchedConv(layer, kind, rngs=rngs))
    return network


def collapse(graph: nnx.GraphDef[Any], params: Params) -> tuple[nnx.GraphDef[Any], Params]:
    """Returns the definition and the parameters of the plain network of the same function."""
    network = nnx.merge(graph, params)
    for name, layer in list(vars(network).items()):
        if isinstance(layer, BranchedConv):
            setattr(network, name, layer.collapsed())
    graph, state = nnx.split(network)
    return graph, nnx.to_pure_dict(state)


class BranchedConv(nnx.Module):
    """A 3x3 convolution whose kernel is the sum of a kernel and of branches.

    The branches of "repvgg" are a 1x1 kernel and, with as many outputs as inputs, the identity
    times a number for each channel: Ding et al., "RepVGG: Making VGG-style ConvNets Great Again",
    arXiv 2101.03697, without its normalisation. "ecb" has two more: a 1x1 convolution to twice as
    many channels and a 3x3 convolution; and 1x1 convolutions, each followed by an edge filter times
    a number for each channel: Zhang, Zeng and Zhang, "Edge-oriented Convolution Block for Real-time
    Super Resolution on Mobile Devices", ACM MM 2021, without the biases inside a branch. The
    paper's block has no 1x1 kernel of its own.

    Args:
      conv: the convolution that it replaces. Each branch starts at zero.
      kind: "repvgg" or "ecb".
      rngs: random streams of the branches' first factors.
    """

    def __init__(self, conv: nnx.Conv, kind: Literal["repvgg", "ecb"], *, rngs: nnx.Rngs):
        inputs, outputs = conv.kernel.shape[-2:]
        dtype = conv.kernel.dtype
        self.conv = conv
        self.has_edges = kind == "ecb"
        self.centre = nnx.Param(jnp.zeros((1, 1, inputs, outputs), dtype))
        self.identity = nnx.Param(jnp.zeros(outputs, dtype)) if inputs == outputs else None
        if self.has_edges:
            draw = nnx.initializers.lecun_normal()
            self.expand = nnx.Param(draw(rngs.params(), (1, 1, inputs, 2 * outputs), dtype))
            self.squeeze = nnx.Param(jnp.zeros((3, 3, 2 * outputs, outputs), dtype))
            self.edge_mix = nnx.Param(draw(rngs.params(), (3, inputs, outputs), dtype))
            self.edge_scale = nnx.Param(jnp.zeros((3, outputs), dtype))

    def summed_kernel(self) -> Float[Array, "3 3 in out"]:
        """Returns the kernel of the plain convolution."""
        kernel = self.conv.kernel[...] + jnp.pad(self.centre[...], [(1, 1), (1, 1), (0, 0), (0, 0)])
        if self.identity is not None:
            kernel = kernel.at[1, 1].add(jnp.diag(self.identity[...]))
        if self.has_edges:
            # On every device the kernel that was trained is the one that is saved.
            product = functools.partial(jnp.einsum, precision="highest")
            kernel += product("ie,hweo->hwio", self.expand[0, 0], self.squeeze[...])
            mixes = self.edge_mix[...] * self.edge_scale[...][:, None]
            kernel += product("fio,fhw->hwio", mixes, edge_filters().astype(kernel.dtype))
        return kernel

    def collapsed(self) -> nnx.Conv:
        """Returns the plain convolution of the same function."""
        conv = nnx.clone(self.conv)
        conv.kernel.set_value(self.summed_kernel())
        return conv

    def __call__(self, x: Float[Array, "*batch h w in"]) -> Float[Array, "*batch h w out"]:
        """(..., h, w, in) -> (..., h, w, out), as the plain convolution."""
        return self.collapsed()(x)


def edge_filters() -> Float[Array, "filters 3 3"]:
    """Returns Sobel's filters and the Laplacian."""
    sobel = jnp.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    laplacian = jnp.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    return jnp.stack([sobel, sobel.T, laplacian])
