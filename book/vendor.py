"""Fetch the scripts that widgets and formulas need into book/_static/vendor, from the npm registry.

Pinned versions, checked against their integrity hashes. Without npm the book loads them from a CDN instead.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent / "_static" / "vendor"
PACKAGES = {  # name@version: its sha512, and which files become what
    "@jupyter-widgets/html-manager@1.0.15": (
        "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
        {"package/dist/embed.js": "html-manager.js", "package/dist/*.woff2": ""},
    ),
    "mathjax@3.2.2": (
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        {"package/es5/tex-svg.js": "mathjax-tex-svg.js"},
    ),
}


def main() -> int:
    if (VENDOR / "html-manager.js").exists() and (VENDOR / "mathjax-tex-svg.js").exists():
        return 0
    if shutil.which("npm") is None:
        print("npm is not here: widgets and formulas of the book will load from a CDN", file=sys.stderr)
        return 0
    for package, (expected, wanted) in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            pack = ["npm", "pack", "--silent", "--pack-destination", folder, package]
            if subprocess.run(pack, stdout=subprocess.DEVNULL, check=False).returncode:
                print(f"{package} cannot be fetched: widgets and formulas will load from a CDN", file=sys.stderr)
                return 0
            content = next(Path(folder).glob("*.tgz")).read_bytes()
        if base64.b64encode(hashlib.sha512(content).digest()).decode() != expected:
            print(f"{package} is not what it was: its sha512 differs from the pinned one", file=sys.stderr)
            return 1
        VENDOR.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                for pattern, name in wanted.items():
                    if Path(member.name).match(pattern):
                        stream = archive.extractfile(member)
                        assert stream is not None
                        (VENDOR / (name or Path(member.name).name)).write_bytes(stream.read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
