"""`subpixel.conv_transpose` against `jax.lax`: transformations, sharding, export."""

import functools
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from transposing import ARGS, W, X, ours, relative_error
from versions import HAS_EXPLICIT_GRADIENTS, export, set_mesh

import subpixel
from subpixel import _compat
from subpixel.ops.conv_transpose import Method

pytestmark = pytest.mark.usefixtures("unoptimized")


def both(transform):
    """The same transformation of ours and of lax's, as a pair of results."""
    return [
        jax.tree.leaves(transform(lambda x, w, f=f: f(x, w, *ARGS)))
        for f in (ours, lax.conv_transpose)
    ]


def _hessian_product(f):
    def loss(x, w):
        return jnp.sum(jnp.sin(f(x, w)))

    return jax.jvp(jax.grad(loss, argnums=(0, 1)), (X, W), (W.mean() * X, X.mean() * W + 1))


def _stack(a, n=3):
    return jnp.stack([a * (i + 1) for i in range(n)])


def _scan(f):
    def step(carry, w):
        y = jnp.tanh(f(carry, w)[:, ::2, ::2, :2])
        return y, y.sum()

    return jax.grad(lambda x: lax.scan(step, x, _stack(jnp.asarray(W)))[1].sum())(X)


def _loss(f):
    return lambda x, w: jnp.sum(jnp.sin(f(x, w)))


TRANSFORMS = {
    "eager": lambda f: f(X, W),
    "jit": lambda f: jax.jit(f)(X, W),
    "jvp": lambda f: jax.jvp(f, (X, W), (X + 1, W - 1)),
    "linearize": lambda f: jax.linearize(f, X, W)[1](X, W),
    "grad": lambda f: jax.grad(_loss(f), (0, 1))(X, W),
    "hessian product": _hessian_product,
    "jacfwd": lambda f: jax.jacfwd(f, 1)(X, W),
    "jacrev": lambda f: jax.jacrev(f, 1)(X[:1, :1], W),
    "third derivative": lambda f: jax.jvp(
        lambda w: jax.jvp(jax.grad(_loss(f), 1), (X, w), (X, w))[1], (W,), (W + 1,)
    ),
    "vmap x": lambda f: jax.vmap(f, (0, None))(_stack(X), W),
    "vmap w": lambda f: jax.vmap(f, (None, 1), 3)(X, jnp.moveaxis(_stack(W), 0, 1)),
    "vmap both": lambda f: jax.vmap(f, (1, 4), 2)(
        jnp.moveaxis(_stack(X), 0, 1), jnp.moveaxis(_stack(W), 0, 4)
    ),
    "vmap of none": lambda f: jax.vmap(f)(_stack(X)[:0], _stack(W)[:0]),
    "vmap of vmap": lambda f: jax.vmap(jax.vmap(f, (None, 0)), (0, None))(_stack(X), _stack(W)),
    "vmap of grad": lambda f: jax.vmap(jax.grad(_loss(f), (0, 1)), (0, None))(_stack(X), W),
    "vmap of grad, both": lambda f: jax.vmap(jax.grad(_loss(f), (0, 1)))(_stack(X), _stack(W)),
    "grad of vmap": lambda f: jax.grad(
        lambda x, w: jax.vmap(_loss(f), (None, 0))(x, w).sum(), (0, 1)
    )(X, _stack(W)),
    "checkpoint": lambda f: jax.grad(jax.checkpoint(_loss(f)), (0, 1))(X, W),
    "scan": _scan,
    "disable_jit": lambda f: _without_jit(f),
}


def _without_jit(f):
    with jax.disable_jit():
        return jax.vjp(f, X, W)[1](jnp.ones(f(X, W).shape))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transformations_equal_those_of_lax(name):
    mine, theirs = both(TRANSFORMS[name])
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert relative_error(a, b) < 2e-5


def test_vmap_with_groups():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 2, 4, 4)).astype(np.float32)
    w = rng.standard_normal((3, 3, 2, 6)).astype(np.float32)
    f = functools.partial(ours, strides=(2,), padding="SAME", feature_group_count=2)
    for axes in itertools.product((0, None), repeat=2):
        if axes == (None, None):
            continue
        operands = [v if axis == 0 else v[0] for v, axis in zip((x, w), axes, strict=True)]
        every = [
            f(*(v if axis is None else v[i] for v, axis in zip(operands, axes, strict=True)))
            for i in range(3)
        ]
        assert relative_error(jax.vmap(f, axes)(*operands), jnp.stack(every)) < 1e-5
        loss = jax.grad(lambda x, w, g=axes: jax.vmap(f, g)(x, w).sum() ** 2, (0, 1))
        plain = jax.grad(
            lambda x, w, g=axes: (
                sum(
                    f(x if g[0] is None else x[i], w if g[1] is None else w[i]).sum()
                    for i in range(3)
                )
                ** 2
            ),
            (0, 1),
        )
        for a, b in zip(loss(*operands), plain(*operands), strict=True):
            assert relative_error(a, b) < 1e-5


