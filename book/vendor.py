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


CHECKS = Path(__file__).parent.parent / "build" / "checks"
CHECKING = {  # what only `make a11y` and `make html-check` need; no part of the book
    "axe-core@4.10.3": (
        "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg==",
        {"package/axe.min.js": "axe.min.js"},
    ),
    "vnu-jar@26.9.27": (
        "TkQd5DFfOaWC9ebtvozTsrH2Vaod3jYg+vrOeREzIXxBexLz9+rS2DNtjn7+RPUiZhgli0SghgBX6RJRNea0KA==",
        {"package/build/dist/vnu.jar": "vnu.jar"},
    ),
}


def main() -> int:
    """The book's scripts; with the argument "checks" what its pages are checked with. The exit status."""
    if sys.argv[1:] == ["checks"]:
        return fetch(CHECKING, CHECKS, "the pages cannot be checked with it", missing=1)
    return fetch(PACKAGES, VENDOR, "widgets and formulas of the book will load from a CDN")


def fetch(packages: dict[str, tuple[str, dict[str, str]]], place: Path, without: str, missing: int = 0) -> int:
    """Fetch the files of packages into a folder, those that are there already aside; 0, or `missing` where a package
    cannot be had, or 1 where it is another than the pinned one."""
    for package, (expected, wanted) in packages.items():
        if all((place / name).exists() for name in wanted.values() if name):
            continue
        if shutil.which("npm") is None:
            print(f"npm is not here: {without}", file=sys.stderr)
            return missing
        try:
            files = fetched(package, expected)
        except LookupError:
            print(f"{package} cannot be fetched: {without}", file=sys.stderr)
            return missing
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        place.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            for pattern, name in wanted.items():
                if Path(path).match(pattern):
                    (place / (name or Path(path).name)).write_bytes(content)
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
