"""The paper's own data: ESPCN x3 trained on the 91 images of T91 alone.

One image is held out, so 90 are trained on. A patch of 24 pixels fits into the smallest of them.
"""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="evidence_t91",
    upsamplers=("subpixel",),
    # As espcn_x3.py.
    model=ESPCNConfig(scale=3, input_mean=0.45, input_scale=6.4, residual=True),
    data=DataConfig(
        train=("T91",),
        benchmarks=("Set5", "Set14", "B100"),
        validation_images=1,
        patch_size=24,
        batch_size=28,
    ),
    optimizer=OptimizerConfig(
        name="soap", learning_rate=3e-3, accumulation=4, cpu_convolutions="eigen"
    ),
    steps=8000,
    checkpoint_every=500,
)
