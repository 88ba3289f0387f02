"""What README shows is run as it stands there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_python_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_every_place_that_is_named_exists():
    named = set(re.findall(r"`([\w./]+(?:\.py|/))`", README)) - {"T91/", "BSDS500/train/", "Set5/"}
    assert len(named) > 10
    missing = [name for name in named if not any(ROOT.glob(f"**/{name.rstrip('/')}"))]
    assert not missing
