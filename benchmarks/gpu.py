"""Measures the library on the accelerator of this machine, in a time that is given beforehand.

benchmarks/gpu.sh                                   on a machine with an NVIDIA card
python benchmarks/gpu.py --seconds=30 --small       a rehearsal on a CPU

It needs JAX, Flax and jaxtyping, and compares with PyTorch where that is installed. Each result is
a line of JSON, written when it is measured: what the time was too short for is missing, and named.
The parts are transposed convolutions of well-known networks, the training step of two networks by
upsampler, and inference to 1920x1080.
"""

import argparse
import functools
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

import subpixel
from subpixel.sr.compile.geometries import GEOMETRIES, Geometry

# dtype and precision of the products. "default" is TF32 on recent NVIDIA cards, "highest" is not.
MODES = (("float32", "default"), ("float32", "highest"), ("bfloat16", "default"))
UPSAMPLERS = {
    "subpixel": lambda x, w, r: subpixel.subpixel_conv(x, w, r),
    "conv_transpose, jax.lax": lambda x, w, r: _transposed(lax.conv_transpose, x, w, r),
    "conv_transpose, auto": lambda x, w, r: _transposed(subpixel.conv_transpose, x, w, r),
    "zero_insert": lambda x, w, r: subpixel.zero_insert_conv(
        x, subpixel.kernels.convert(w, r, "subpixel", "zero_insert"), r
    ),
}
# Kernel sizes and output channels of the layers before the upsampler, and its kernel size.
NETWORKS = {
    "ESPCN": (((5, 64), (3, 32)), 3),
    "plain, ten layers of 18": (((3, 18),) * 9, 3),
}
SCALE = 3

Programs = dict[str, Callable[[], Any]]


def _transposed(function: Callable, x: jax.Array, w: jax.Array, r: int) -> jax.Array:
    kernel = subpixel.kernels.convert(w, r, "subpixel", "conv_transpose")
    padding = subpixel.kernels.same_padding(kernel.shape[:2], r)
    return function(x, kernel, (r, r), padding)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=420, help="time for all measurements")
    parser.add_argument("--rounds", type=int, default=20, help="timed calls of each program")
    parser.add_argument("--small", action="store_true", help="small images, for a rehearsal")
    parser.add_argument("--json", type=Path, default=Path("gpu.jsonl"), help="file for the results")
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    with options.json.open("w") as file:
        write(file, {"environment": environment()})
        for subject, make in plan(options.small):
            if time.monotonic() > deadline:
                write(file, {**subject, "missing": "the time was over"})
                continue
            try:
                write(file, {**subject, "ms": measure(make(), options.rounds)})
            except Exception as error:  # a program that fails is a result
                write(file, {**subject, "missing": f"{type(error).__name__}: {error}"[:300]})


def write(file, line: dict) -> None:
    print(json.dumps(line), flush=True)
    file.write(json.dumps(line) + "\n")
    file.flush()


def environment() -> dict[str, Any]:
    """Returns versions and devices."""
    device = jax.devices()[0]
    return {
        "python": sys.version.split()[0],
        "jax": jax.__version__,
        "flax": flax.__version__,
        "subpixel": subpixel.__version__,
        "torch": None if torch() is None else torch().__version__,
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "time": time.strftime("%Y-%m-%d %H:%M"),
    }


