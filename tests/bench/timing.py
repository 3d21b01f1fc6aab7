"""Calls timed in turn, so that a busy moment meets all of them, and the rows of the table that this gives."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from segattr_lib.models import engine
from segattr_lib.models.engine import counted_passes
from segattr_lib.models.runtime import synchronised_clock

from .subjects import Subject

Call = Callable[[], Any]
Compare = Callable[[Any, Any], float]


@dataclass(frozen=True)
class Peer:
    """Another package's way to the same end.

    calls: whose seconds add up to its own; a call that several rows share is timed once. compare: the largest
    difference from ours, of what ours and the last of these calls give; None where another quantity is defined, or
    other draws are made.
    """

    package: str
    calls: Sequence[Call]
    compare: Compare | None = None


@dataclass(frozen=True)
class Case:
    """A row before it is timed. work: what all of them do, in a few words. passes: an image's (by torch with its
    gradients, by the engine), where they cannot be counted since a copy of the model is asked."""

    name: str
    work: str
    ours: Call
    peers: dict[str, Peer] = field(default_factory=dict)
    beside: dict[str, Call] = field(default_factory=dict)  # of ours, to hold this against
    passes: tuple[int, int] | None = None


def in_turn(calls: Sequence[Call], repeats: int, device: torch.device) -> dict[Call, list[float]]:
    """The wall seconds of each call, each repeat of all of them before the next."""
    taken: dict[Call, list[float]] = {call: [] for call in calls}
    for _ in range(repeats):
        for call in calls:
            gc.collect()  # what the call before left behind, cycles of grad-cam's among it, is not this one's to clear
            began = synchronised_clock(device)
            call()
            taken[call].append(synchronised_clock(device) - began)
    return taken


def rows_of(group: str, subject: Subject, cases: Sequence[Case], repeats: int) -> list[dict[str, Any]]:
    """A row a case: all calls of these cases once to warm up, where passes and differences are noted, then in turn.

    Between them stand the model's own batched passes, which are what the bound is made of.
    """
    given: dict[Call, Any] = {}
    passes: dict[str, tuple[int, int]] = {}
    for case in cases:
        with asked(subject.module) as (by_torch, by_engine):
            given[case.ours] = case.ours()
        counts = (by_torch(), by_engine())
        passes[case.name] = tuple(len(subject.images) * n for n in case.passes) if case.passes else counts  # type: ignore[assignment]
    others = [call for case in cases for peer in case.peers.values() for call in peer.calls]
    others += [call for case in cases for call in case.beside.values()]
    for call in dict.fromkeys(others):
        given[call] = call()
    by_torch_alone, by_engine_alone = subject.forwards()
    seconds = in_turn([*given, by_torch_alone, by_engine_alone], repeats, subject.runtime.device)
    an_image = (
        min(seconds[by_torch_alone]) / subject.reference_runtime.batch_size,
        min(seconds[by_engine_alone]) / subject.runtime.batch_size,
    )
    rows = []
    for case in cases:
        bound = sum(count * each for count, each in zip(passes[case.name], an_image, strict=True))
        ours = summary(seconds[case.ours])
        row = {
            "group": group,
            "name": case.name,
            "model": subject.name,
            "images": len(subject.images),
            "work": case.work,
            "ours": ours,
            "passes": sum(passes[case.name]),
            "bound": bound,
            "to_bound": ours["minimum"] / bound if bound else None,
            "peers": {label: against(ours, peer, seconds, given, case) for label, peer in case.peers.items()},
            "beside": {
                label: {**summary(seconds[call]), "ratio": ours["minimum"] / min(seconds[call])}
                for label, call in case.beside.items()
            },
        }
        rows.append(row)
        print(line_of(row), flush=True)
    return rows


def against(
    ours: dict[str, float], peer: Peer, seconds: dict[Call, list[float]], given: dict[Call, Any], case: Case
) -> dict[str, Any]:
    """A peer's part of a row; ratio: our shortest time over its shortest."""
    taken = summary([sum(parts) for parts in zip(*(seconds[call] for call in peer.calls), strict=True)])
    theirs = [given[call] for call in peer.calls]
    difference = peer.compare(given[case.ours], theirs[0] if len(theirs) == 1 else theirs) if peer.compare else None
    return {
        "package": peer.package,
        **taken,
        "ratio": ours["minimum"] / taken["minimum"],
        "difference": difference,
    }


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """The shortest, which is what an undisturbed machine takes, and the median."""
    return {"minimum": min(seconds), "median": statistics.median(seconds)}


@contextlib.contextmanager
def asked(module: nn.Module) -> Iterator[tuple[Callable[[], int], Callable[[], int]]]:
    """Counts the images that a model is asked inside the block: those that torch answers, a backward pass being 2, and
    those that the engine in its place answers."""
    instead = [0]
    counted = engine.counted

    def noted(model: nn.Module, images: int) -> None:
        instead[0] += images if model is module else 0
        counted(model, images)

    with patch.object(engine, "counted", noted), counted_passes(module) as all_of_them:
        yield lambda: all_of_them[0] - instead[0], lambda: instead[0]


def furthest(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference of two tensors of one shape where ours has a value; 0 where it has none."""
    apart = (ours.detach().cpu() - theirs.detach().cpu()).abs()
    return float(apart[ours.detach().cpu().isfinite()].amax()) if bool(ours.isfinite().any()) else 0.0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


COLUMNS = ("", "model", "images", "ours, s", "peer, s", "ratio", "passes", "bound, s", "to bound", "apart", "peer")
WIDTHS = (22, 26, 7, 9, 9, 7, 8, 9, 9, 9, 0)


def line_of(row: dict[str, Any]) -> str:
    """A row as the table prints it, beside the fastest of its peers."""
    label, peer = fastest_peer(row)
    apart = [other["difference"] for other in row["peers"].values() if other["difference"] is not None]
    cells = (
        row["name"],
        row["model"],
        row["images"],
        f"{row['ours']['minimum']:.3f}",
        f"{peer['minimum']:.3f}" if peer else "",
        f"{peer['ratio']:.2f}" if peer else "",
        row["passes"] or "",
        f"{row['bound']:.3f}" if row["bound"] else "",
        f"{row['to_bound']:.2f}" if row["to_bound"] else "",
        f"{max(apart):.1e}" if apart else "",
        label,
    )
    text = "".join(
        f"{cell:<{width}}" if place < 2 else f"{cell:>{width}}" if width else f"  {cell}"
        for place, (cell, width) in enumerate(zip(map(str, cells), WIDTHS, strict=True))
    )
    return text + "".join(f"; {call['ratio']:.2f} x {name}" for name, call in row["beside"].items())


def heading() -> str:
    """The columns' names, above the rows of `line_of`."""
    named = zip(COLUMNS, WIDTHS, strict=True)
    return "".join(
        f"{name:<{width}}" if place < 2 else f"{name:>{width}}" if width else f"  {name}"
        for place, (name, width) in enumerate(named)
    )


def fastest_peer(row: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The peer that takes least, by name; none where there is none."""
    if not row["peers"]:
        return "", None
    label = min(row["peers"], key=lambda name: row["peers"][name]["minimum"])
    return label, row["peers"][label]


def rounded(value: Any) -> Any:
    """The same with every float to five digits, as a record needs no more."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def as_json(record: dict[str, Any]) -> str:
    return json.dumps(rounded(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
