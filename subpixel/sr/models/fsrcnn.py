"""FSRCNN: feature extraction, shrinking, mapping, expanding, and a 9x9 transposed convolution.

Every layer works at low resolution, so the three upsamplers apply to the last one. The paper's
9x9 kernel has a side of 9 / r low-resolution pixels. Where that is not a whole number it is rounded
up: 10x10 taps at x2 and 12x12 at x4, which hold the paper's kernel beside zeros.

Reference: Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network",
arXiv 1608.00367.
"""

from dataclasses import dataclass
from typing import Literal

from flax import nnx

from subpixel.kernels import Layout
from subpixel.sr.models.base import Dtype, NetworkConfig
from subpixel.sr.models.espcn import ConvStack, ESPCNConfig
from subpixel.sr.serialization import require

# Height and width of the paper's last kernel, in high-resolution pixels.
LAST_KERNEL = 9


@dataclass(frozen=True, kw_only=True)
class FSRCNNConfig(NetworkConfig):
    """FSRCNN(d, s, m), arXiv 1608.00367."""

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
    dtype: Dtype = "float32"
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

    def build(self, upsampler: Layout, seed: int) -> ConvStack:
        """Returns a new network; see `NetworkConfig.build`."""
        d, s, m = self.features, self.shrunk_features, self.mapping_layers
        stack = ESPCNConfig(
            scale=self.scale,
            channels=self.channels,
            features=(d, s, *[s] * m, d),
            kernel_sizes=(5, 1, *[3] * m, 1, self.last_size),
            bias="shared",
            activation="prelu",
            input_mean=self.input_mean,
            input_scale=self.input_scale,
            residual=self.residual,
            dtype=self.dtype,
        )
        # The paper's, section 4.1: the one for PReLU of arXiv 1502.01852.
        he_normal = nnx.initializers.he_normal()
        network = ConvStack(stack, kernel_init=he_normal, rngs=nnx.Rngs(seed))
        return self.start(network, upsampler, seed)
