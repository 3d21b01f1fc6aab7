"""Shapes and dtypes of jaxtyping annotations are checked at run time while the tests run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

install_import_hook("segattr_lib", "beartype.beartype")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real() -> Path:
    """A folder with VOCdevkit, models.py and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SEGATTR_REAL", ROOT.parent / "shared" / "real"))
    if not (folder / "VOCdevkit").is_dir():
        pytest.skip(f"no real images at {folder}; set SEGATTR_REAL to a folder that holds VOCdevkit and models.py")
    return folder
