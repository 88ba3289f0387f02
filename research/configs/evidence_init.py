"""ESPCN x3 with the initialisation of the upsampler that --model.upsampler-init names.

For the upsampler "subpixel", "converted" and "independent" give the same values. The kernels of
"zero_insert" and "conv_transpose" have one shape and the same initial values, so only one of the
two is trained.
"""

from subpixel.sr.config import DataConfig, ESPCNConfig, Experiment, OptimizerConfig

config = Experiment(
    name="evidence_init",
    upsamplers=("subpixel", "conv_transpose"),
    # Without the residual connection, so that the upsampler alone makes the output.
    model=ESPCNConfig(
        scale=3,
        input_mean=0.45,
        input_scale=1.6,
        upsampler_init="independent",
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
        learning_rate=3e-3,
        warmup_steps=50,
        ema_decay=0.99,
        cpu_convolutions="eigen",  # fastest on one core
    ),
    steps=600,
    log_every=100,
    validate_every=300,
    checkpoint_every=300,
)
