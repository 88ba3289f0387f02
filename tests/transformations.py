"""JAX's transformations, each as a function of an upsampling function, its image and its kernel.

A line in `TRANSFORMS` is tested with every function, and with every layer if it is in `OF_LAYERS`:
a layer only calls a function. A line in `WRAPPERS` is tested with the cases in `FUNCTIONS`, since
only the primitive could differ.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import export, lax
from jax.ad_checkpoint import checkpoint_name
from jax.experimental import checkify, serialize_executable
from jax.experimental.compilation_cache import compilation_cache
from versions import enable_x64


def loss(f):
    """A scalar function of the image and the kernel whose derivatives depend on both."""
    return lambda x, w: jnp.sum(jnp.sin(f(x, w)).astype(jnp.float32))


def saved(name):
    """The gradients through `jax.checkpoint` with a policy of JAX."""
    policy = getattr(jax.checkpoint_policies, name)

    def transform(f, x, w):
        inner = jax.checkpoint(lambda x, w: loss(f)(jnp.sin(x), w), policy=policy)
        return jax.grad(inner, (0, 1))(x, w)

    return transform


def one_device(f):
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    data, whole = jax.sharding.PartitionSpec("data"), jax.sharding.PartitionSpec()
    return jax.jit(jax.shard_map(f, mesh=mesh, in_specs=(data, whole), out_specs=data))


TRANSFORMS = {
    "values": lambda f, x, w: f(x, w),
    "jit": lambda f, x, w: jax.jit(f)(x, w),
    "gradients": lambda f, x, w: jax.jit(jax.grad(loss(f), (0, 1)))(x, w),
    "jvp": lambda f, x, w: jax.jvp(f, (x, w), (x + 1, w - 1)),
    "hessian product": lambda f, x, w: jax.jit(
        lambda *of: jax.jvp(jax.grad(loss(f), (0, 1)), of, (2 * x, w + 1))
    )(x, w),
    "vmap": lambda f, x, w: jax.vmap(f, (None, 1), 3)(x, jnp.stack([w, 2 * w], 1)),
    "vmap of both": lambda f, x, w: jax.vmap(f, (1, 4), 2)(
        jnp.stack([x, x + 1], 1), jnp.stack([w, 2 * w], 4)
    ),
    "dots_saveable": saved("dots_saveable"),
    "nothing_saveable": saved("nothing_saveable"),
    "everything_saveable": saved("everything_saveable"),
    "linearize": lambda f, x, w: jax.linearize(f, x, w)[1](x + 1, w - 1),
    "linear transpose": lambda f, x, w: jax.linear_transpose(lambda x: f(x, w), x)(f(x, w)),
    "jacfwd": lambda f, x, w: jax.jacfwd(f, 1)(x[:1, :2, :2], w),
    "jacrev": lambda f, x, w: jax.jacrev(f, (0, 1))(x[:1, :2, :2], w),
    "hessian": lambda f, x, w: jax.jit(jax.hessian(lambda t: f(t * x, t * w)))(0.5),
    "vmap of x": lambda f, x, w: jax.vmap(f, (0, None), 1)(jnp.stack([x, 2 * x]), w),
    "vmap of gradients": lambda f, x, w: jax.vmap(jax.grad(loss(f), (0, 1)), (0, None))(
        jnp.stack([x, 2 * x]), w
    ),
    "scan": lambda f, x, w: jax.jit(
        jax.grad(
            lambda x: lax.scan(lambda c, a: (c, loss(f)(a, w)), 0.0, jnp.stack([x, 2 * x]))[1].sum()
        )
    )(x),
    "while": lambda f, x, w: lax.while_loop(
        lambda c: c[1] < 2, lambda c: (c[0] * (1 + 0 * f(c[0], w).sum()), c[1] + 1), (x, 0)
    ),
    "cond": lambda f, x, w: jax.jit(
        jax.grad(
            lambda x: lax.cond(
                x.sum() > 1e9, lambda x: 0 * loss(f)(2 * x, w), lambda x: loss(f)(x, w), x
            )
        )
    )(x),
    "pmap": lambda f, x, w: jax.pmap(f, in_axes=(0, None))(x[None], w),
    "shard_map": lambda f, x, w: one_device(f)(x, w),
    "checkify": lambda f, x, w: checkify.checkify(f, errors=checkify.nan_checks)(x, w)[1],
}


def named(policy):
    """The gradients through a policy that knows the output by its name "y"."""

    def transform(f, x, w):
        inner = jax.checkpoint(
            loss(lambda x, w: checkpoint_name(f(jnp.sin(x), w), "y")), policy=policy
        )
        return jax.jit(jax.grad(inner, (0, 1)))(x, w)

    return transform


def custom_vjp(f, x, w):
    """The gradients of a function whose own rule doubles them."""
    g = jax.custom_vjp(f)
    g.defvjp(
        lambda x, w: jax.vjp(f, x, w),
        lambda pullback, ct: jax.tree.map(lambda a: 2 * a, pullback(ct)),
    )
    return jax.jit(jax.grad(loss(g), (0, 1)))(x, w)


def custom_jvp(f, x, w):
    """The gradients of a function whose own rule triples them."""
    g = jax.custom_jvp(f)
    g.defjvp(lambda primals, tangents: (f(*primals), 3 * jax.jvp(f, primals, tangents)[1]))
    return jax.jit(jax.grad(loss(g), (0, 1)))(x, w)


def custom_vmap(f, x, w):
    """A batch by a rule of its own, which doubles it."""
    g = jax.custom_batching.custom_vmap(f)
    g.def_vmap(
        lambda _, mapped, x, w: (2 * jax.vmap(f, [0 if m else None for m in mapped])(x, w), True)
    )
    return jax.vmap(g, (0, None))(jnp.stack([x, x + 1]), w)


def spmd_axis_name(f, x, w):
    """A vmap whose axis is one of a mesh."""
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

    def inner(x, w):
        return lax.with_sharding_constraint(loss(f)(x, w), whole)

    mapped = jax.vmap(jax.grad(inner, (0, 1)), (0, None), spmd_axis_name="data")
    return jax.jit(mapped)(jnp.stack([x, 2 * x]), w)


def donated(f, x, w):
    """A compiled function whose image is donated to a result of the same shape."""
    compiled = jax.jit(lambda x, w: (x + 1, f(x, w)), donate_argnums=0).lower(x, w).compile()
    given = jnp.copy(x)
    results = compiled(given, w)
    assert given.is_deleted()
    return results


def exported(f, x, w, **options):
    """A function that was written to bytes and read again."""
    content = export.export(jax.jit(f), **options)(x, w).serialize(vjp_order=1)
    return export.deserialize(content).call


def x64(f, x, w):
    """The function in float64."""
    with enable_x64(True):
        return f(*(jnp.asarray(np.asarray(v), jnp.float64) for v in (x, w)))


OF_LAYERS = ("values", "gradients", "vmap of both")


def serialized(f, x, w):
    """A compiled function that was written to bytes and read again."""
    # XLA's CPU client cannot write a program that it has read from the cache.
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    try:
        # A new function: JAX keeps what it read from the cache for the old one.
        compiled = jax.jit(lambda x, w: f(x, w)).lower(x, w).compile()
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()
    content = serialize_executable.serialize(compiled)
    return serialize_executable.deserialize_and_load(*content)(x, w)


POLICIES = jax.checkpoint_policies
FUNCTIONS = ("conv_transpose, im2col", "subpixel_conv")
WRAPPERS = {
    "export": lambda f, x, w: exported(f, x, w)(x, w),
    "export, gradients": lambda f, x, w: jax.grad(loss(exported(f, x, w)), (0, 1))(x, w),
    "export, three platforms": lambda f, x, w: exported(f, x, w, platforms=("cpu", "cuda", "tpu"))(
        x, w
    ),
    "compiled, to bytes and back": serialized,
    "donated": donated,
    "custom_vjp": custom_vjp,
    "custom_jvp": custom_jvp,
    "custom_vmap": custom_vmap,
    "spmd_axis_name": spmd_axis_name,
    "lax.map with batch_size": lambda f, x, w: lax.map(
        lambda x: f(x, w), jnp.stack([x, 2 * x, 3 * x]), batch_size=2
    ),
    "save_only_these_names": named(POLICIES.save_only_these_names("y")),
    "save_anything_except_these_names": named(POLICIES.save_anything_except_these_names("y")),
    "dots_with_no_batch_dims_saveable": named(POLICIES.dots_with_no_batch_dims_saveable),
    "save_and_offload_only_these_names": named(
        POLICIES.save_and_offload_only_these_names(
            names_which_can_be_saved=[],
            names_which_can_be_offloaded=["y"],
            offload_src="device",
            offload_dst="pinned_host",
        )
    ),
    "offload_dot_with_no_batch_dims": named(
        POLICIES.offload_dot_with_no_batch_dims("device", "pinned_host")
    ),
    "third derivative": lambda f, x, w: jax.jvp(
        lambda w: jax.jvp(jax.grad(loss(f), 1), (x, w), (x, w))[1], (w,), (w + 1,)
    ),
    "vmap of none": lambda f, x, w: jax.vmap(f)(x[None][:0], w[None][:0]),
    "vmap of vmap": lambda f, x, w: jax.vmap(jax.vmap(f, (None, 0)), (0, None))(
        jnp.stack([x, x + 1]), jnp.stack([w, 2 * w, 3 * w])
    ),
    "vmap of gradients by both": lambda f, x, w: jax.vmap(jax.grad(loss(f), (0, 1)))(
        jnp.stack([x, 2 * x]), jnp.stack([w, w + 1])
    ),
    "gradients of vmap": lambda f, x, w: jax.grad(
        lambda x, w: jax.vmap(loss(f), (None, 0))(x, w).sum(), (0, 1)
    )(x, jnp.stack([w, 2 * w])),
    "jvp of vjp": lambda f, x, w: jax.jvp(
        lambda x: jax.vjp(f, x, w)[1](jnp.sin(f(x, w))), (x,), (x + 1,)
    ),
    "vjp of jvp": lambda f, x, w: jax.grad(
        lambda x: jnp.sin(jax.jvp(f, (x, w), (x + 1, w))[1]).sum()
    )(x),
    "fori_loop": lambda f, x, w: jax.grad(
        lambda x: lax.fori_loop(0, 2, lambda i, c: c + loss(f)(i * x, w), 0.0)
    )(x),
    "switch": lambda f, x, w: jax.jit(
        lambda i: lax.switch(i, [lambda: 2 * f(x, w), lambda: f(x, w)])
    )(1),
    "scan over kernels": lambda f, x, w: lax.scan(
        lambda c, w: (c, f(x, w)), 0, jnp.stack([w, 2 * w])
    )[1],
    "closure_convert": lambda f, x, w: (lambda g, constants: g(x, *constants))(
        *jax.closure_convert(lambda x: f(x, w), x)
    ),
    "pure_callback": lambda f, x, w: jax.pure_callback(
        lambda x, w: np.asarray(f(x, w)), jax.eval_shape(f, x, w), x, w
    ),
    "checkify of gradients": lambda f, x, w: checkify.checkify(
        jax.jit(jax.grad(loss(f), (0, 1))), errors=checkify.all_checks
    )(x, w)[1],
    "pmap of gradients": lambda f, x, w: jax.pmap(jax.grad(loss(f), (0, 1)), in_axes=(0, None))(
        x[None], w
    ),
    "float64": x64,
}
