"""The released plain_11x24_x2 on luma: 11 layers of 3x3, 24 channels wide, about 49,000 parameters.

Training data are T91, General100 and BSDS500's train and test images, found through SUBPIXEL_DATA
or --data-root. B100 is BSDS500's validation split, so that split is not among them.

It starts from the released x3 network.
"""

from subpixel.sr.config import DataConfig, Experiment, OptimizerConfig, PlainConfig

config = Experiment(
    name="plain_11x24_x2",
    upsamplers=("subpixel",),
    model=PlainConfig(
        scale=2, depth=11, width=24, activation="prelu", input_mean=0.45, input_scale=6.4
    ),
    data=DataConfig(
        train=("T91", "General100", "BSDS500/train", "BSDS500/test"),
        benchmarks=("Set5", "Set14", "B100"),
        exclude=("302003",),  # an image of BSDS500, and Set5's "woman"
        skip_small=True,
        validation_images=8,
        patch_size=32,
        batch_size=16,
    ),
    optimizer=OptimizerConfig(name="soap", learning_rate=4e-3, accumulation=4),
    steps=8_000,
    start_from="plain_11x24_x3",
    checkpoint_every=1000,
)
