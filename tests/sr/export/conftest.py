"""Small random networks."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from subpixel.sr.models import ESPCNConfig
from subpixel.sr.models.trained import TrainedNetwork
from subpixel.sr.provenance import Provenance


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
