"""SOAP against Adam, NumPy and its own invariances; saved, resumed, donated and on many devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from loops import normal

from subpixel.sr.training.soap import scale_by_soap

DECAYS = {"b1": 0.9, "b2": 0.8, "eps": 1e-8}


def updates_of(optimizer, gradients):
    """Returns what an optimiser makes of each of several gradients, with zeros as parameters."""
    state = optimizer.init(jax.tree.map(jnp.zeros_like, gradients[0]))
    step = jax.jit(optimizer.update)
    found = []
    for gradient in gradients:
        updates, state = step(gradient, state)
        found.append(updates)
    return found


def random_gradients(count, *shape):
    return [jnp.asarray(normal(number, *shape)) for number in range(count)]


def rotation(size, seed=0):
    return np.linalg.qr(normal(seed, size, size))[0]


def assert_close_trees(actual, expected, tolerance):
    jax.tree.map(
        lambda a, e: np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance),
        actual,
        expected,
    )


def reference(gradients, basis_every, damping, b1, b2, eps):
    """The updates for matrices in NumPy: the definition, with explicit left and right bases."""
    m, n = gradients[0].shape
    mu, nu = np.zeros((m, n)), np.zeros((m, n))
    left, right, u, v = np.zeros((m, m)), np.zeros((n, n)), np.eye(m), np.eye(n)
    found = []
    for number, g in enumerate(gradients):
        left = b2 * left + (1 - b2) * g @ g.T
        right = b2 * right + (1 - b2) * g.T @ g
        if damping and number % basis_every == 0:
            u, v = (
                np.linalg.qr((of + damping * np.diag(q.T @ of @ q).max() * np.eye(len(of))) @ q)[0]
                for of, q in ((left, u), (right, v))
            )
        elif number == 0:
            u, v = np.linalg.eigh(left)[1][:, ::-1], np.linalg.eigh(right)[1][:, ::-1]
        elif number % basis_every == 0:
            rows = np.argsort(-np.diag(u.T @ left @ u), kind="stable")
            columns = np.argsort(-np.diag(v.T @ right @ v), kind="stable")
            nu = nu[rows][:, columns]
            u = np.linalg.qr(left @ u[:, rows])[0]
            v = np.linalg.qr(right @ v[:, columns])[0]
        mu = b1 * mu + (1 - b1) * g
        nu = b2 * nu + (1 - b2) * (u.T @ g @ v) ** 2
        mean, root = mu / (1 - b1 ** (number + 1)), np.sqrt(nu / (1 - b2 ** (number + 1)))
        found.append(u @ (u.T @ mean @ v / (root + eps + damping * root.max())) @ v.T)
    return found


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("damping", [0.0, 0.01])
@pytest.mark.parametrize("basis_every", [1, 2, 5])
@pytest.mark.parametrize("shape", [(4, 4), (2, 2, 3, 12), (12, 5)])
def test_updates_are_those_of_the_definition(shape, basis_every, damping):
    # The basis of a null space is arbitrary: all gradients share the row or column space of the
    # first, so that none of them has a part in it.
    first = normal(7, *shape).reshape(-1, shape[-1])
    m, n = first.shape
    gradients = [
        (first @ normal(s, n, n) if m > n else normal(s, m, m) @ first).reshape(shape)
        for s in range(7)
    ]
    optimizer = scale_by_soap(**DECAYS, basis_every=basis_every, damping=damping)
    found = updates_of(optimizer, [jnp.asarray(g) for g in gradients])
    matrices = [g.reshape(m, n) for g in gradients]
    expected = reference(matrices, basis_every, damping, **DECAYS)
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.reshape(m, n), e, rtol=1e-4, atol=1e-5)


def test_with_damping_a_null_space_does_not_amplify_rounding():
    # Gradients of rank 2 in twelve rows; the others differ from them by rounding.
    factors = [(normal(s, 12, 2), normal(s + 9, 2, 5)) for s in range(6)]
    gradients = [jnp.float32(a @ b) for a, b in factors]
    noisy = [g * (1 + jnp.float32(1e-7) * normal(s, 12, 5)) for s, g in enumerate(gradients)]

    def apart(damping):
        optimizer = scale_by_soap(basis_every=2, damping=damping)
        both = zip(updates_of(optimizer, gradients), updates_of(optimizer, noisy), strict=True)
        return max(float(jnp.abs(a - b).max()) for a, b in both)

    assert apart(0.01) < 1e-3 < 0.1 < apart(0.0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("shape", [(), (5,), (3, 3, 2, 4)])
def test_it_is_adam_where_the_basis_is_the_identity(shape):
    # Scalars and vectors have no basis, and a side longer than max_side keeps the identity.
    gradients = random_gradients(6, *shape)
    found = updates_of(scale_by_soap(**DECAYS, basis_every=2, max_side=1), gradients)
    expected = updates_of(optax.scale_by_adam(**DECAYS), gradients)
    assert_close_trees(found, expected, 1e-12)


@pytest.mark.usefixtures("x64")
def test_one_long_side_keeps_the_identity_and_the_other_is_rotated():
    gradients = random_gradients(6, 6, 3)
    turn = rotation(3)
    optimizer = scale_by_soap(**DECAYS, basis_every=2, max_side=5)
    found = updates_of(optimizer, gradients)
    turned = updates_of(optimizer, [g @ turn for g in gradients])
    assert_close_trees(turned, [u @ turn for u in found], 1e-7)
    assert [x.shape for x in jax.tree.leaves(optimizer.init(gradients[0]).bases)] == [(3, 3)]


def test_a_saved_and_a_donated_state_resume_to_the_bit(tmp_path):
    optimizer = scale_by_soap(basis_every=3)
    gradients = [
        {
            "conv1": {"kernel": jnp.float32(normal(s, 3, 3, 2, 4)), "bias": jnp.ones(4)},
            "upsampler": {"kernel": jnp.float32(normal(s + 99, 3, 3, 4, 9))},
        }
        for s in range(8)
    ]
    step = jax.jit(optimizer.update)
    donating = jax.jit(optimizer.update, donate_argnums=1)
    state, donated = optimizer.init(gradients[0]), optimizer.init(gradients[0])
    for gradient in gradients[:4]:
        updates, state = step(gradient, state)
        bases = jax.tree.leaves(donated.bases)
        found, donated = donating(gradient, donated)
        assert all(basis.is_deleted() for basis in bases)
        assert_close_trees(found, updates, 1e-6)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        shapes = jax.eval_shape(optimizer.init, gradients[0])
        restored = checkpointer.restore(tmp_path / "state", shapes)
    for gradient in gradients[4:]:
        expected, state = step(gradient, state)
        found, restored = step(gradient, restored)
        jax.tree.map(np.testing.assert_array_equal, found, expected)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
