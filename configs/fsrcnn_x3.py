"""FSRCNN(56, 12, 4) x3 on luma, with its transposed convolution and the two layouts equal to it.

Training data are T91, General100 and BSDS500's train and test images, found through SUBPIXEL_DATA
or --data-root. B100 is BSDS500's validation split, so that split is not among them.
"""

from subpixel.sr.config import DataConfig, Experiment, FSRCNNConfig, OptimizerConfig

config = Experiment(
    name="fsrcnn_x3",
    upsamplers=("subpixel", "conv_transpose", "zero_insert"),
    # PReLU needs no scaled input; the residual connection is not the paper's.
    model=FSRCNNConfig(scale=3, residual=True),
    data=DataConfig(
        train=("T91", "General100", "BSDS500/train", "BSDS500/test"),
        benchmarks=("Set5", "Set14", "B100"),
        exclude=("302003",),  # an image of BSDS500, and Set5's "woman"
        skip_small=True,
        validation_images=8,
        patch_size=32,
        batch_size=16,
    ),
    optimizer=OptimizerConfig(name="soap", learning_rate=3e-3),
    steps=12_000,
    checkpoint_every=1000,
)
