"""Checkerboard energy of patterns and networks whose energy is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from checkerboard import checkerboard_energy, flat_energy

from subpixel.kernels import LAYOUTS
from subpixel.sr.models import ESPCNConfig, SRCNNConfig


def pattern(scale: int, repeats: int, seed: int = 0) -> np.ndarray:
    """Returns a periodic pattern of mean zero and variance 4."""
    period = np.random.default_rng(seed).normal(size=(scale, scale))
    period = 2 * (period - period.mean()) / period.std()
    return np.tile(period, (repeats, repeats))


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_a_pattern_of_the_period_has_its_variance_whatever_ramp_it_lies_on(scale):
    wave = pattern(scale, 30)
    rows, columns = np.indices(wave.shape)
    assert checkerboard_energy(wave, scale) == pytest.approx(4)
    assert checkerboard_energy(5 * wave, scale) == pytest.approx(100)
    assert checkerboard_energy(wave + 0.7 * rows - 2 * columns + 90, scale) == pytest.approx(4)
    # The phase at the first pixel does not matter.
    assert checkerboard_energy(wave[1:, 1:], scale) == pytest.approx(4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_images_without_the_period_have_none(scale):
    rows, columns = np.indices((160, 170))
    assert checkerboard_energy(0.7 * rows - 2 * columns + 90, scale) == pytest.approx(0, abs=1e-18)
    assert checkerboard_energy(0.01 * rows**2, scale) == pytest.approx(0, abs=1e-18)
    # A wave of another period averages out over a tile, which holds whole waves of it.
    other = np.cos(2 * np.pi * rows / (4 * scale))
    assert checkerboard_energy(other, scale, tile=4) == pytest.approx(0, abs=1e-18)


def test_a_pattern_that_changes_its_sign_between_tiles_is_still_seen():
    wave = pattern(3, 16)
    # Tiles of 8 periods begin one pixel inside the image.
    sign = np.where(np.indices(wave.shape)[1] < 8 * 3 + 1, 1, -1)
    assert checkerboard_energy(np.pad(sign * wave, 1, mode="wrap"), 3) == pytest.approx(4, rel=0.1)
    assert checkerboard_energy(sign * wave, 3, tile=15) < 0.5


def test_white_noise_is_averaged_over_a_tile():
    noise = np.random.default_rng(0).normal(scale=10, size=(900, 900))
    energy = checkerboard_energy(noise, 3, tile=10)
    # The moving average takes 1/9 of the variance, and the phases' own mean is that average.
    assert energy == pytest.approx(100 * (1 - 1 / 9) / 10**2, rel=0.03)


@pytest.mark.parametrize(
    ("image", "scale", "message"),
    [
        (np.zeros((64, 64, 1)), 2, r"must be \(h, w\); got the shape \(64, 64, 1\)"),
        (np.zeros((64, 64)), 1, "scale must be at least 2; got 1"),
        (np.zeros((64, 20)), 3, r"one tile of 24 pixels and a margin of 1; got the shape \(64, 20"),
    ],
)
@pytest.mark.usefixtures("without_shape_checks")
def test_what_cannot_be_measured_is_named(image, scale, message):
    with pytest.raises(ValueError, match=message):
        checkerboard_energy(image, scale)


@pytest.mark.parametrize("residual", [False, True])
def test_icnr_starts_without_a_checkerboard_and_other_initialisations_with_one(residual):
    energies = {
        init: flat_energy(
            ESPCNConfig(scale=3, residual=residual, upsampler_init=init).build("subpixel", 0)
        )
        for init in ("icnr", "converted")
    }
    assert energies["icnr"] < 1e-6
    assert energies["converted"] > 10


@pytest.mark.parametrize("upsampler", LAYOUTS)
def test_the_bias_of_each_phase_is_a_checkerboard_of_its_variance(upsampler):
    network = ESPCNConfig(scale=2, channels=3, residual=True).build(upsampler, 0)
    bias = network.bias.bias
    # One grey level of 255 more in the first phase of every channel: a variance of 3/16.
    values = np.zeros(bias.shape, np.float32).reshape(4, 3)
    values[0] = 4 / 255
    bias.set_value(jnp.asarray(values.reshape(bias.shape)))
    assert flat_energy(network) == pytest.approx(16 * 3 / 16, rel=1e-3)


def test_a_bicubic_enlargement_has_none():
    network = SRCNNConfig(scale=3, residual=True).build("subpixel", 0)
    last = network.conv3
    last.kernel.set_value(jnp.zeros_like(last.kernel[...]))
    last.bias.set_value(jnp.zeros_like(last.bias[...]))
    assert flat_energy(network) == pytest.approx(0, abs=1e-6)
