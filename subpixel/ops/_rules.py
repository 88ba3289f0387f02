"""Rules of the primitive for the JAX transformations that keep a table of primitives.

JAX has rules for its convolution in these tables. Without an entry of its own the primitive would
be recomputed where `jax.checkpoint_policies.dots_saveable` saves a convolution, and would not be
checked for NaN by `jax.experimental.checkify`. Three tables of JAX have no entry:
`jax.experimental.roofline` leaves the primitive out of its estimate with a warning,
`jax.experimental.sparse` refuses it as it refuses JAX's convolution with strides, and
`jax.experimental.jet` refuses it.
"""

import functools

import jax
from jax import lax
from jax.extend.core import Var
from jax.interpreters import partial_eval

from subpixel._compat import add_nan_check, is_saveable
from subpixel.ops._native import native_result
from subpixel.ops._primitive import primitive


def _partial_eval(saveable, unknown, instantiated, eqn):
    """Saves the result if the policy saves JAX's convolution of the same arrays."""
    residuals = [
        v
        for v, known in zip(eqn.invars, instantiated, strict=True)
        if isinstance(v, Var) and not known
    ]
    if any(unknown):
        return None, eqn, [True], [True], residuals
    avals = [v.aval for v in eqn.invars]
    own = saveable(eqn.primitive, *avals, **eqn.params)
    if is_saveable(own) or is_saveable(_answer_for_convolution(saveable, avals, eqn.params)):
        return eqn, None, [False], [False], []
    return eqn, eqn, [False], [True], residuals


def _answer_for_convolution(saveable, avals, params):
    function = functools.partial(
        native_result, **{name: params[name] for name in ("result", "axes", "precision")}
    )
    shapes = (jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals)
    for eqn in jax.make_jaxpr(function)(*shapes).eqns:
        if eqn.primitive is lax.conv_general_dilated_p:
            return saveable(eqn.primitive, *(v.aval for v in eqn.invars), **eqn.params)
    return False


partial_eval.partial_eval_jaxpr_custom_rules[primitive] = _partial_eval
add_nan_check(primitive)
