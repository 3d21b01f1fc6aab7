"""Faithful segmentation attribution: methods, metrics and benchmarks behind the executable book."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`segattr_lib.explain` is photograph.explain, imported when it is asked for: importing the package is cheap."""
    if name == "explain":
        from segattr_lib.photograph import explain

        return explain
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
