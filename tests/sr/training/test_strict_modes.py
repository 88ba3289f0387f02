"""A training step of every network and optimiser is traced in JAX's strict modes."""

import jax
import numpy as np
import pytest

from subpixel.sr.models import ESPCNConfig, FSRCNNConfig, PlainConfig, SRCNNConfig
from subpixel.sr.training.config import OptimizerConfig, TrainingConfig
from subpixel.sr.training.state import start_training
from subpixel.sr.training.step import lower_step

SMALL = ESPCNConfig(scale=2, features=(4, 3))
STEPS = {
    "ESPCN, SOAP": (SMALL, {"name": "soap"}),
    "ESPCN, Muon": (SMALL, {"name": "muon", "clip_norm": 1.0}),
    "ESPCN, plateau": (SMALL, {"name": "adam", "schedule": "plateau", "loss": "charbonnier"}),
    "ESPCN in bfloat16": (
        ESPCNConfig(scale=2, features=(4, 3), dtype="bfloat16"),
        {"name": "adam", "accumulation": 2},
    ),
    "FSRCNN, whose PReLU has slopes": (FSRCNNConfig(scale=2), {"name": "adam"}),
    "plain": (PlainConfig(scale=2), {"name": "adam", "loss": "l1"}),
    "SRCNN": (SRCNNConfig(scale=2), {"name": "adam"}),
}


@pytest.mark.parametrize("step", STEPS)
def test_no_step_promotes_implicitly(step):
    model, choices = STEPS[step]
    optimizer = OptimizerConfig(warmup_steps=1, **choices)
    config = TrainingConfig(model=model, optimizer=optimizer, steps=10)
    batch = {
        "lr": np.zeros((8, 8, 8, model.channels), np.uint8),
        "hr": np.zeros((8, 16, 16, model.channels), np.uint8),
    }
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        start = start_training(config, "subpixel")
        lower_step(start, batch, platform="cpu")
