"""Networks to measure."""

import functools
from collections.abc import Callable
from typing import Literal

from subpixel.sr.models import ESPCNConfig, FSRCNNConfig, ModelConfig, PlainConfig

NetworkName = Literal["espcn", "fsrcnn", "plain"]
# The plain network is that of the released models of 10 layers.
CONFIGS: dict[NetworkName, Callable[..., ModelConfig]] = {
    "espcn": ESPCNConfig,
    "fsrcnn": FSRCNNConfig,
    "plain": functools.partial(PlainConfig, depth=10, width=18, activation="prelu"),
}
