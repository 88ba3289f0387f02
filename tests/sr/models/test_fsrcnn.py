"""FSRCNN: the paper's size, its 9x9 kernel at every scale, and its config."""

from pathlib import Path

import numpy as np
import pytest

from subpixel.sr.models import FSRCNNConfig
from subpixel.sr.models.torch_networks import transposed_size

CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_paper_counts_its_weights():
    """Section 3.2 and table 1 count the kernels alone: 12,464 at x3 for FSRCNN(56, 12, 4)."""
    layers = FSRCNNConfig(scale=3).layers("conv_transpose")
    kernels = [int(np.prod(layer.kernel)) for layer in layers if layer.kernel]
    assert kernels == [1400, 672, 1296, 1296, 1296, 1296, 672, 4536]
    assert sum(kernels) == 12_464
    assert layers[-2].kernel == (9, 9, 56, 1)
    slopes = sum(layer.parameters for layer in layers if layer.name.startswith("prelu"))
    assert slopes == 56 + 5 * 12 + 56
    biases = 56 + 5 * 12 + 56 + 1
    assert sum(layer.parameters for layer in layers) == 12_464 + slopes + biases


def test_the_paper_counts_the_weights_of_its_small_network():
    """FSRCNN-s is FSRCNN(32, 5, 1) with 3,937 weights."""
    config = FSRCNNConfig(scale=3, features=32, shrunk_features=5, mapping_layers=1)
    kernels = [int(np.prod(layer.kernel)) for layer in config.layers("subpixel") if layer.kernel]
    assert sum(kernels) == 3937


@pytest.mark.parametrize(("scale", "taps"), [(2, 5), (3, 3), (4, 3), (8, 2), (9, 1)])
def test_the_last_kernel_holds_nine_pixels(scale, taps):
    config = FSRCNNConfig(scale=scale)
    assert config.last_size == taps
    assert config.layers("zero_insert")[-2].kernel == (taps * scale, taps * scale, 56, 1)
    assert FSRCNNConfig(scale=scale, upsampler_size=4).last_size == 4


@pytest.mark.parametrize("scale", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("size", [1, 3, 5, 9, 11])
def test_the_smallest_kernel_that_holds_pytorchs(size, scale):
    """A kernel of `taps` paints taps // 2 blocks before an input pixel's own."""
    holds = [
        taps // 2 * scale >= size // 2 and ((taps - 1) // 2 + 1) * scale - 1 >= size // 2
        for taps in range(1, 20)
    ]
    assert transposed_size(size, scale) == 1 + holds.index(True)
