"""Names of JAX and Flax that the tests need and that differ between the supported versions."""

import inspect

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax import lax

# `jax.enable_x64` and `jax.set_mesh` are newer than the oldest supported JAX.
enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
set_mesh = jax.set_mesh if hasattr(jax, "set_mesh") else jax.sharding.use_mesh

# Flax 0.12 wants a list of modules to be a module itself; before, it was a list.
List = getattr(nnx, "List", list)

# JAX 0.6 cannot differentiate its own convolution by the kernel on a mesh with explicit axes.
HAS_EXPLICIT_GRADIENTS = jax.__version_info__ >= (0, 10)

# Options of Flax's transposed convolution that older versions do not have, and ours always has.
NEWER_OPTIONS = ("preferred_element_type", "kernel_metadata", "bias_metadata")


def taken_by_flax(options: dict) -> dict:
    """Returns the options, or skips the test if the installed Flax lacks one of them."""
    missing = set(options) - set(inspect.signature(nnx.ConvTranspose.__init__).parameters)
    if missing:
        assert missing <= set(NEWER_OPTIONS)
        pytest.skip(f"this Flax has no {', '.join(missing)} to compare with")
    return options


def lax_conv_transpose(x, w, *, use_consistent_padding=False, **options):
    """`jax.lax.conv_transpose`, also where it is older than its `use_consistent_padding`."""
    if "use_consistent_padding" in inspect.signature(lax.conv_transpose).parameters:
        options["use_consistent_padding"] = use_consistent_padding
    elif use_consistent_padding and not isinstance(options["padding"], str):
        rates = options["rhs_dilation"] or [1] * (w.ndim - 2)
        spans = [d * (k - 1) for k, d in zip(w.shape, rates, strict=False)]
        pairs = zip(spans, options["padding"], strict=True)
        options["padding"] = [(span - a, span - b) for span, (a, b) in pairs]
    return lax.conv_transpose(x, w, **options)


def update(optimizer, model, gradient) -> None:
    """`nnx.Optimizer.update`, which takes the model since Flax 0.11."""
    if "model" in inspect.signature(optimizer.update).parameters:
        optimizer.update(model, gradient)
    else:
        optimizer.update(gradient)


def mixed_conv_transpose(x, w, *, preferred_element_type=None, **options):
    """`jax.lax.conv_transpose`, with a gradient if the result is wider than the operands."""
    if jax.__version_info__ < (0, 7) and preferred_element_type is not None:
        # JAX's own gradient mixes types here and raises; the wide operands give the same result.
        x, w = (jnp.asarray(v, preferred_element_type) for v in (x, w))
    return lax.conv_transpose(x, w, preferred_element_type=preferred_element_type, **options)


def known_options(options: dict) -> dict:
    """Returns the XLA compile options that the installed jaxlib knows."""

    def is_known(name) -> bool:
        try:
            jax.jit(lambda: 0, compiler_options={name: options[name]}).lower().compile()
        except jax.errors.JaxRuntimeError as error:
            if "No such compile option" not in str(error):
                raise
            return False
        return True

    return {name: value for name, value in options.items() if is_known(name)}


def merge(graph, *states):
    """`nnx.merge` into variables of their own, so that it can be called under `jax.jit`."""
    try:
        return nnx.merge(graph, *states, copy=True)
    except TypeError:  # before Flax 0.12, which always copied
        return nnx.merge(graph, *states)


# Whether `jax.jit` knows contexts of its users, so that `subpixel.ops.plain` traces anew.
HAS_USER_CONTEXTS = hasattr(jax, "make_user_context")
