"""Images and kernels on four devices: explicit meshes, shard_map, and divisions that XLA makes."""

import functools
import itertools
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from transformations import loss
from transposing import METHODS, relative_error
from upsampling_cases import CASES, draw, lax_transposed, transposed
from versions import HAS_EXPLICIT_GRADIENTS, set_mesh

from subpixel import _compat

IMAGES = [("a",), (None, "a"), (None, None, "b", "a"), (None, "a", None, "b"), (None, "a", "b")]
KERNELS = [(), (None, None, "a"), (None, None, "a", "b"), ("a",)]


def with_gradients(f):
    return lambda x, w: (f(x, w), *jax.grad(loss(f), (0, 1))(x, w))


def divided(mesh, *arrays_and_names):
    return [
        jax.device_put(array, NamedSharding(mesh, PartitionSpec(*names)))
        for array, names in arrays_and_names
    ]


def assert_close(actual, expected, tolerance, *case):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert relative_error(np.asarray(a), np.asarray(b)) <= tolerance, case


def check_explicit_axes() -> None:
    """A batch on a mesh with explicit axes keeps its sharding, gradients included."""
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Explicit,))
    for case, (ours, reference, kernel) in CASES.items():
        x, w = draw(4, 4, 6, 8), draw(*kernel)
        expected = with_gradients(reference)(x, w)
        with set_mesh(mesh):
            x, w = divided(mesh, (x, ("data",)), (w, ()))
            for function in (with_gradients(ours), jax.jit(with_gradients(ours))):
                y, dx, dw = function(x, w)
                assert jax.typeof(y).sharding.spec[0] == "data", case
                assert jax.typeof(dx).sharding.spec[0] == "data", case
                assert_close((y, dx, dw), expected, 2e-5, case)


def check_shard_map(kind: AxisType) -> None:
    """A sharded batch and shard_map give lax's loss and gradients, without a gather."""
    mesh = jax.make_mesh((4,), ("data",), axis_types=(kind,))
    data, whole = PartitionSpec("data"), PartitionSpec()
    x, w = draw(4, 4, 3, 2), draw(3, 4, 2, 3)
    expected = jax.value_and_grad(loss(lax_transposed), (0, 1))(x, w)
    x, w = divided(mesh, (x, ("data",)), (w, ()))
    for method in METHODS:
        total = loss(transposed(method=method))

        def local(x, w, total=total):
            return lax.psum(total(x, w), "data")

        def by_device(x, w, total=total):
            """The gradients of each device, without a sum over the devices inside the function."""
            w = _compat.mark_varying(w, ("data",))
            value, (dx, dw) = jax.value_and_grad(total, (0, 1))(x, w)
            return lax.psum(value, "data"), (dx, lax.psum(dw, "data"))

        shard_map = functools.partial(jax.shard_map, mesh=mesh, in_specs=(data, whole))
        inside = shard_map(by_device, out_specs=(whole, (data, whole)))
        with set_mesh(mesh):
            assert_close(jax.jit(inside)(x, w), expected, 1e-5, method)
            for function in (total, shard_map(local, out_specs=whole)):
                compiled = jax.jit(jax.value_and_grad(function, (0, 1))).lower(x, w).compile()
                # Every device works on its own part of the batch.
                assert "all-gather" not in compiled.as_text()
                assert_close(compiled(x, w), expected, 1e-5, method)


def check_division(method: str) -> None:
    """Every division over 2 x 2 devices, along any axis, has the values of one device.

    XLA's partitioner gives wrong values for some plain convolutions here (docs/accelerators.md).
    """
    mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
    x, w = jnp.asarray(draw(4, 8, 8, 8)), jnp.asarray(draw(4, 4, 8, 8))
    function = jax.jit(with_gradients(transposed(method=method)))
    expected = function(x, w)
    for image, kernel in itertools.product(IMAGES, KERNELS):
        actual = function(*divided(mesh, (x, image), (w, kernel)))
        assert_close(actual, expected, 1e-4, image, kernel)


EXPLICIT = ("explicit axes", "shard_map, explicit axes")
CHECKS = {
    "explicit axes": check_explicit_axes,
    "shard_map": functools.partial(check_shard_map, AxisType.Auto),
    "shard_map, explicit axes": functools.partial(check_shard_map, AxisType.Explicit),
    "auto": functools.partial(check_division, "auto"),
    "strided": functools.partial(check_division, "strided"),
    "polyphase": functools.partial(check_division, "polyphase"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_four_devices(name):
    if name in EXPLICIT and not HAS_EXPLICIT_GRADIENTS:
        pytest.skip("JAX's own convolution has no gradient on an explicit mesh here")
    if name in METHODS and jax.__version_info__ < (0, 7):
        pytest.skip("arrays do not state their mesh here")
    # The number of CPU devices is fixed when JAX starts.
    subprocess.run(
        [sys.executable, "-c", f"import {Path(__file__).stem} as t; t.CHECKS[{name!r}]()"],
        cwd=Path(__file__).parent,
        env=os.environ
        | {
            "JAX_NUM_CPU_DEVICES": "4",
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
    )
