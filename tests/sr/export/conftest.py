"""Small random networks, and the folder of trained ones."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from subpixel.sr.models import ESPCNConfig
from subpixel.sr.models.operations import Activation, AddNearest, Convolution, Upsampling
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.provenance import Provenance

RESULTS = Path(__file__).parents[3] / "results"


@pytest.fixture
def make_model() -> Callable[..., TrainedNetwork]:
    """Makes a small network, by default an ESPCN, of random parameters, the biases too."""

    def make(layout="subpixel", kind=ESPCNConfig, **choices) -> TrainedNetwork:
        config = kind(**{"features": (5, 4), "kernel_sizes": (5, 1, 3), **choices})
        _, state = nnx.split(config.build(layout, seed=0))
        rng = np.random.default_rng(3)
        params = jax.tree.map(
            lambda p: jnp.asarray(p + rng.normal(0, 0.2, p.shape), jnp.float32),
            nnx.to_pure_dict(state),
        )
        provenance = Provenance(name="small", license="Apache-2.0", training_data="none")
        return TrainedNetwork("small", provenance, config, layout, params)

    return make


@pytest.fixture
def compact_operations() -> Callable[..., list]:
    """Makes the operations of a network of 3x3 layers with PReLU or ReLU, enlarging RGB."""

    def make(name="prelu", scale=2, depth=3, width=6) -> list:
        rng = np.random.default_rng(4)

        def kernel(inputs, outputs):
            return rng.normal(0, 0.3, (3, 3, inputs, outputs)).astype(np.float32)

        def bias(outputs):
            return rng.normal(0, 0.2, outputs).astype(np.float32)

        operations = []
        for layer in range(depth):
            operations.append(Convolution(kernel(width if layer else 3, width), bias(width)))
            operations.append(Activation(name, abs(bias(width)) if name == "prelu" else None))
        outputs = 3 * scale**2
        operations.append(Upsampling(scale, kernel(width, outputs), bias(outputs)))
        return [*operations, AddNearest(scale)]

    return make
