"""The console's table of a comparison."""

from collections.abc import Mapping

from rich.table import Table

from subpixel.sr.comparison.result import Cost, Number


def cost_table(costs: Mapping[str, Cost]) -> Table:
    """Returns a table of times, work and memory of each upsampler."""
    table = Table(
        title="speed: medians, interleaved, on a training batch",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    for heading in (
        "step\nms", "", "gradient\nms", "forward\nms", "compile\ns",
        "useful\nGFLOP", "executed\nGFLOP", "temporary\nMiB",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    steps = [cost.train_step_ms for cost in costs.values() if cost.train_step_ms is not None]
    for name, cost in costs.items():
        step = cost.train_step_ms
        table.add_row(
            name,
            _fixed(step, 1),
            "" if step is None else f"{step / min(steps):.1f}x",
            _fixed(cost.gradient_ms, 1),
            _fixed(cost.forward_ms, 1),
            _fixed(cost.compile_s, 2),
            _fixed(cost.gflop_useful, 2),
            _fixed(cost.gflop_executed, 2),
            _fixed(cost.temp_mib, 1),
        )
    return table


def _fixed(value: Number, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
