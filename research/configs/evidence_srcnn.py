"""A network at high resolution: SRCNN 9-1-5 x3 after bicubic enlargement.

research/evidence.txt has a smaller one, and networks at low resolution of equal cost.
"""

from subpixel.sr.config import DataConfig, Experiment, OptimizerConfig, SRCNNConfig

config = Experiment(
    name="evidence_srcnn",
    upsamplers=("subpixel",),
    model=SRCNNConfig(scale=3, input_mean=0.45, input_scale=1.6, residual=True),
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
