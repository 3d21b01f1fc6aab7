"""What things cost, beside the same work by other packages: one table, one JSON (`make bench`).

Calls that are compared take turns; the shortest and the median of the repeats are kept, and the ratios are of the
shortest. The packages' models are as they were loaded, the images are the same, and where definitions agree the
largest difference of what comes out is kept. The bound of a row is the passes it takes times an image's share of the
model's own batched pass, by the engine that makes them. Not tests: a busy machine is not a fault.
"""

from __future__ import annotations

import argparse
import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segattr_lib.models.runtime import ENGINES, PRECISIONS, device_of

from . import growth, machine, methods, metrics, starting, whole
from .subjects import Machine, Subject, open_subject
from .timing import Case, as_json, heading, rows_of

ROOT = Path(__file__).parent.parent.parent
WHOLE = {"many": 32, "few": 3, "size": 224, "grid": 14, "asks": 16}
QUICK = {"many": 2, "few": 2, "size": 64, "grid": 4, "asks": 8}
Cases = Callable[[Subject], list[Case]]
SCENES, PHOTOGRAPHS = ("shapes_lraspp", "shapes"), ("voc_deeplabv3_mobilenetv2", "photographs")
RESIDUAL, PLAIN = ("shapes_resnet18", "single_shapes"), ("shapes_vgg11", "single_shapes")
FAMILIES: list[tuple[str, tuple[str, str], Cases, str]] = [  # group, model and data, cases, how many images
    ("methods", SCENES, methods.gradients_of_a_region, "many"),
    ("methods", SCENES, methods.interventions_in_a_region, "few"),
    ("methods", PHOTOGRAPHS, methods.gradients_of_a_region, "few"),
    ("methods", PHOTOGRAPHS, methods.interventions_in_a_region, "single"),
    ("methods", RESIDUAL, methods.gradient_cams, "many"),
    ("methods", RESIDUAL, methods.channel_cams, "few"),
    ("methods", RESIDUAL, methods.axiomatic, "many"),
    ("methods", PLAIN, methods.rule_based, "many"),
    ("methods", RESIDUAL, methods.sampled, "few"),
    ("metrics", SCENES, metrics.deletions, "many"),
    ("metrics", SCENES, metrics.stability_of_gpa, "few"),
    ("metrics", SCENES, metrics.chance, "few"),
    ("metrics", RESIDUAL, metrics.drop, "many"),
    ("metrics", RESIDUAL, metrics.road_and_arcc, "few"),
]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", default="", help="families or groups whose name has this in it alone")
    parser.add_argument("--device", default=None, help="an accelerator where there is one when left out")
    parser.add_argument("--engine", choices=ENGINES, default="auto")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--out", type=Path, default=ROOT / "book/evidence/bench.json")
    parser.add_argument("--quick", action="store_true", help="few images, once: does it run?")
    asked = parser.parse_args(words)
    gc.collect()
    gc.freeze()  # what is imported stays, and need not be gone through between two calls
    warnings.filterwarnings("ignore", module="captum|pytorch_grad_cam|torchcam|sklearn")
    if asked.quick:
        asked.repeats = 1
    device = device_of(asked.device)
    about = (str(device), asked.engine, asked.precision)
    setting = Machine(*about, **(QUICK if asked.quick else WHOLE))
    samples = 1 if asked.quick else 2
    record: dict[str, Any] = {"machine": machine.began(setting, asked.repeats)}
    print(machine.said(record["machine"]), flush=True)
    if asked.rows in "growth":  # what is short first, so that a fault shows soon
        record["growth"] = growth.points(asked.quick, min(asked.repeats, 3))
    if asked.rows in "starting":
        record["starting"] = starting.points(asked.repeats, asked.quick)
    print(heading(), flush=True)
    record["rows"] = list(table(setting, asked.repeats, asked.rows))
    if asked.rows in "whole":
        record["rows"] += whole.rows(setting, asked.repeats, samples)
    gc.unfreeze()
    record["machine"] |= machine.ended(record["machine"])
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(as_json(record), encoding="utf-8")
    print(f"{record['machine']['minutes']:.1f} minutes, load {record['machine']['load_after']}; written to {asked.out}")
    return 1 if any(not point["kept"] for point in record.get("starting", [])) else 0


def table(setting: Machine, repeats: int, wanted: str) -> Iterator[dict[str, Any]]:
    """The rows of the families whose name or group has `wanted` in it, of one image and of as many as is theirs."""
    subjects: dict[tuple[str, str], Subject] = {}
    for group, about, cases, count in FAMILIES:
        if wanted not in group and wanted not in cases.__name__:
            continue
        if about not in subjects:
            most = min(setting.many, 8) if about == PHOTOGRAPHS else setting.many
            subjects[about] = open_subject(*about, most, setting)
        subject = subjects[about]
        for images in dict.fromkeys([1, {"single": 1, "few": setting.few, "many": setting.many}[count]]):
            some = subject.first(images)
            yield from rows_of(group, some, cases(some), repeats)


if __name__ == "__main__":
    sys.exit(main())
