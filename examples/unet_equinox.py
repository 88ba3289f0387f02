"""A U-Net in Equinox whose decoder computes its transposed convolutions by `subpixel`.

    python examples/unet_equinox.py [WIDTH STEPS]

The layers stay `eqx.nn.ConvTranspose2d`; only their call changes. The network is trained to remove
noise from a photograph of scikit-image, with each call from the same weights. On two busy cores:

    equinox  loss 0.005274, step  1305.3 ms
    subpixel loss 0.005273, step   177.5 ms
"""

import statistics
import sys
import time
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from skimage import data

import subpixel.equinox

CALLS = {"equinox": lambda layer, x: layer(x), "subpixel": subpixel.equinox.conv_transpose}


class UNet(eqx.Module):
    downs: list[eqx.nn.Conv2d]
    ups: list[eqx.nn.ConvTranspose2d]
    last: eqx.nn.Conv2d

    def __init__(self, n: int, *, key: jax.Array):
        keys = iter(jax.random.split(key, 7))
        down = partial(eqx.nn.Conv2d, kernel_size=3, stride=2, padding=1)
        up = partial(eqx.nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1)
        self.downs = [down(*c, key=next(keys)) for c in ((1, n), (n, 2 * n), (2 * n, 4 * n))]
        self.ups = [up(*c, key=next(keys)) for c in ((4 * n, 2 * n), (4 * n, n), (2 * n, n))]
        self.last = eqx.nn.Conv2d(n + 1, 1, 3, padding=1, key=next(keys))

    def __call__(self, x: jax.Array, call) -> jax.Array:
        skips = []
        for down in self.downs:
            skips.append(x)
            x = jax.nn.relu(down(x))
        for up in self.ups:
            x = jnp.concatenate([jax.nn.relu(call(up, x)), skips.pop()])  # was: up(x)
        return self.last(x)


def main() -> None:
    width, steps = map(int, sys.argv[1:] or (32, 40))
    camera = data.camera()[:256, :256].astype("float32") / 255
    clean = camera.reshape(4, 64, 4, 64).swapaxes(1, 2).reshape(16, 1, 64, 64)
    model, optimizer = UNet(width, key=jax.random.key(0)), optax.adam(1e-3)

    @eqx.filter_jit
    def step(model: UNet, state: optax.OptState, key: jax.Array, call):
        noisy = clean + 0.1 * jax.random.normal(key, clean.shape)
        loss, grads = eqx.filter_value_and_grad(
            lambda model: ((noisy - jax.vmap(partial(model, call=call))(noisy) - clean) ** 2).mean()
        )(model)
        updates, state = optimizer.update(grads, state)
        return eqx.apply_updates(model, updates), state, loss

    runs = {name: (model, optimizer.init(eqx.filter(model, eqx.is_array)), None) for name in CALLS}
    times: dict[str, list[float]] = {name: [] for name in CALLS}
    for index in range(steps):
        for name, (model, state, _) in runs.items():
            start = time.perf_counter()
            result = step(model, state, jax.random.key(index), CALLS[name])
            runs[name] = jax.block_until_ready(result)
            times[name].append(1e3 * (time.perf_counter() - start))
    for name, each in times.items():  # the first step compiles
        print(f"{name:8} loss {runs[name][2]:.6f}, step {statistics.median(each[1:]):7.1f} ms")


if __name__ == "__main__":
    main()
