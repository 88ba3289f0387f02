"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

Reference: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", arXiv 2409.11321,
Algorithm 3.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

# One square matrix for each side of a kernel's matrix, None for a side that has no basis of its
# own; empty for scalars and vectors.
Sides = tuple[jax.Array | None, ...]


class ScaleBySoapState(NamedTuple):
    """State of `scale_by_soap`: a plain tree of arrays.

    Attributes:
      step: number of updates done, int32.
      mu: mean of the gradients, of the structure of the parameters.
      nu: mean of the squared gradients in the basis: (m, n) for a kernel.
      factors: for each kernel the means of G G^T, (m, m), and of G^T G, (n, n).
      bases: approximate eigenvectors of the factors, as columns.
    """

    step: jax.Array
    mu: Any
    nu: Any
    factors: Any
    bases: Any


def scale_by_soap(
    b1: float = 0.95,
    b2: float = 0.95,
    eps: float = 1e-8,
    *,
    basis_every: int = 10,
    damping: float = 0.0,
    max_side: int = 2048,
) -> optax.GradientTransformation:
    """Rescales gradients by Adam in the eigenbasis of Shampoo's factors.

    A kernel (..., i, o) is the matrix G (m, n) = (... * i, o). With L and R the running means of
    G G^T and G^T G, and U and V their eigenvectors, the update is U A V^T, where A is Adam's update
    for the gradient U^T G V. Scalars and vectors use Adam itself.

    The factors are updated in each step. U and V come from an eigendecomposition in the first step;
    each `basis_every`-th step updates them by one QR step of the power iteration. Unlike in
    Algorithm 3, a gradient enters the factors and the bases before it is rescaled, so that the
    first update needs no exception.

    Where a factor has a null space, its eigenvectors there are rounding, and Adam takes full steps
    along them. With `damping`, U and V instead follow from the identity by the power iteration of
    L + damping * max(eigenvalue) * I, in a fixed order, so that a small change of the gradients
    changes them little.

    Args:
      b1: decay of the mean of the gradients.
      b2: decay of the mean of their squares and of the factors.
      eps: added to the root of the mean square.
      basis_every: updates between two steps of the power iteration that follows the eigenvectors.
      damping: share of the largest eigenvalue of a factor that is added to all, and of the largest
        root of a matrix that is added to `eps`.
      max_side: a side of a kernel matrix that is longer keeps the identity as its basis.

    Example:
      >>> optimizer = scale_by_soap()
      >>> params = {"kernel": jnp.ones((3, 3, 2, 4)), "bias": jnp.ones(4)}
      >>> state = optimizer.init(params)
      >>> updates, state = optimizer.update(params, state)
      >>> updates["kernel"].shape
      (3, 3, 2, 4)
    """
    iterate = partial(_iterate, damping=damping)

    def init(params: optax.Params) -> ScaleBySoapState:
        zeros = jax.tree.map(lambda x: _squares(x, max_side, 0), params)
        eyes = jax.tree.map(lambda x: _squares(x, max_side, 1), params)
        return ScaleBySoapState(
            step=jnp.zeros((), jnp.int32),
            mu=optax.tree.zeros_like(params),
            nu=jax.tree.map(lambda x: jnp.zeros_like(_matrix(x)), params),
            factors=zeros,
            bases=eyes,
        )

    def update(
        updates: optax.Updates, state: Any, params: optax.Params | None = None
    ) -> tuple[optax.Updates, ScaleBySoapState]:
        del params
        leaves, tree = jax.tree.flatten(updates)
        old_factors, old_bases, old_nus = map(
            tree.flatten_up_to, (state.factors, state.bases, state.nu)
        )
        gradients = [_matrix(x) for x in leaves]
        factors = [
            _update_factors(old, g, b2) for old, g in zip(old_factors, gradients, strict=True)
        ]
        bases, nus = jax.lax.switch(
            jnp.where(state.step == 0, 1, 2 * (state.step % basis_every == 0)),
            (_keep, iterate if damping else _decompose, iterate),
            factors,
            old_bases,
            old_nus,
        )
        count = state.step + 1
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        directions, new_nus = [], []
        for g, m, nu, basis in zip(gradients, jax.tree.leaves(mu), nus, bases, strict=True):
            rotated, mean = _to_basis((g, _matrix(m)), basis)
            nu = b2 * nu + (1 - b2) * rotated**2
            mean = mean / (1 - b1**count)
            root = jnp.sqrt(nu / (1 - b2**count))
            adam = mean / (root + eps + (damping * jnp.max(root) if damping else 0.0))
            directions.append(_multiply(adam, basis).reshape(m.shape))
            new_nus.append(nu)
        nu, factors, bases = (tree.unflatten(x) for x in (new_nus, factors, bases))
        return tree.unflatten(directions), ScaleBySoapState(count, mu, nu, factors, bases)

    return optax.GradientTransformation(init, update)


