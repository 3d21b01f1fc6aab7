"""What a reader keeps of the explorer: the settings, for a benchmark, and the figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segattr_lib.benchmark.group import Group
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.data.photographs import credit_of
from segattr_lib.explorer.cueing import Cued
from segattr_lib.explorer.looks import Look
from segattr_lib.explorer.panel import cue_pictures, with_target
from segattr_lib.report.explained import listed
from segattr_lib.report.panels import CAPTION, overlay, pixels_of
from segattr_lib.report.saved import figure_file, link_to, settings_file


def exported(run: Settings, looks: Sequence[Look], k: float, count: int, upload: str | None) -> Settings:
    """The settings of a benchmark that asks what is shown: of the first `count` samples, or of an uploaded picture, by
    its name. Its metrics are a benchmark's, which has the time for all of them."""
    changes = {"methods": [seen.key for seen in looks], "k": k, "samples": count}
    if upload is not None:
        changes |= {"dataset": "pictures", "root": upload, "split": None, "backgrounds": None, "samples": 1}
    written = run.changed(changes).model_dump(exclude={"metrics"})
    return read_settings(written)


def links_to(group: Group, looks: Sequence[Look], label: str, run: Settings, uploaded: bool) -> str:
    """HTML of two links: the settings, and the figure."""
    sample = group.samples[0]
    stem = Path(sample.sample_id).stem
    outline = sample.mask.numpy()
    titles = [seen.key.entry.label for seen in looks]
    settings = settings_file(
        run,
        f"What the explorer showed of {sample.sample_id}: {listed(titles)} for {label}{cues_asked(looks)}.",
        f"{stem}.yaml",
        squared=uploaded or run.dataset in ("photographs", "pictures"),
        uploaded=uploaded,
    )
    drawn = figure_file(
        (f"{label}, s(x) {looks[0].score:.3f}", with_target(group)),
        {
            title: [
                (title, overlay(sample.image, seen.map, outline)),
                (f"its top {run.k[0]:.0%} deleted", pixels_of(seen.deleted)),
                *((caption, picture) for picture, _, caption in cue_pictures(group, seen)),
            ]
            for title, seen in zip(titles, looks, strict=True)
        },
        {title: seen.curve for title, seen in zip(titles, looks, strict=True)},
        [seen.key.name for seen in looks],
        credit_of(sample.sample_id),
    )
    links = [
        link_to(settings, f"{stem}.yaml", "application/yaml", "Save the settings (YAML)"),
        link_to(drawn, f"{stem}.svg", "image/svg+xml", "Save the figure (SVG)"),
    ]
    return f'<p style="{CAPTION}">{" · ".join(links)}</p>'


def cues_asked(looks: Sequence[Look]) -> str:
    """The end of a sentence about what was shown, and of its cues, which no setting of a benchmark names."""
    of_maps = [seen.cued for seen in looks if isinstance(seen.cued, Cued)]
    if not of_maps:
        return ""
    return f", and the masks of {of_maps[0].segmenter} by {of_maps[0].asked} cue points of either kind"
