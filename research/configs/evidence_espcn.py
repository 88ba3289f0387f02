"""The three upsamplers of ESPCN from one starting function: short trainings for several seeds.

research/evidence.txt has the scales.
"""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="evidence_espcn",
    upsamplers=("subpixel", "conv_transpose", "zero_insert"),
    model=ESPCNConfig(scale=3, input_mean=0.45, input_scale=1.6, residual=True),
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
        learning_rate=3e-3,
        warmup_steps=50,
        ema_decay=0.99,
        cpu_convolutions="eigen",  # fastest on one core
    ),
    steps=300,
    log_every=50,
    validate_every=300,
    checkpoint_every=300,
)
