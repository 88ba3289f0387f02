"""Networks as files that other programs run: ONNX, PyTorch, StableHLO."""
