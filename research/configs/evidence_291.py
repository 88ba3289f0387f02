"""ESPCN x3 trained on T91 and BSDS500/train, 290 of the 291 images of the literature.

One image is held out, so 289 are trained on. The rest is as in evidence_t91.py.
"""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="evidence_291",
    upsamplers=("subpixel",),
    # As espcn_x3.py.
    model=ESPCNConfig(scale=3, input_mean=0.45, input_scale=6.4, residual=True),
    data=DataConfig(
        train=("T91", "BSDS500/train"),
        benchmarks=("Set5", "Set14", "B100"),
        exclude=("302003",),  # an image of BSDS500, and Set5's "woman"
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
