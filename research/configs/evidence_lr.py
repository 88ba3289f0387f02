"""A network at low resolution with as many multiply-adds as SRCNN 9-1-5 at x3.

All other values, also the activation, are those of evidence_srcnn.py. research/evidence.txt has a
smaller network.
"""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="evidence_lr",
    upsamplers=("subpixel",),
    model=ESPCNConfig(
        scale=3,
        features=(128, 56),
        activation="relu",
        input_mean=0.45,
        input_scale=1.6,
        residual=True,
    ),
    data=DataConfig(
        train=("T91", "BSDS500/train"),
        benchmarks=("Set5", "Set14"),
        exclude=("302003",),  # an image of BSDS500, and Set5's "woman"
        validation_images=8,
        patch_size=17,
        batch_size=8,
    ),
    optimizer=OptimizerConfig(
        name="adam",
        learning_rate=1e-3,
        warmup_steps=50,
        ema_decay=0.99,
        cpu_convolutions="eigen",  # fastest on one core
    ),
    steps=400,
    log_every=100,
    validate_every=400,
    checkpoint_every=400,
)
