"""ESPCN x4 on luma: 290 of the 291 images of the literature, T91 and BSDS500/train.

They are found through SUBPIXEL_DATA or --data-root.
"""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="espcn_x4_bsds",
    upsamplers=("subpixel", "conv_transpose", "zero_insert"),
    model=ESPCNConfig(scale=4, input_mean=0.45, input_scale=1.6, residual=True),
    data=DataConfig(
        train=("T91", "BSDS500/train"),
        benchmarks=("Set5", "Set14", "B100"),
        exclude=("302003",),  # BSDS500's, and Set5's "woman"
        validation_images=8,
        patch_size=17,  # the paper's
        batch_size=16,
    ),
    # The learning rate was chosen at x3: see espcn_x3_bsds.py.
    optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=200, ema_decay=0.999),
    steps=30_000,
    checkpoint_every=500,
)
