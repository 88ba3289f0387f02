"""PyTorch's side of the benchmark: a process of its own that computes when it is told to.

Each line of standard input is a JSON object; each gets one line of JSON in reply. A geometry,
``{"x": ..., "taps": ..., "stride": ..., "out": ...}``, is prepared and warmed up; the name of a
program, ``{"run": "forward"}`` or ``{"run": "gradients"}``, is timed once. PyTorch and XLA in one
process would share nothing but trouble: each has its own pool of threads.
"""

import json
import sys
import time

import torch


def prepare(geometry: dict) -> dict:
    """Returns the two programs for each memory layout, by name."""
    x_shape, taps, stride = geometry["x"], geometry["taps"], geometry["stride"]
    ndim = len(taps)
    function = getattr(torch.nn.functional, f"conv_transpose{ndim}d")
    x = torch.randn(x_shape[0], x_shape[-1], *x_shape[1:-1])
    weight = torch.randn(x_shape[-1], geometry["out"], *taps)
    # stride * n pixels from n, as with "SAME".
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
        operands = [v.clone().requires_grad_() for v in operands]
        with torch.no_grad():
            cotangent = torch.randn_like(function(*operands, **keywords))

        def forward(operands=operands):
            with torch.no_grad():
                function(*operands, **keywords)

        def gradients(operands=operands, cotangent=cotangent):
            torch.autograd.grad(function(*operands, **keywords), operands, cotangent)

        programs[layout] = {"forward": forward, "gradients": gradients}
        for program in programs[layout].values():
            program()
            program()
    return programs


def main() -> None:
    programs: dict = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "run" not in order:
            programs = prepare(order)
            reply = {"torch": torch.__version__, "threads": torch.get_num_threads()}
        else:
            reply = {}
            for layout, of_layout in programs.items():
                start = time.perf_counter()
                of_layout[order["run"]]()
                reply[layout] = (time.perf_counter() - start) * 1e3
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
