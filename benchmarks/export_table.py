"""Writes the table of speed in docs/export.md from benchmarks/results/inference.json.

python benchmarks/inference.py --rounds 9 --json benchmarks/results/inference.json
python benchmarks/export_table.py
"""

import json
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE, RESULT = ROOT / "docs/export.md", ROOT / "benchmarks/results/inference.json"
# The table stands between these two lines of the page.
BEGIN, END = "<!-- table of benchmarks/export_table.py -->", "<!-- end of the table -->"
LAYOUTS = ("subpixel", "conv_transpose")
RUNTIMES = ("onnx", "torch, channels last")
NAMES = {"espcn": "ESPCN", "fsrcnn": "FSRCNN", "plain": "plain, 10 layers of 18"}


def speed_table(result: dict[str, Any]) -> str:
    """Returns the table as Markdown, with the machine and its load.

    Args:
      result: what `inference.py --json` wrote, with both layouts of each network.
    """
    facts = result["environment"]
    width, height, r = result["width"], result["height"], result["scale"]
    caption = (
        f"Milliseconds for {width}x{height} to {r * width}x{r * height}, median and quartiles of "
        f"{result['rounds']} interleaved rounds; ONNX Runtime {facts['onnxruntime']}, PyTorch "
        f"{facts['torch']}, {facts['threads']} threads of {facts['processor']}. The load average "
        f"was {facts['load_average']:.1f} at the start: other programs ran if it is above 1."
    )
    lines = [
        *textwrap.wrap(caption, 100),
        "",
        "| network | ONNX Runtime: DepthToSpace | ONNX Runtime: ConvTranspose | PyTorch: "
        "PixelShuffle | PyTorch: ConvTranspose2d |",
        "| --- | --- | --- | --- | --- |",
    ]
    for network, by_layout in result["networks"].items():
        cells = [
            _cell(by_layout[layout]["contenders"].get(runtime))
            for runtime in RUNTIMES
            for layout in LAYOUTS
        ]
        lines.append(" | ".join([f"| {NAMES[network]}", *cells]) + " |")
    return "\n".join(lines)


def _cell(measured: dict[str, Any] | None) -> str:
    if measured is None:
        return "not measured"
    low, high = measured["quartiles_ms"]
    return f"{measured['median_ms']:.0f} ({low:.0f} to {high:.0f})"


def with_table(page: str, table: str) -> str:
    """Returns a page with another table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), speed_table(json.loads(RESULT.read_text()))))
