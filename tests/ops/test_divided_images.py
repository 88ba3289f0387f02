"""Images and kernels that XLA divides over devices by itself, along any axis.

XLA's partitioner gives wrong values for some plain convolutions here (docs/accelerators.md).
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from upsampling_cases import draw

import subpixel

IMAGES = [("a",), (None, "a"), (None, None, "b", "a"), (None, "a", None, "b"), (None, "a", "b")]
KERNELS = [(), (None, None, "a"), (None, None, "a", "b"), ("a",)]


def results(x, w, method):
    def total(x, w):
        return jnp.sum(jnp.sin(subpixel.conv_transpose(x, w, (2, 2), "SAME", method=method)))

    y = subpixel.conv_transpose(x, w, (2, 2), "SAME", method=method)
    return y, *jax.grad(total, (0, 1))(x, w)


def check(method: str) -> None:
    """Asserts that every division over 2 x 2 devices has the values of one device."""
    mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
    x, w = draw(4, 8, 8, 8), draw(4, 4, 8, 8)
    function = jax.jit(lambda x, w: results(x, w, method))
    expected = function(x, w)
    for image, kernel in itertools.product(IMAGES, KERNELS):
        divided = (
            jax.device_put(v, NamedSharding(mesh, PartitionSpec(*names)))
            for v, names in ((x, image), (w, kernel))
        )
        for a, b in zip(function(*divided), expected, strict=True):
            error = np.abs(np.asarray(a) - np.asarray(b)).max()
            assert error <= 1e-4 * np.abs(b).max(), (image, kernel)


@pytest.mark.skipif(jax.__version_info__ < (0, 7), reason="arrays do not state their mesh here")
@pytest.mark.parametrize("method", ["auto", "strided", "polyphase"])
def test_values_do_not_depend_on_the_division(method):
    # The number of CPU devices is fixed when JAX starts.
    subprocess.run(
        [sys.executable, "-c", f"import {Path(__file__).stem} as t; t.check({method!r})"],
        cwd=Path(__file__).parent,
        env=os.environ
        | {
            "JAX_NUM_CPU_DEVICES": "4",
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
    )
