"""Networks for super-resolution, each in one file.

To add one, write its file and add its config to `ModelConfig`.
"""

from subpixel.sr.models.base import Network, NetworkConfig
from subpixel.sr.models.espcn import ESPCN, ESPCNConfig
from subpixel.sr.models.fsrcnn import FSRCNN, FSRCNNConfig
from subpixel.sr.models.plain import Plain, PlainConfig
from subpixel.sr.models.srcnn import SRCNN, SRCNNConfig

# The tagged union of all networks' configs: the field `network` tells them apart. A file without
# it holds the first.
ModelConfig = ESPCNConfig | FSRCNNConfig | PlainConfig | SRCNNConfig

__all__ = [
    "ESPCN",
    "FSRCNN",
    "SRCNN",
    "ESPCNConfig",
    "FSRCNNConfig",
    "ModelConfig",
    "Network",
    "NetworkConfig",
    "Plain",
    "PlainConfig",
    "SRCNNConfig",
]
