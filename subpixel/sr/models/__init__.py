"""Networks for super-resolution, each in one file.

To add one, write its file and add its config to `ModelConfig`.
"""

from subpixel.sr.models.base import Network, NetworkConfig
from subpixel.sr.models.espcn import ESPCN, ESPCNConfig

# The tagged union of all networks' configs: the field `network` tells them apart.
ModelConfig = ESPCNConfig

__all__ = ["ESPCN", "ESPCNConfig", "ModelConfig", "Network", "NetworkConfig"]
