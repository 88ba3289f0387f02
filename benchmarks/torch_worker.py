"""The process of PyTorch for the benchmarks.

The process reads requests from standard input, one JSON object a line, and answers each with one
line of JSON. ``{"prepare": NAME, ...}`` calls the function NAME (`conv_transpose`, `training` or
`inference`) with the other keys as arguments, and warms up the programs that it returns.
``{"run": "gradients", "repeat": 1}`` times the program of that name, in the way in which
`race.race` times programs of JAX. PyTorch has a process of its own because its
pool of threads would compete with XLA's in one process.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch


def conv_transpose(*, x, taps, stride, out, name) -> dict:
    """Returns the programs of a geometry for each memory layout, by name.

    The programs are those of `compile_program` in conv_transpose.py.
    """
    del name
    x_shape, ndim = x, len(taps)
    function = getattr(torch.nn.functional, f"conv_transpose{ndim}d")
    x = torch.randn(x_shape[0], x_shape[-1], *x_shape[1:-1])
    weight = torch.randn(x_shape[-1], out, *taps)
    # The output has stride * n pixels, as with the padding "SAME".
    padding = max(0, (taps[0] - stride + 1) // 2)
    keywords = {
        "stride": stride,
        "padding": padding,
        "output_padding": stride - taps[0] + 2 * padding,
    }
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    programs = {}
    for layout in ("channels first", *(["channels last"] if ndim in formats else [])):
        operands = [x, weight]
        if layout == "channels last":
            operands = [v.to(memory_format=formats[ndim]) for v in operands]
        operands = [v.clone().requires_grad_() for v in (*operands, torch.randn(out))]

        def forward(operands=operands):
            with torch.no_grad():
                function(*operands[:2], **keywords)

        def gradients(operands=operands[:2]):
            _backward(function(*operands, **keywords), operands)

        def layer(operands=operands):
            _backward(torch.relu(function(*operands, **keywords)), operands)

        programs[layout] = {"forward": forward, "gradients": gradients, "layer": layer}
    return programs


def _backward(y, operands) -> None:
    """Computes the gradients of sum(y^2) with respect to the operands."""
    for operand in operands:
        operand.grad = None
    y.square().sum().backward()


def training(*, code, lr, scale, compiled) -> dict:
    """Returns the training step of a network for each memory layout: Adam and the squared error.

    Args:
      code: Python source that defines the module `model`.
      lr: shape of the LR patches, (n, h, w, c).
      scale: r.
      compiled: whether to compile the channels-last module too.
    """
    n, height, width, channels = lr
    shapes = {"lr": (n, channels, height, width)}
    shapes["hr"] = (n, channels, height * scale, width * scale)
    batch = {k: torch.randint(0, 256, shape, dtype=torch.uint8) for k, shape in shapes.items()}
    programs = {}
    for layout, form in (
        ("channels first", torch.contiguous_format),
        ("channels last", torch.channels_last),
        *([("compiled", torch.channels_last)] if compiled else []),
    ):
        names: dict = {}
        exec(code, names)
        model = names["model"].to(memory_format=form)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        laid_out = {k: v.to(memory_format=form) for k, v in batch.items()}
        if layout == "compiled":
            model = torch.compile(model)

        def step(model=model, optimizer=optimizer, batch=laid_out):
            lr, hr = (batch[key].float() / 255 for key in ("lr", "hr"))
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(lr), hr).backward()
            optimizer.step()

        programs[layout] = {"step": step}
    return programs


def inference(*, code, folder, threads, compiled) -> dict:
    """Returns the forward pass of a network on one image, eager and compiled.

    Outputs are written to FOLDER/NAME.npy, float32 (r*h, r*w). A program that PyTorch cannot
    compile is left out; FOLDER/NAME.txt has the reason.

    Args:
      code: Python source that defines the module `model`.
      folder: path of the folder with weights.npz, a state dict, and image.npy, float32 (h, w, 1).
      threads: number of threads of one operation.
      compiled: whether to compile the module too.
    """
    torch.set_num_threads(threads)
    names: dict = {}
    exec(code, names)
    model = names["model"].eval()
    with np.load(f"{folder}/weights.npz") as weights:
        state = {key: torch.from_numpy(weights[key].copy()) for key in weights.files}
    model.load_state_dict(state)
    model = model.to(memory_format=torch.channels_last)
    image = torch.from_numpy(np.load(f"{folder}/image.npy").transpose(2, 0, 1)[None].copy())
    image = image.to(memory_format=torch.channels_last)
    programs = {}
    for name in ("channels last", *(["compiled"] if compiled else [])):
        module = torch.compile(model) if name == "compiled" else model

        def forward(module=module):
            with torch.inference_mode():
                return module(image)

        try:
            np.save(f"{folder}/{name}.npy", forward()[0, 0].contiguous().numpy())
        except Exception as error:
            # Errors of a compiler, or of a missing one, share no base class.
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            Path(folder, f"{name}.txt").write_text(reason)
            continue
        programs[name] = {"forward": forward}
    return programs


PREPARE = {"conv_transpose": conv_transpose, "training": training, "inference": inference}


def main() -> None:
    programs: dict = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "run" not in order:
            programs = PREPARE[order.pop("prepare")](**order)
            for of_layout in programs.values():
                for program in of_layout.values():
                    program()
                    program()
            reply = {"torch": torch.__version__, "threads": torch.get_num_threads()}
        else:
            reply = {}
            for layout, of_layout in programs.items():
                program, repeat = of_layout[order["run"]], order["repeat"]
                if repeat > 1:
                    program()
                start = time.perf_counter()
                for _ in range(repeat):
                    program()
                reply[layout] = (time.perf_counter() - start) * 1e3 / repeat
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
