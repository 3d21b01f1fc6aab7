"""Who may judge: which model may score another's maps, and none an image that it was tuned on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Protocol, runtime_checkable

from safetensors import safe_open

from segattr_lib.models import MODELS, WEIGHTS
from segattr_lib.models.loading import Model
from segattr_lib.registry import Key, UserError


@runtime_checkable
class Judging(Protocol):
    """What settings say of the judge: its name, or None where each model judges its own maps, and the metrics."""

    @property
    def model(self) -> list[str]: ...

    @property
    def judge(self) -> str | None: ...

    @property
    def metrics(self) -> list[Key]: ...


def check_judging(settings: Judging, models: Mapping[str, Model], sample_ids: Iterable[str]) -> None:
    """Raises UserError for a judge of another kind or of other classes than a model whose maps it is to score, for
    metrics that explain again, which compare maps and ask no judge, and for images that one of the models, explained or
    judge, was tuned on to judge others."""
    for name in models:
        check_not_tuned_on(name, sample_ids)
    if settings.judge is None:
        return
    judge = models[settings.judge]
    for name in settings.model:
        model = models[name]
        if judge.kind != model.kind:
            raise UserError(f"The judge {judge.name!r} is a {judge.kind}, {name!r} a {model.kind}; name another judge.")
        unlike = judge.class_names and model.class_names and [*judge.class_names] != [*model.class_names]
        if judge.classes != model.classes or unlike:
            raise UserError(
                f"The judge {judge.name!r} has other classes ({judge.classes}) than the model {name!r} "
                f"({model.classes}), whose maps it is to score; name a judge of the same classes."
            )
    again = [metric.text for metric in settings.metrics if "explain" in metric.entry.options]
    if again:
        raise UserError(
            f"{', '.join(again)} explain anew and compare maps, which the judge {judge.name!r} does not score; leave "
            f"them out of metrics."
        )


def check_not_tuned_on(name: str, sample_ids: Iterable[str]) -> None:
    """Raises UserError where one of the images is one that the model of this name, a copy, was tuned on."""
    patterns = tuned_on(name)
    known = {pattern for pattern in patterns if "*" not in pattern}
    for sample_id in sorted(sample_ids) if patterns else ():
        if sample_id in known or any(fnmatchcase(sample_id, pattern) for pattern in patterns - known):
            raise UserError(
                f"The copy {name!r} was tuned on the image {sample_id}, which it may therefore not judge; choose a "
                f"split and samples that it has not seen."
            )


def tuned_on(name: str) -> frozenset[str]:
    """The ids of the images that a copy was tuned on, or patterns of them, as its file tells; none of other models."""
    if name not in MODELS or not MODELS[name].copy_of:
        return frozenset()
    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        return frozenset((file.metadata() or {}).get("tuned_on", "").split())
