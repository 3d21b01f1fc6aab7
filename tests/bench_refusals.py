"""How long does a command take that says no? User seconds, against what a person notices.

A refusal that needs neither a user's file nor a model comes before torch is imported; `--help` before anything is.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROMISED = {"help": 0.3, "refusal": 1.0}  # seconds of one core
CALLS = {
    "help": [["--help"], ["benchmark", "--help"]],
    "refusal": [
        ["benchmark", "-o", "out", "-p", "sampels=3"],
        ["benchmark", "-o", "out", "-p", "methods=riia"],
        ["benchmark", "-o", "out", "-p", "methods=ria(gird=7)"],
        ["benchmark", "-o", "out", "-p", "metrics=tdd(kk=0.1)"],
        ["benchmark", "-o", "out", "-p", "fill=men"],
        ["benchmark", "-o", "out", "-p", "dataset=shpes"],
        ["benchmark", "-o", "out", "-p", "model=shapes_fnc"],
        ["execute", "benchmrk"],
        ["execute", "benchmark", "-p", "sampels=3"],
        ["execute", "--profile", "smok"],
        ["train", "shapes_fnc"],
        ["train", "--suite", "benchmrk"],
    ],
}


def main() -> int:
    """Time every call, the better of two, and tell by the exit code whether one breaks its promise."""
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind, calls in CALLS.items():
            for call in calls:
                seconds = min(user_seconds(call, Path(folder)) for _ in range(2))
                kept = seconds <= PROMISED[kind]
                broken += not kept
                promise = f"promised {PROMISED[kind]} s" + ("" if kept else ", BROKEN")
                print(f"{seconds:6.2f} s of user time, {promise}: segattr {' '.join(call)}")
    return 1 if broken else 0


def user_seconds(call: list[str], folder: Path) -> float:
    """User time of one call of the command line, in the project's folder for what is executed there."""
    here = ROOT if call[0] in ("execute", "train") else folder
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([sys.executable, "-m", "segattr_lib", *call], cwd=here, env=environment, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


if __name__ == "__main__":
    sys.exit(main())
