"""The released plain_10x18_x2 on luma: 10 layers of 3x3, 18 channels wide, about 25,000 parameters.

Training data are T91, General100 and BSDS500's train and test images, found through SUBPIXEL_DATA
or --data-root. B100 is BSDS500's validation split, so that split is not among them.

It starts from the released x3 network.
"""

from subpixel.sr.config import DataConfig, Experiment, OptimizerConfig, PlainConfig

config = Experiment(
    name="plain_10x18_x2",
    upsamplers=("subpixel",),
    model=PlainConfig(
        scale=2, depth=10, width=18, activation="prelu", input_mean=0.45, input_scale=6.4
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
    optimizer=OptimizerConfig(name="soap", learning_rate=4e-3, cpu_convolutions="eigen"),
    steps=16_000,
    start_from="plain_10x18_x3",
    checkpoint_every=1000,
)
