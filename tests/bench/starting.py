"""How long until anything happens: imports, help, and commands that say no.

A refusal that needs neither a user's file nor a model comes before torch is imported; `--help` before anything is. Held
to what a person notices, in user seconds, which a busy machine hardly moves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .timing import summary

ROOT = Path(__file__).parent.parent.parent
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
IMPORTS = [
    "torch",
    "segattr_lib",
    "segattr_lib.benchmark.runner",
    "captum.attr",
    "pytorch_grad_cam",
    "torchcam.methods",
]


def points(repeats: int, quick: bool) -> list[dict[str, Any]]:
    """A point a command: its wall and its user seconds. quick: the first of each kind alone."""
    commands = [("import", f"import {name}", ["-c", f"import {name}"]) for name in IMPORTS]
    commands += [
        (kind, f"segattr {' '.join(call)}", ["-m", "segattr_lib", *call]) for kind in CALLS for call in CALLS[kind]
    ]
    if quick:
        commands = [next(command for command in commands if command[0] == kind) for kind in ("import", *CALLS)]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for _, name, _ in commands}
    with TemporaryDirectory() as folder:
        for _ in range(repeats):
            for _, name, words in commands:
                taken[name].append(seconds_of(words, Path(folder)))
    made = []
    for kind, name, _ in commands:
        user = min(pair[1] for pair in taken[name])
        promised = PROMISED.get(kind)
        kept = promised is None or user <= promised
        wall = summary([pair[0] for pair in taken[name]])
        made.append({"kind": kind, "name": name, **wall, "user": user, "promised": promised, "kept": kept})
        promise = "" if promised is None else f", promised {promised} s" + ("" if kept else ", BROKEN")
        print(f"{wall['minimum']:6.2f} s, {user:5.2f} s of user time{promise}: {name}", flush=True)
    return made


def seconds_of(words: list[str], folder: Path) -> tuple[float, float]:
    """Wall and user seconds of python with these words, in the project's folder for what is executed there."""
    here = ROOT if words[2:3] and words[2] in ("execute", "train") else folder
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began, before = time.perf_counter(), os.times().children_user
    subprocess.run([sys.executable, *words], cwd=here, env=environment, capture_output=True)
    return time.perf_counter() - began, os.times().children_user - before
