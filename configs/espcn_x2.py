"""The released ESPCN x2 on luma: the paper's layers, SOAP, and a well scaled input.

Training data are T91, General100 and BSDS500's train and test images, found through SUBPIXEL_DATA
or --data-root. B100 is BSDS500's validation split, so that split is not among them.
"""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="espcn_x2",
    upsamplers=("subpixel",),
    # A larger input scale uses the curvature of tanh; research/recipe.md has the search.
    model=ESPCNConfig(scale=2, input_mean=0.45, input_scale=6.4, residual=True),
    data=DataConfig(
        train=("T91", "General100", "BSDS500/train", "BSDS500/test"),
        # BSDS500's images are JPEG files: at half the size they are sharper and cleaner.
        shrink=(1, 1, 0.5, 0.5),
        sampling="images",
        benchmarks=("Set5", "Set14", "B100"),
        exclude=("302003",),  # an image of BSDS500, and Set5's "woman"
        skip_small=True,
        validation_images=8,
        patch_size=32,
        batch_size=16,
    ),
    optimizer=OptimizerConfig(name="soap", learning_rate=3e-3, accumulation=4),
    steps=40_000,
    checkpoint_every=1000,
)