def _matrix(x: jax.Array) -> jax.Array:
    """(..., i, o) -> (... * i, o); scalars and vectors stay as they are."""
    return x if x.ndim < 2 else x.reshape(-1, x.shape[-1])


def _squares(x: jax.Array, max_side: int, diagonal: float) -> Sides:
    """Returns a multiple of the identity for each side."""
    shape = _matrix(x).shape if x.ndim >= 2 else ()
    return tuple(
        diagonal * jnp.eye(side, dtype=x.dtype) if side <= max_side else None for side in shape
    )


def _update_factors(factors: Sides, g: jax.Array, decay: float) -> Sides:
    """Adds G G^T and G^T G to their running means."""
    return tuple(
        None if factor is None else decay * factor + (1 - decay) * (x @ x.T)
        for factor, x in zip(factors, (g, g.T), strict=False)
    )


def _keep(
    factors: list[Sides], bases: list[Sides], nus: list[jax.Array]
) -> tuple[list[Sides], list[jax.Array]]:
    del factors
    return bases, nus


def _decompose(
    factors: list[Sides], bases: list[Sides], nus: list[jax.Array]
) -> tuple[list[Sides], list[jax.Array]]:
    """Replaces the bases by the eigenvectors of the factors, the largest eigenvalue first."""
    del bases
    return jax.tree.map(lambda factor: jnp.linalg.eigh(factor)[1][:, ::-1], factors), nus


def _iterate(
    factors: list[Sides], bases: list[Sides], nus: list[jax.Array], damping: float
) -> tuple[list[Sides], list[jax.Array]]:
    """Takes a step of the power iteration; without damping, the largest eigenvalue first."""
    new_bases, new_nus = [], []
    for each_factors, each_bases, nu in zip(factors, bases, nus, strict=True):
        sides = []
        for axis, (factor, basis) in enumerate(zip(each_factors, each_bases, strict=True)):
            if factor is None or basis is None:
                sides.append(None)
                continue
            product = factor @ basis
            eigenvalues = jnp.sum(basis * product, axis=0)
            if damping:
                product += damping * jnp.max(eigenvalues) * basis
            else:
                # Eigenvalues that are equal but for rounding have no order that layouts share.
                order = jnp.argsort(-eigenvalues)
                product, nu = product[:, order], jnp.take(nu, order, axis=axis)
            sides.append(jnp.linalg.qr(product)[0])
        new_bases.append(tuple(sides))
        new_nus.append(nu)
    return new_bases, new_nus


def _to_basis(matrices: tuple[jax.Array, ...], basis: Sides) -> list[jax.Array]:
    """Returns U^T X V for each X."""
    if basis and basis[0] is not None:
        # One product for all: on a CPU it takes little longer than that of one matrix.
        product = basis[0].T @ jnp.concatenate(matrices, axis=1)
        matrices = tuple(jnp.split(product, len(matrices), axis=1))
    right = None if not basis or basis[1] is None else basis[1].T
    return [_multiply(x, (None, right)) for x in matrices]


def _multiply(x: jax.Array, sides: Sides) -> jax.Array:
    """Returns A X B^T for the sides (A, B), each of which may be None; X itself for ()."""
    if not sides:
        return x
    left, right = sides
    x = x if left is None else left @ x
    return x if right is None else x @ right.T
