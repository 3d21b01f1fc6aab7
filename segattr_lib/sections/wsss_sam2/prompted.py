"""Explainers as prompts: what a run's maps are worth as masks, and as cues for a promptable segmenter.

Rows join the run's own, so that interpretability (coverage, spill, pointing game, effectiveness: the run's metrics)
and utility (the IoU of a mask) are read from one table and told apart. `iou(segmenter=threshold)` is of a map's own
support, `iou(segmenter=NAME)` of the mask that NAME gives when it is prompted with the map's cues.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from segattr_lib.attribution import Method
from segattr_lib.benchmark.failures import sample_errors
from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.runner import Question, run_benchmark
from segattr_lib.benchmark.settings import Settings
from segattr_lib.data.sample import SampleError
from segattr_lib.evaluate import device_of
from segattr_lib.metrics import MEASURED, metric_key
from segattr_lib.own_code import as_loaded
from segattr_lib.prompting import cues
from segattr_lib.prompting.cues import Cues, NoCues
from segattr_lib.prompting.segmenters import Segmenter, fingerprint, load_segmenter, stacked
from segattr_lib.registry import Key, UserError, own_fingerprint, with_options
from segattr_lib.seeds import generator
from segattr_lib.targets import Values

INTERPRETABILITY = ["coverage", "spill", "pointing_game", "effectiveness"]
FUSIONS = {"mean": "mean of the maps", "weighted": "weighted by reliability"}
ALONE = {"centre_point": "centre point", "uniform_points": "uniform points"}  # the segmenter without a map
CEILING = {"truth": "points of the truth"}
THRESHOLD = "threshold"  # in a segmenter's place: the map's own support


@dataclass(frozen=True)
class Prompting:
    """How maps become prompts (spec 3; the poster's defaults).

    segmenters: names that segmenters.load_segmenter takes. threshold: of a map's support. foreground, background:
    points. top, bottom: the shares of pixels they are drawn from. apart: px between points. robustness: the metric
    that weighs a map beside consensus and focus. counts: of points of either kind, and shares, top and bottom alike,
    that the fused maps' prompts are tried with too.
    """

    segmenters: list[str] | tuple[str, ...] = ("shapes_sam2", "random_walker")
    threshold: int | float = 0.5
    foreground: int = 5
    background: int = 5
    top: float = 0.05
    bottom: float = 0.05
    apart: int | float = 8
    robustness: str = "stability"
    counts: list[int] | tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    shares: list[float] | tuple[float, ...] = (0.01, 0.02, 0.1, 0.2)

    def __post_init__(self) -> None:
        lists = {"segmenters": self.segmenters, "counts": self.counts, "shares": self.shares}
        for name, values in lists.items():
            if not isinstance(values, list | tuple):
                raise UserError(f"{name} is {values!r}; expected a list.")
        for number in (self.foreground, self.background, *self.counts):
            if not isinstance(number, int):
                raise UserError(f"foreground, background or one of counts is {number!r}; expected whole numbers.")
        for share in (self.threshold, self.top, self.bottom, self.apart, *self.shares):
            if not isinstance(share, int | float):
                raise UserError(f"threshold, top, bottom, apart or one of shares is {share!r}; expected numbers.")
        if not 0 <= self.apart < math.inf:
            raise UserError(f"apart is {self.apart}; expected a distance of 0 px or more.")
        if not self.segmenters or THRESHOLD in self.segmenters:
            raise UserError(f"segmenters is {self.segmenters}; expected one or more, {THRESHOLD!r} is always told.")
        if not 0 < self.threshold <= 1:
            raise UserError(f"threshold is {self.threshold}; expected a value in (0, 1], such as 0.5.")
        if self.foreground < 1 or self.background < 0 or min(self.counts, default=1) < 1:
            raise UserError(
                f"foreground is {self.foreground}, background {self.background}, counts {self.counts}; expected one "
                "point in the foreground or more, and no negative number."
            )
        for share in (self.top, self.bottom, *self.shares):
            if not 0 < share <= 0.5:
                raise UserError(f"top, bottom or one of shares is {share}; expected shares of pixels in (0, 0.5].")


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a segmenter is asked: the rows' method and variant, the options that its metric's name tells, and the
    cues, or why there are none. Each is one of its own: two are the same only if they are one."""

    method: str
    variant: str
    options: str
    cues: Cues | str


@as_loaded()
def run_prompted(settings: Settings, prompts: Prompting, folder: str | Path) -> Path:
    """run_benchmark with the explainers as prompts: the run's rows, and those of `prompt_rows`; return the folder.

    Every method that is no control takes part in the fusions. Raises UserError as run_benchmark and load_segmenter
    do, before the long work, where fewer than two methods can be fused, and for a metric of robustness that gives a
    map no number, or several.
    """
    robustness = metric_key(prompts.robustness)
    settings = settings.changed({"metrics": list(dict.fromkeys([*settings.metrics, robustness]))})
    explainers = _explainers(settings.method_keys())
    if len(explainers) < 2:
        raise UserError(f"methods has {len(explainers)} that are no controls; a fusion needs two or more.")
    many: dict[str, list[Any]] = {"k": settings.k, "fill": settings.evaluation_fills(None)}
    takes = [option for option in many if option in robustness.entry.options and option not in robustness.options]
    if robustness.name in MEASURED or any(len(many[option]) > 1 for option in takes):
        raise UserError(f"robustness is {prompts.robustness!r}; expected a metric that gives a map one number.")
    device = str(device_of(settings.device))
    segmenters = {one: load_segmenter(one, device) for one in prompts.segmenters}
    code = {name: own_fingerprint("promptable segmenter", name) for name in segmenters if ":" in name}
    about = {one: list(value) if isinstance(value, tuple) else value for one, value in asdict(prompts).items()}
    question = Question(
        "wsss_sam2",
        {**about, "weights": {name: fingerprint(segmenter) for name, segmenter in segmenters.items()}},
        lambda group, variants: prompt_rows(group, variants, prompts, segmenters),
        code,
    )
    return run_benchmark(settings, folder, question)


def prompt_rows(
    group: Group, variants: list[Key], prompts: Prompting, segmenters: dict[str, Segmenter]
) -> list[dict[str, Any]]:
    """Rows of the group's samples, all beside the run's own of its metrics.

    Of each explainer: consensus, focus, robustness and weight; agreement(with=OTHER), the IoU of two supports.
    Of the fusions: those of the run's metrics that are of INTERPRETABILITY. Of every map, of ALONE and of the
    CEILING: iou and confidence by segmenter; of the fusions also with background=0, with cues=box, the box of the
    support, and by other numbers of points and shares. Of every map: iou(segmenter=threshold); coverage and spill
    against=SEGMENTER, its mask from the weighted fusion standing for the truth.

    A map that the run calls failed has no values here either, and counts as one of zeros in the fusions; values of a
    constant map are degenerate; the weighted fusion does not exist where no map is reliable.
    """
    robust = {one: group.rows_of(one, [metric_key(prompts.robustness)])[0] for one in variants}
    notes = {_key(row): (row["status"], row["reason"]) for told in robust.values() for row in told}
    notes = {key: note for key, note in notes.items() if note[0] == "failed"}
    maps = {}
    for one, judged in robust.items():
        broken = torch.tensor([row["status"] == "failed" for row in judged], device=group.images.device)
        maps[one] = group.maps_of(one)[0].masked_fill(broken[:, None, None], 0)
    explainers = _explainers(variants)
    together = torch.stack([maps[one] for one in explainers])
    parts = {
        "consensus": cues.consensus(together, prompts.threshold),
        "focus": cues.focus(together),
        "robustness": torch.stack([_values(robust[one]) for one in explainers]).to(together),
    }
    weights = cues.reliability(*parts.values())
    rows: list[dict[str, Any]] = []
    for name, values in {**parts, "weight": weights}.items():
        for one, told in zip(explainers, values, strict=True):
            rows += [_row(group, index, one, name, value) for index, value in enumerate(told.tolist())]
    agreement = cues.pairwise_iou(cues.support(together, prompts.threshold))
    for (a, one), (b, other) in permutations(enumerate(explainers), 2):
        metric = with_options("agreement", f"with={other.text}")
        rows += [_row(group, index, one, metric, value) for index, value in enumerate(agreement[:, a, b].tolist())]
    fusions = {"mean": cues.fused(together), "weighted": cues.fused(together, weights)}
    for name, fused in fusions.items():
        one = Key(name, entry_of=lambda name: Method(cues.fused, FUSIONS[name], "fusion"))
        of_maps = [each for each in group.run.metrics if each.name in INTERPRETABILITY]
        rows += group.judged(one, fused, of_maps, [])
        maps[one] = torch.nan_to_num(fused)
    for index, sample in enumerate(group.samples):
        if weights[:, index].isnan().any():
            notes["weighted", "", sample.sample_id] = ("undefined", metric_key("weight").entry.undefined)
        of_sample = {one: all_maps[index] for one, all_maps in maps.items()}
        for one, one_map in of_sample.items():
            if one_map.amax() == one_map.amin():
                notes.setdefault((one.name, one.pinned, sample.sample_id), ("degenerate", "the map is constant"))
        rows += list(_masks(group, index, of_sample, prompts, segmenters))
    return [_noted(row, *notes.get(_key(row), ("ok", None))) for row in rows]


def _explainers(variants: list[Key]) -> list[Key]:
    return [one for one in variants if one.entry.family != "control"]


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["method"], row["variant"], row["sample_id"]


def _noted(row: dict[str, Any], status: str, reason: str | None) -> dict[str, Any]:
    """A row of a map that this is known of."""
    if status in ("failed", "undefined"):
        return {**row, "value": None, "status": status, "reason": reason}
    return {**row, "status": status, "reason": reason} if row["status"] == "ok" else row


def _masks(
    group: Group,
    index: int,
    maps: dict[Key, Float[Tensor, "h w"]],
    prompts: Prompting,
    segmenters: dict[str, Segmenter],
) -> Iterator[dict[str, Any]]:
    """The rows of one sample's masks."""
    assert group.target.truth is not None
    truth, told = group.target.truth[index].cpu(), ~group.ring[index].cpu()
    for one, one_map in maps.items():
        support = cues.support(one_map, prompts.threshold).cpu()
        metric = with_options("iou", f"segmenter={THRESHOLD}")
        yield _row(group, index, one, metric, _iou(support, truth, told))
    for name, segmenter in segmenters.items():
        asked = _prompts(group, index, maps, truth, prompts)
        given = {prompt: prompt.cues for prompt in asked if isinstance(prompt.cues, Cues)}
        fault: str | None = None
        try:
            answers = _answers(name, segmenter, group.images[index], given)
        except SampleError as error:
            answers, fault = {}, error.reason
            group.raised[fault] = "metric"
        proxy: Tensor | None = None
        for prompt in asked:
            values, reason = {"iou": math.nan, "confidence": math.nan}, fault
            if prompt in answers:
                mask, confidence = answers[prompt]
                values = {"iou": _iou(mask, truth, told), "confidence": confidence}
                proxy = mask if (prompt.method, prompt.options) == ("weighted", "") else proxy
            elif isinstance(prompt.cues, str):
                reason = prompt.cues
            status = "failed" if reason and reason == fault else "undefined"
            for metric, value in values.items():
                written = with_options(metric, f"segmenter={name}{prompt.options}")
                yield _row(group, index, prompt, written, value, reason, status)
        for one, one_map in maps.items():
            support = cues.support(one_map, prompts.threshold).cpu()
            told_of = {"coverage": math.nan, "spill": math.nan}
            if proxy is not None:
                told_of = {"coverage": _share(support, proxy), "spill": 1 - _share(proxy, support)}
            reason = fault or ("there is no mask" if proxy is None else None)
            status = "failed" if fault else "undefined"
            for metric, value in told_of.items():
                yield _row(group, index, one, with_options(metric, f"against={name}"), value, reason, status)


def _answers(
    name: str, segmenter: Segmenter, image: Float[Tensor, "3 h w"], given: dict[Prompt, Cues]
) -> dict[Prompt, tuple[Tensor, float]]:
    """The segmenter's mask and confidence for every prompt. Raises SampleError where it fails on this image."""
    with sample_errors():
        masks, confidences = segmenter(image)(*stacked(list(given.values())))
        expected = (len(given), *image.shape[1:])
        if masks.dtype != torch.bool or masks.shape != expected or confidences.shape != expected[:1]:
            raise SampleError(
                "failed",
                f"the segmenter {name!r} gives masks {tuple(masks.shape)} of {masks.dtype} and confidences "
                f"{tuple(confidences.shape)}; expected {expected} of torch.bool and {expected[:1]}",
            )
        return dict(zip(given, zip(masks.cpu(), confidences.tolist(), strict=True), strict=True))


def _prompts(
    group: Group,
    index: int,
    maps: dict[Key, Float[Tensor, "h w"]],
    truth: Bool[Tensor, "h w"],
    prompts: Prompting,
) -> list[Prompt]:
    """All that a segmenter is asked about one sample. What is drawn depends on nothing but the run's seed, the
    sample, the map and the setting."""
    plain = {name: getattr(prompts, name) for name in ("foreground", "background", "top", "bottom", "apart")}
    of_truth: dict[str, Any] = {name: plain[name] for name in ("foreground", "background", "apart")}
    shape = (truth.shape[0], truth.shape[1])
    bare = {"background": 0}

    def rng(method: str, variant: str = "") -> np.random.Generator:
        return generator(group.run.seed[0], group.samples[index].sample_id, cues.purpose(method, variant))

    def drawn(draw: Callable[[], Cues], method: str, variant: str = "", options: str = "") -> Prompt:
        try:
            found: Cues | str = draw()
        except NoCues as error:
            found = str(error)
        return Prompt(method, variant, options, found)

    asked = []
    for one, one_map in maps.items():
        changes: dict[str, dict[str, Any]] = {"": {}}
        if one.name in FUSIONS:
            changes[", background=0"] = bare
            boxed = partial(cues.support_box, one_map, prompts.threshold)
            asked.append(drawn(boxed, one.name, one.pinned, ", cues=box"))
            changes |= {f", points={n}": {"foreground": n, "background": n} for n in prompts.counts}
            changes |= {f", share={share}": {"top": share, "bottom": share} for share in prompts.shares}
        for text, changed in changes.items():
            pointed = partial(cues.draw_cues, one_map, rng(one.name, one.pinned), **{**plain, **changed})
            asked.append(drawn(pointed, one.name, one.pinned, text))
    asked.append(drawn(partial(cues.centre_point, shape), "centre_point"))
    uniform = partial(cues.uniform_points, shape, prompts.foreground, rng("uniform_points"))
    asked.append(drawn(uniform, "uniform_points"))
    for text, changed in {"": {}, ", background=0": bare}.items():
        inside = partial(cues.truth_cues, truth, rng("truth"), **{**of_truth, **changed})
        asked.append(drawn(inside, "truth", "", text))
    return asked


def _values(rows: list[dict[str, Any]]) -> Values:
    """NaN where there is none."""
    return torch.tensor([math.nan if row["value"] is None else row["value"] for row in rows])


def _row(
    group: Group,
    index: int,
    one: Key | Prompt,
    metric: str,
    value: float,
    reason: str | None = None,
    status: str = "undefined",
) -> dict[str, Any]:
    """A row as Group.judged has them; a value of NaN has this status, for this reason or the metric's own."""
    sample = group.samples[index]
    method, text = (one.name, one.pinned) if isinstance(one, Key) else (one.method, one.variant)
    row = {"sample_id": sample.sample_id, "class_id": sample.class_id, "method": method, "variant": text}
    if value != value:
        why = reason or metric_key(metric).entry.undefined
        return {**row, "metric": metric, "value": None, "status": status, "reason": why}
    return {**row, "metric": metric, "value": value, "status": "ok", "reason": None}


def _iou(mask: Bool[Tensor, "h w"], truth: Bool[Tensor, "h w"], told: Bool[Tensor, "h w"]) -> float:
    """Over the pixels whose class is told; NaN where both are empty."""
    return _share(mask & truth & told, (mask | truth) & told)


def _share(part: Bool[Tensor, "h w"], whole: Bool[Tensor, "h w"]) -> float:
    """How much of the whole the part covers; NaN for an empty one."""
    return ((part & whole).sum() / whole.sum()).item()