@functools.cache
def torch() -> Any:
    """Returns the module, or None if it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch


def measure(programs: Programs, rounds: int) -> dict[str, dict[str, float]]:
    """Times programs, interleaved, after two calls of each: median and quartiles in ms."""
    for program in programs.values():
        program()
        program()
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            start = time.perf_counter()
            program()
            times[name].append(1e3 * (time.perf_counter() - start))
    quartiles = {name: statistics.quantiles(values, n=4) for name, values in times.items()}
    return {name: {"median": q[1], "first": q[0], "third": q[2]} for name, q in quartiles.items()}


def plan(small: bool) -> Iterator[tuple[dict[str, Any], Callable[[], Programs]]]:
    """Yields what is measured, the most telling first, and what makes its programs."""
    for dtype, precision in MODES:
        for geometry in GEOMETRIES:
            if small:
                geometry = shrunk(geometry)
            for program in ("gradients", "forward"):
                subject = {"geometry": geometry.name, "program": program, "dtype": dtype}
                make = functools.partial(geometry_programs, geometry, program, dtype, precision)
                yield {**subject, "precision": precision}, make
        for name in NETWORKS:
            size = (2, 8, 8) if small else (256, 32, 32)
            subject = {"network": name, "program": "training step", "patches": list(size)}
            make = functools.partial(network_programs, name, size, dtype, precision, train=True)
            yield {**subject, "dtype": dtype, "precision": precision}, make
        for name in NETWORKS:
            size = (1, 18, 32) if small else (1, 360, 640)
            subject = {"network": name, "program": "inference to 1080p"}
            make = functools.partial(network_programs, name, size, dtype, precision, train=False)
            yield {**subject, "dtype": dtype, "precision": precision}, make


def shrunk(geometry: Geometry) -> Geometry:
    x = (1, *(min(size, 4) for size in geometry.x[1:-1]), min(geometry.x[-1], 8))
    return Geometry(geometry.name, x, geometry.taps, geometry.stride, min(geometry.out, 8))


def geometry_programs(geometry: Geometry, program: str, dtype: str, precision: str) -> Programs:
    """Returns JAX's own function, ours, and PyTorch's with cuDNN."""
    rng = np.random.default_rng(0)
    x, w = (
        rng.standard_normal(shape).astype(np.float32) for shape in (geometry.x, geometry.kernel)
    )

    def of(function: Callable) -> Callable[[], Any]:
        def forward(x, w):
            return function(x, w, geometry.strides, "SAME")

        def gradients(x, w):
            y, pullback = jax.vjp(forward, x, w)
            return y, pullback(2 * y)

        operands = [jnp.asarray(v, dtype) for v in (x, w)]
        with jax.default_matmul_precision(precision):
            chosen = gradients if program == "gradients" else forward
            compiled = jax.jit(chosen).lower(*operands).compile()
        return lambda: jax.block_until_ready(compiled(*operands))

    programs = {"jax.lax": of(lax.conv_transpose), "auto": of(subpixel.conv_transpose)}
    if torch() is not None:
        programs["torch"] = torch_program(geometry, program, dtype, precision, x, w)
    return programs


def torch_program(
    geometry: Geometry, program: str, dtype: str, precision: str, x: np.ndarray, w: np.ndarray
) -> Callable[[], Any]:
    """Returns PyTorch's transposed convolution, channels last, with as many output pixels."""
    module = torch()
    module.backends.cudnn.benchmark = True
    module.backends.cudnn.allow_tf32 = precision != "highest"
    n, kind = len(geometry.taps), getattr(module, dtype)
    device = "cuda" if module.cuda.is_available() else "cpu"
    formats = {2: module.channels_last, 3: module.channels_last_3d}
    layout = {"memory_format": formats[n]} if n in formats else {}
    function = getattr(module.nn.functional, f"conv_transpose{n}d")
    operands = [
        module.tensor(np.moveaxis(x, -1, 1).copy(), dtype=kind, device=device),
        module.tensor(np.moveaxis(w, (-2, -1), (0, 1)).copy(), dtype=kind, device=device),
    ]
    operands = [v.contiguous(**layout).requires_grad_(program == "gradients") for v in operands]
    taps, stride = geometry.taps[0], geometry.stride
    padding = max(0, (taps - stride + 1) // 2)
    extra = stride - taps + 2 * padding

    def run() -> None:
        y = function(*operands, stride=stride, padding=padding, output_padding=extra)
        if program == "gradients":
            module.autograd.grad((y**2).sum(), operands)
        if device == "cuda":
            module.cuda.synchronize()

    return run


def network_programs(
    name: str, size: tuple[int, int, int], dtype: str, precision: str, *, train: bool
) -> Programs:
    """Returns a step of Adam on the mean squared error, or the forward pass, by upsampler."""
    layers, taps = NETWORKS[name]
    rng = np.random.default_rng(0)
    params, inputs = [], 1
    for kernel, outputs in (*layers, (taps, SCALE**2)):
        scale = (kernel * kernel * inputs) ** -0.5
        params.append(
            jnp.asarray(scale * rng.standard_normal((kernel, kernel, inputs, outputs)), dtype)
        )
        inputs = outputs
    lr = jnp.asarray(rng.random((*size, 1)), dtype)
    hr = jnp.asarray(rng.random((size[0], SCALE * size[1], SCALE * size[2], 1)), dtype)
    optimizer = optax.adam(1e-3)

    def of(upsample: Callable) -> Callable[[], Any]:
        def apply(params, x):
            for w in params[:-1]:
                numbers = ("NHWC", "HWIO", "NHWC")
                x = jnp.tanh(
                    lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=numbers)
                )
            return upsample(x, params[-1], SCALE)

        def step(params, state, lr, hr):
            def loss(params):
                return jnp.mean((apply(params, lr) - hr) ** 2)

            gradients = jax.grad(loss)(params)
            updates, state = optimizer.update(gradients, state)
            return optax.apply_updates(params, updates), state

        arguments = (params, optimizer.init(params), lr, hr) if train else (params, lr)
        with jax.default_matmul_precision(precision):
            compiled = jax.jit(step if train else apply).lower(*arguments).compile()
        return lambda: jax.block_until_ready(compiled(*arguments))

    return {upsampler: of(function) for upsampler, function in UPSAMPLERS.items()}


if __name__ == "__main__":
    main()
