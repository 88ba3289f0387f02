"""ESPCN x3 from scratch in one file, without the application `subpixel.sr`.

    python examples/espcn_from_scratch.py [STEPS]

Trains the network of arXiv 1609.05158 on the luma of photographs of scikit-image. It prints the
loss, and the PSNR on a photograph that it did not see:

    coffee, bicubic 28.41 dB
    coffee, espcn   28.97 dB
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from skimage import data

from subpixel.image import imresize, modcrop, psnr, rgb_to_luma
from subpixel.initializers import icnr
from subpixel.nnx import SubpixelConv

SCALE = 3
TRAINING = (data.astronaut, data.chelsea, data.rocket, data.hubble_deep_field)


class ESPCN(nnx.Module):
    """Luma in 0..1, (n, h, w, 1) -> (n, 3h, 3w, 1), as a correction of nearest neighbour."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.first = nnx.Conv(1, 64, (5, 5), rngs=rngs)
        self.second = nnx.Conv(64, 32, (3, 3), rngs=rngs)
        init = icnr(nnx.initializers.lecun_normal(), SCALE)  # starts without a checkerboard
        self.last = SubpixelConv(32, 1, (3, 3), SCALE, kernel_init=init, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        nearest = x.repeat(SCALE, 1).repeat(SCALE, 2)
        y = jnp.tanh(self.second(jnp.tanh(self.first(4 * (x - 0.5)))))
        return nearest + 0.1 * self.last(y)


def pair(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LR and HR luma in 0..1, (h, w, 1) and (3h, 3w, 1)."""
    hr = modcrop(rgb_to_luma(rgb.astype(np.float32)), SCALE) / 255
    return imresize(hr, 1 / SCALE), hr


def main() -> None:
    steps = int(sys.argv[1]) if sys.argv[1:] else 2000
    pairs, model = [pair(load()) for load in TRAINING], ESPCN(rngs=nnx.Rngs(0))
    schedule = optax.cosine_decay_schedule(2e-3, steps)
    optimizer = nnx.Optimizer(model, optax.adam(schedule), wrt=nnx.Param)

    @nnx.jit
    def step(model: ESPCN, optimizer: nnx.Optimizer, lr: jax.Array, hr: jax.Array) -> jax.Array:
        loss, grads = nnx.value_and_grad(lambda model: ((model(lr) - hr) ** 2).mean())(model)
        optimizer.update(model, grads)
        return loss

    random, size = np.random.default_rng(0), 17
    for index in range(steps):
        patches = []
        for lr, hr in (pairs[i] for i in random.integers(len(pairs), size=16)):
            y, x = (random.integers(n - size + 1) for n in lr.shape[:2])
            patches.append((lr[y:, x:][:size, :size], hr[3 * y :, 3 * x :][: 3 * size, : 3 * size]))
        loss = step(model, optimizer, *map(jnp.stack, zip(*patches, strict=True)))
        if index % 500 == 0 or index == steps - 1:
            print(f"step {index:5}: loss {loss:.6f}")

    lr, hr = pair(data.coffee())
    results = imresize(lr, SCALE), np.asarray(model(jnp.asarray(lr[None])))[0]
    for name, y in zip(("bicubic", "espcn"), results, strict=True):
        print(f"coffee, {name:7} {psnr(y.clip(0, 1), hr, shave=SCALE, peak=1.0):.2f} dB")


if __name__ == "__main__":
    main()
