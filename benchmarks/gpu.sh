#!/usr/bin/env bash
# Measures the library on this machine's NVIDIA card and runs its tests there, in ten minutes at most.
# Nothing is downloaded: JAX for CUDA, Flax and jaxtyping must be installed; PyTorch is compared with,
# and the tests run, where torch, and pytest with hypothesis and scikit-image, are installed too.
# Usage: benchmarks/gpu.sh [FOLDER]   the results go into FOLDER (default: gpu-results)
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
results=${1:-gpu-results}
seconds=${SECONDS_TO_MEASURE:-380}
mkdir -p "$results"
export XLA_PYTHON_CLIENT_PREALLOCATE=false  # PyTorch needs memory beside JAX

"$python" -c "import jax, flax, jaxtyping" ||
  { echo "gpu.sh: install JAX for your card, Flax and jaxtyping first: pip install -e . 'jax[cuda13]'"; exit 1; }
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >"$results/card.txt" 2>/dev/null ||
  echo "no NVIDIA card: a rehearsal on another platform" | tee "$results/card.txt"

timeout $((seconds + 60)) "$python" benchmarks/gpu.py --seconds="$seconds" --json="$results/gpu.jsonl" \
  ${SMALL:+--small} || echo "gpu.sh: the measurements ended early; what was measured is in $results"

if "$python" -c "import pytest, hypothesis, skimage" 2>/dev/null; then
  # Products in TF32 would differ by more than the tests allow.
  JAX_DEFAULT_MATMUL_PRECISION=highest timeout 150 "$python" -m pytest -q -o addopts= --import-mode=importlib \
    -m "not slow" tests/ops/test_conv_transpose.py tests/ops/test_plain.py tests/nnx/test_layers.py \
    >"$results/tests.txt" 2>&1 || true
  tail -n 3 "$results/tests.txt"
else
  echo "the tests need pytest, hypothesis and scikit-image: not run" | tee "$results/tests.txt"
fi
echo "results: $results"
