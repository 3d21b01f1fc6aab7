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
        try:
            files = fetched(package, expected)
        except LookupError:
            print(f"{package} cannot be fetched: widgets and formulas will load from a CDN", file=sys.stderr)
            return 0
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        VENDOR.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            for pattern, name in wanted.items():
                if Path(path).match(pattern):
                    (VENDOR / (name or Path(path).name)).write_bytes(content)
    return 0


def fetched(package: str, expected: str) -> dict[str, bytes]:
    """The files of a package of the npm registry, name@version, by their paths in it.

    expected: the sha512 of the package, in base64. Raises LookupError where it cannot be fetched, and ValueError where
    it has another sha512.
    """
    with tempfile.TemporaryDirectory() as folder:
        pack = ["npm", "pack", "--silent", "--pack-destination", folder, package]
        if subprocess.run(pack, stdout=subprocess.DEVNULL, check=False).returncode:
            raise LookupError(package)
        content = next(Path(folder).glob("*.tgz")).read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != expected:
        raise ValueError(f"{package} is not what it was: its sha512 differs from the pinned one")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                files[member.name] = stream.read()
    return files


if __name__ == "__main__":
    sys.exit(main())