def _sharded(axis_type):
    """Asserts that a sharded batch and shard_map give lax's loss and gradients."""
    kind = getattr(jax.sharding.AxisType, axis_type)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(kind,))
    spec = jax.sharding.PartitionSpec
    x = jax.device_put(X, jax.sharding.NamedSharding(mesh, spec("data")))
    w = jax.device_put(W, jax.sharding.NamedSharding(mesh, spec()))
    expected = jax.value_and_grad(_loss(lambda x, w: lax.conv_transpose(x, w, *ARGS)), (0, 1))(X, W)
    for method in get_args(Method):
        _sharded_method(method, mesh, x, w, expected)


def _sharded_method(method, mesh, x, w, expected):
    spec = jax.sharding.PartitionSpec
    loss = _loss(lambda x, w: subpixel.conv_transpose(x, w, *ARGS, method=method))

    def local(x, w):
        return lax.psum(loss(x, w), "data")

    def by_device(x, w):
        """The gradients of each device, without a sum over the devices inside the function."""
        w = _compat.mark_varying(w, ("data",))
        value, (dx, dw) = jax.value_and_grad(loss, (0, 1))(x, w)
        return lax.psum(value, "data"), (dx, lax.psum(dw, "data"))

    mapped = jax.shard_map(local, mesh=mesh, in_specs=(spec("data"), spec()), out_specs=spec())
    inside = jax.shard_map(
        by_device,
        mesh=mesh,
        in_specs=(spec("data"), spec()),
        out_specs=(spec(), (spec("data"), spec())),
    )
    with set_mesh(mesh):
        result = jax.jit(inside)(x, w)
        for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
            assert relative_error(np.asarray(a), b) < 1e-5, method
        for function in (loss, mapped):
            compiled = jax.jit(jax.value_and_grad(function, (0, 1))).lower(x, w).compile()
            # Every device works on its own part of the batch.
            assert "all-gather" not in compiled.as_text()
            result = compiled(x, w)
            for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
                assert relative_error(np.asarray(a), b) < 1e-5


@pytest.mark.parametrize("axis_type", ["Auto", "Explicit"])
def test_sharded_batch_and_shard_map(axis_type):
    if axis_type == "Explicit" and not HAS_EXPLICIT_GRADIENTS:
        pytest.skip("JAX's own convolution has no gradient on an explicit mesh here")
    # The number of CPU devices is fixed when JAX starts.
    subprocess.run(
        [sys.executable, "-c", f"import {Path(__file__).stem} as t; t._sharded({axis_type!r})"],
        cwd=Path(__file__).parent,
        env=os.environ
        | {
            "JAX_NUM_CPU_DEVICES": "2",
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
    )


def test_exported_with_a_symbolic_batch():
    (n,) = export.symbolic_shape("n")
    exported = export.export(jax.jit(lambda x: subpixel.conv_transpose(x, W, *ARGS)))(
        jax.ShapeDtypeStruct((n, *X.shape[1:]), X.dtype)
    )
    assert relative_error(exported.call(X), lax.conv_transpose(X, W, *ARGS)) < 1e-5


@pytest.mark.parametrize("strides", [1, 2])
def test_auto_may_choose_native_forwards_and_keeps_every_derivative(strides):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((2, 5, 5, 2), (7, 7, 2, 4)))
    mine, theirs = (
        jax.tree.leaves(
            jax.jit(
                lambda x, w, f=f: (
                    f(x, w, (strides,) * 2, "SAME"),
                    jax.grad(lambda x, w: jnp.sin(f(x, w, (strides,) * 2, "SAME")).sum(), (0, 1))(
                        x, w
                    ),
                )
            )(x, w)
        )
        for f in (subpixel.conv_transpose, lax.conv_transpose)
    )
    for a, b in zip(mine, theirs, strict=True):
        assert relative_error(a, b) < 1e-5


def test_other_platforms_lower_to_xla_s_convolution():
    exported = export.export(
        jax.jit(jax.grad(lambda x: subpixel.conv_transpose(x, W, *ARGS).sum())), platforms=["cuda"]
    )(jax.ShapeDtypeStruct(X.shape, X.dtype))
    assert "stablehlo.convolution" in exported.mlir_module()
    assert "gather" not in exported.mlir_module()


def _lowered(taps, platform):
    """Lowers the output and the gradients of a layer whose cotangent depends on the output."""
    x, w = np.ones((2, 5, 6, 3), np.float32), np.ones((*taps, 3, 2), np.float32)

    def f(x, w):
        y, pullback = jax.vjp(lambda x, w: ours(x, w, (2, 2), "SAME", method="im2col"), x, w)
        return y, *pullback(2 * y)

    return jax.jit(f).trace(x, w).lower(lowering_platforms=(platform,))


@pytest.mark.skipif(not _compat.can_mark_one_value(), reason="this JAX cannot mark one value")
def test_xla_does_not_inline_the_rearrangements_on_a_cpu():
    overlapping = _lowered((5, 4), "cpu")
    # The output, and im2col of the cotangent for each gradient; XLA merges the last two.
    assert overlapping.as_text().count('inlineable = "false"') == 3
    assert overlapping.compile().as_text().count(" call(") == 2


@pytest.mark.parametrize(("taps", "platform"), [((2, 1), "cpu"), ((5, 4), "cuda"), ((5, 4), "tpu")])
def test_calls_are_inlined_without_overlap_and_on_other_platforms(taps, platform):
    assert "inlineable" not in _lowered(taps, platform).as_text()
