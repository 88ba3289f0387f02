"""The origin of a network: the facts that an exported file states about itself."""

import json
from dataclasses import dataclass, fields, replace
from typing import Self

from subpixel.kernels import Layout
from subpixel.sr.export.runtime import UNKNOWN
from subpixel.sr.models import ModelConfig, Network
from subpixel.sr.serialization import to_json


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a file states about its weights.

    Bytes of a name that are not UTF-8, which the formats do not hold, become backslash escapes.

    Attributes:
      name: the model's name.
      version: the version of the weights.
      license: the licence of the weights.
      training_data: the data sets that the weights were trained on.
    """

    name: str
    version: str = UNKNOWN
    license: str = UNKNOWN
    training_data: str = UNKNOWN

    def __post_init__(self):
        for field in fields(self):
            text = getattr(self, field.name).encode("utf-8", "backslashreplace").decode()
            object.__setattr__(self, field.name, text)

    def stating(self, **given: str | None) -> Self:
        """Returns the facts with those that are given; None and "" leave a fact as it is."""
        return replace(self, **{name: value for name, value in given.items() if value})


def describe_network(
    network: Network, config: ModelConfig, layout: Layout, provenance: Provenance
) -> dict[str, str]:
    """Returns the metadata of an exported file: text by name."""
    image = "RGB" if network.channels == 3 else "luma Y of BT.601 in studio range, 16..235 of 255"
    return {
        "name": provenance.name,
        "version": provenance.version,
        "license": provenance.license,
        "training_data": provenance.training_data,
        "scale": str(network.scale),
        "channels": str(network.channels),
        "radius": str(network.radius),
        "layout": layout,
        "image": image,
        "model": json.dumps(to_json(config)),
    }
