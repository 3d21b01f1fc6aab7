"""What a bench ran on."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from .subjects import Machine

PACKAGES = ("segattr", "torch", "onnxruntime", "captum", "grad-cam", "torchcam")


def began(setting: Machine, repeats: int) -> dict[str, Any]:
    """The machine, what runs on it, and how busy it is before the bench adds to that."""
    return {
        "cpu": chip(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if setting.device.startswith("cuda") else setting.device,
        "precision": setting.precision,
        "engine": setting.engine,
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "repeats": repeats,
        "load_before": round(os.getloadavg()[0], 2),
        "clock": time.monotonic(),
    }


def ended(about: dict[str, Any]) -> dict[str, Any]:
    """How long it took, and how busy the machine was at its end."""
    minutes = (time.monotonic() - about.pop("clock")) / 60
    return {"minutes": minutes, "load_after": round(os.getloadavg()[0], 2)}


def said(about: dict[str, Any]) -> str:
    """The machine in a line."""
    versions = ", ".join(f"{package} {number}" for package, number in about["versions"].items())
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['threads']} threads, device {about['device']}, engine "
        f"{about['engine']}, {about['precision']}, load {about['load_before']}; python {about['python']}, {versions}"
    )


def chip() -> str:
    """The processor's name as it gives it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
