"""Writes the digests of the named sets that lie under a root, one image a line.

python research/image_digests.py ROOT
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from subpixel.sr._support.files import write_bytes
from subpixel.sr.data.catalogue import SETS
from subpixel.sr.data.images import read_image
from subpixel.sr.datasets import digests


def main(root: Path, target: Path) -> None:
    """Writes the file of all sets."""
    blocks = []
    for entry in SETS.values():
        originals = entry.find(root)
        if originals is None or entry.same_as:
            continue
        lines = []
        for name, path in originals.files.items():
            digest = digests.digest_pixels(read_image(path))
            digest = replace(digest, file=digests.digest_file(path))
            lines.append(f"    {json.dumps(name)}: {json.dumps(asdict(digest))}")
        blocks.append(f"  {json.dumps(entry.name)}: {{\n" + ",\n".join(lines) + "\n  }")
    write_bytes(target, ("{\n" + ",\n".join(blocks) + "\n}\n").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(digests.__file__).with_name("digests.json"))
