"""The table of speed in docs/export.md is that of benchmarks/results/inference.json."""

import json

import export_table as tool


def entry(onnx: float, torch: float | None):
    measured = {"onnx": onnx} | ({} if torch is None else {"torch, channels last": torch})
    times = {k: {"median_ms": v, "quartiles_ms": [v - 1, v + 1]} for k, v in measured.items()}
    return {"contenders": times}


def test_each_time_stands_in_its_column():
    environment = {"onnxruntime": "1.32.0", "torch": "2.13.0", "threads": 2, "processor": "P"}
    result = {
        "environment": environment | {"load_average": 0.04},
        "scale": 3,
        "height": 360,
        "width": 640,
        "rounds": 9,
        "networks": {"espcn": {"subpixel": entry(45, 86), "conv_transpose": entry(129, None)}},
    }
    table = tool.speed_table(result)
    assert "640x360 to 1920x1080" in table
    assert "load average was 0.0 at the start" in " ".join(table.split())
    row = "| ESPCN | 45 (44 to 46) | 129 (128 to 130) | 86 (85 to 87) | not measured |"
    assert table.splitlines()[-1] == row


def test_the_page_holds_the_table_of_the_committed_result():
    page, result = tool.PAGE.read_text(), json.loads(tool.RESULT.read_text())
    assert tool.with_table(page, tool.speed_table(result)) == page
