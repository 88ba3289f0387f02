"""FSRCNN: feature extraction, shrinking, mapping, expanding, and a 9x9 transposed convolution.

Every layer works at low resolution, so the three upsamplers apply to the last one. The paper's
9x9 kernel has a side of 9 / r low-resolution pixels. Where that is not a whole number it is rounded
up: 10x10 taps at x2 and 12x12 at x4, which hold the paper's kernel beside zeros.

Reference: Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network",
arXiv 1608.00367.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax.numpy as jnp
from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr._support.errors import InputError
from subpixel.sr.models.base import Dtype as DtypeName
from subpixel.sr.models.base import NetworkConfig
from subpixel.sr.models.stack import ConvStack
from subpixel.sr.models.torch_chain import TorchChain, TorchChoices, TorchMatch
from subpixel.sr.models.torch_params import (
    assumed,
    chain_activation,
    chain_scale,
    params_from_torch,
    transposed_size,
)
from subpixel.sr.serialization import require

# Height and width of the paper's last kernel, in high-resolution pixels.
LAST_KERNEL = 9


@dataclass(frozen=True, kw_only=True)
class FSRCNNConfig(NetworkConfig):
    """FSRCNN(d, s, m), arXiv 1608.00367."""

    reads: ClassVar[str] = "FSRCNN"

    network: Literal["fsrcnn"] = "fsrcnn"
    features: int = 56
    """d: channels of the first and of the second-last layer."""
    shrunk_features: int = 12
    """s: channels of the mapping layers."""
    mapping_layers: int = 4
    """m: number of 3x3 mapping layers."""
    upsampler_size: int | None = None
    """Kernel size of the last layer, in low-resolution pixels. Default: 9 / scale, the paper's 9x9
    kernel, rounded up."""
    input_mean: float = 0.0
    """Subtracted from the input, which lies in 0..1, before the first layer."""
    input_scale: float = 1.0
    """Factor of the centred input."""
    residual: bool = False
    """Whether the layers learn what is missing from the nearest-neighbour enlargement."""
    dtype: DtypeName = "float32"
    """In which the layers compute. Parameters, the bias of the last layer and the loss stay in
    float32."""

    def __post_init__(self):
        super().__post_init__()
        sizes = (self.features, self.shrunk_features, self.upsampler_size or 1)
        require(
            min(sizes) >= 1 and self.upsampler_size != 0,
            "model.features, model.shrunk_features and model.upsampler_size must be positive; got "
            f"{self.features}, {self.shrunk_features} and {self.upsampler_size}",
        )
        require(
            self.mapping_layers >= 0,
            f"model.mapping_layers must be at least 0; got {self.mapping_layers}",
        )

    @property
    def last_size(self) -> int:
        """Kernel size of the last layer, in low-resolution pixels."""
        return self.upsampler_size or -(-LAST_KERNEL // self.scale)

    @classmethod
    def from_torch(cls, chain: TorchChain, choices: TorchChoices) -> TorchMatch | None:
        """Reads the layers of the paper with any d, s and m, and PReLU or ReLU.

        The public ones (yjn870, Lornatang, ETDS) have a transposed convolution with the padding 4
        and the output padding r - 1. It is centred on the first pixel of a block of r, where ours
        is centred on the block, so its 9 pixels need 10, 12 and 12 at x2, x3 and x4.
        """
        if not chain.transposed or len(chain.hidden) < 3:
            return None
        sizes = tuple(conv.size for conv in chain.hidden)
        features = tuple(conv.weight.shape[0] for conv in chain.hidden)
        d, s, m = features[0], features[1:2], len(features) - 3
        fits = (
            chain.head.size % 2 == 1
            and sizes == (5, 1, *[3] * m, 1)
            and features == (d, *s * (m + 1), d)
            and (chain.has_prelu or chain.lacks_prelu)
        )
        if not fits:
            return None
        if choices.output_activation not in (None, "none"):
            raise InputError(
                "it has the layers of FSRCNN, which has no activation at the end; got "
                f"output_activation {choices.output_activation}"
            )
        if chain_activation(chain, choices.activation, "relu") == "tanh":
            raise InputError("it has the layers of FSRCNN, which has PReLU or ReLU; got tanh")
        scale = chain_scale(chain, choices.scale)
        config = cls(
            scale=scale,
            channels=chain.channels,
            features=d,
            shrunk_features=s[0],
            mapping_layers=m,
            upsampler_size=transposed_size(chain.head.size, scale),
        )
        notes = assumed(activation=None if chain.has_prelu or choices.activation else "relu")
        # ReLU is PReLU with the slope 0.
        return TorchMatch(config, params_from_torch(chain, scale, "prelu"), notes)

    def build(self, upsampler: Layout, seed: int) -> "FSRCNN":
        """Returns a new network; see `NetworkConfig.build`."""
        return self.start(FSRCNN(self, rngs=nnx.Rngs(seed)), upsampler, seed)


class FSRCNN(ConvStack):
    """Enlarges an image r times; its upsampler can be swapped, and the function stays the same.

    Args:
      config: the choices.
      rngs: random streams.

    Example:
      >>> model = FSRCNN(FSRCNNConfig(scale=3), rngs=nnx.Rngs(0))
      >>> model(jnp.zeros((1, 17, 17, 1))).shape
      (1, 51, 51, 1)
    """

    def __init__(self, config: FSRCNNConfig, *, rngs: nnx.Rngs):
        d, s, m = config.features, config.shrunk_features, config.mapping_layers
        super().__init__(
            config.scale,
            channels=config.channels,
            upsampler="subpixel",
            features=(d, s, *[s] * m, d),
            kernel_sizes=(5, 1, *[3] * m, 1, config.last_size),
            bias="shared",
            activation="prelu",
            input_mean=config.input_mean,
            input_scale=config.input_scale,
            residual=config.residual,
            output_activation="none",
            dtype=jnp.dtype(config.dtype),
            # The paper's, section 4.1: the one for PReLU of arXiv 1502.01852.
            kernel_init=nnx.initializers.he_normal(),
            rngs=rngs,
        )
