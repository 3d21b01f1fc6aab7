"""What values are made by: Python, packages, and the commit of a clone."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

OF_VALUES = ("segattr", "torch", "torchvision", "numpy", "scipy", "pillow")  # packages that a value comes from


def versions() -> dict[str, str]:
    """Of Python and of the packages whose versions a manifest tells."""
    return {"python": platform.python_version(), **{name: version(name) for name in (*OF_VALUES, "pandas", "pyarrow")}}


def commit() -> str | None:
    """Of the clone that this file lies in; None where the library is installed, or git is not."""
    clone = Path(__file__).parents[1] / ".git"  # an installed library may lie in a folder of another's repository
    try:
        run = subprocess.run(["git", f"--git-dir={clone}", "rev-parse", "HEAD"], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return run.stdout.strip() or None
