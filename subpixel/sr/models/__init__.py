"""Networks for super-resolution, each in one file.

To add one, write its file and add its config to `ModelConfig`.
"""

from subpixel.sr.models.base import Network, NetworkConfig
from subpixel.sr.models.espcn import ConvStack, ESPCNConfig
from subpixel.sr.models.fsrcnn import FSRCNNConfig
from subpixel.sr.models.plain import PlainConfig
from subpixel.sr.models.srcnn import SRCNN, SRCNNConfig

# The tagged union of all networks' configs: the field `network` tells them apart. A file without
# it holds the first.
ModelConfig = ESPCNConfig | FSRCNNConfig | PlainConfig | SRCNNConfig

__all__ = [
    "SRCNN",
    "ConvStack",
    "ESPCNConfig",
    "FSRCNNConfig",
    "ModelConfig",
    "Network",
    "NetworkConfig",
    "PlainConfig",
    "SRCNNConfig",
]
