"""ESPCN: three convolutions at low resolution, the last of which upsamples.

Reference: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network", arXiv 1609.05158.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype

from subpixel.kernels import Layout
from subpixel.sr.activation_names import Activation, OutputActivation
from subpixel.sr.models.base import Dtype as DtypeName
from subpixel.sr.models.base import NetworkConfig
from subpixel.sr.models.stack import Bias, ConvStack
from subpixel.sr.models.torch_chain import TorchChain, TorchChoices, TorchMatch
from subpixel.sr.models.torch_params import (
    assumed,
    chain_activation,
    chain_scale,
    params_from_torch,
)
from subpixel.sr.serialization import require


@dataclass(frozen=True, kw_only=True)
class ESPCNConfig(NetworkConfig):
    """ESPCN, arXiv 1609.05158."""

    reads: ClassVar[str] = "ESPCN (two or three hidden convolutions and a pixel shuffle)"

    network: Literal["espcn"] = "espcn"
    features: tuple[int, ...] = (64, 32)
    """Channels of the hidden layers; the paper has two."""
    kernel_sizes: tuple[int, ...] = (5, 3, 3)
    """Kernel sizes of the hidden layers and the last layer, in low-resolution pixels."""
    bias: Bias = "phase"
    """Bias of the last layer: one number for each of the scale**2 phases, or one for all."""
    activation: Activation = "tanh"
    """After each hidden layer. The paper compares "tanh" and "relu"; "prelu" is ReLU with a
    learned slope for negative values."""
    input_mean: float = 0.0
    """Subtracted from the input, which lies in 0..1, before the first layer."""
    input_scale: float = 1.0
    """Factor of the centred input."""
    residual: bool = False
    """Whether the layers learn what is missing from the nearest-neighbour enlargement."""
    output_activation: OutputActivation = "none"
    """After the last layer; the paper's network has none."""
    dtype: DtypeName = "float32"
    """In which the layers compute. Parameters, the bias of the last layer and the loss stay in
    float32."""

    def __post_init__(self):
        super().__post_init__()
        require(
            min((*self.features, *self.kernel_sizes)) >= 1,
            "model.features and model.kernel_sizes must be positive; got "
            f"{self.features} and {self.kernel_sizes}",
        )
        require(
            len(self.kernel_sizes) == len(self.features) + 1,
            "model.kernel_sizes must hold one number more than model.features, that of the last "
            f"layer; got {self.kernel_sizes} and {self.features}",
        )

    @classmethod
    def from_torch(cls, chain: TorchChain, choices: TorchChoices) -> TorchMatch | None:
        """Reads two or three hidden convolutions and a pixel shuffle.

        The paper's ESPCN has two (yjn870, Lornatang, ETDS); that of PyTorch's own examples and of
        leftthomas has three.
        """
        if chain.transposed or len(chain.hidden) not in (2, 3):
            return None
        if not (chain.has_prelu or chain.lacks_prelu):
            return None
        activation = chain_activation(chain, choices.activation, "tanh")
        config = cls(
            scale=chain_scale(chain, choices.scale),
            channels=chain.channels,
            features=tuple(conv.weight.shape[0] for conv in chain.hidden),
            kernel_sizes=tuple(conv.size for conv in (*chain.hidden, chain.head)),
            activation=activation,
            output_activation=choices.output_activation or "none",
        )
        notes = assumed(
            activation=None if chain.has_prelu or choices.activation else config.activation,
            output_activation=None if choices.output_activation else config.output_activation,
        )
        return TorchMatch(config, params_from_torch(chain, config.scale, activation), notes)

    def remarks(self) -> tuple[str, ...]:
        """Returns the differences from the paper's network."""
        remarks = []
        if (self.input_mean, self.input_scale) != (0, 1):
            remarks.append("The input is centred and scaled; the paper's is not.")
        if self.residual:
            remarks.append(
                "The output is added to the nearest-neighbour enlargement of the input; the "
                "paper's is not. This costs no parameter."
            )
        return tuple(remarks)

    def build(self, upsampler: Layout, seed: int) -> "ESPCN":
        """Returns a new network; see `NetworkConfig.build`."""
        model = ESPCN(
            self.scale,
            channels=self.channels,
            upsampler="subpixel",
            features=self.features,
            kernel_sizes=self.kernel_sizes,
            bias=self.bias,
            activation=self.activation,
            input_mean=self.input_mean,
            input_scale=self.input_scale,
            residual=self.residual,
            output_activation=self.output_activation,
            dtype=jnp.dtype(self.dtype),
            rngs=nnx.Rngs(seed),
        )
        return self.start(model, upsampler, seed)


class ESPCN(ConvStack):
    """Enlarges an image r times; its upsampler can be swapped, and the function stays the same.

    Arguments and errors are those of `ConvStack`; the defaults are the paper's network, which has
    the activation tanh, no residual connection, and one bias for each phase.

    Example:
      >>> model = ESPCN(3, rngs=nnx.Rngs(0))
      >>> model(jnp.zeros((1, 17, 17, 1))).shape
      (1, 51, 51, 1)
    """

    def __init__(
        self,
        scale: int,
        *,
        channels: int = 1,
        upsampler: Layout = "subpixel",
        features: Sequence[int] = (64, 32),
        kernel_sizes: Sequence[int] = (5, 3, 3),
        bias: Bias = "phase",
        activation: Activation = "tanh",
        input_mean: float = 0.0,
        input_scale: float = 1.0,
        residual: bool = False,
        output_activation: OutputActivation = "none",
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ):
        super().__init__(
            scale,
            channels=channels,
            upsampler=upsampler,
            features=features,
            kernel_sizes=kernel_sizes,
            bias=bias,
            activation=activation,
            input_mean=input_mean,
            input_scale=input_scale,
            residual=residual,
            output_activation=output_activation,
            dtype=dtype,
            rngs=rngs,
        )
