"""The page of what things cost: a record as tables, and what is quoted of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segattr_lib.registry import UserError
from segattr_lib.sections import costs as page
from segattr_lib.sections.costs.records import flat


def row(name: str, ours: float, peers: dict[str, float], group: str = "methods", **more: Any) -> dict[str, Any]:
    """A row as the bench writes it: shortest times in seconds, the bound 1 s."""
    return {
        "group": group,
        "name": name,
        "model": "shapes_lraspp",
        "images": 1,
        "work": "",
        "ours": {"minimum": ours, "median": 2 * ours},
        "passes": 10,
        "bound": 1.0,
        "to_bound": ours,
        "peers": {
            label: {
                "package": label.partition(" ")[0],
                "minimum": seconds,
                "median": 2 * seconds,
                "ratio": ours / seconds,
                "difference": None if label.endswith("other") else seconds / 1e6,
                "images_an_hour": 3600 / seconds,
            }
            for label, seconds in peers.items()
        },
        "beside": {},
        **more,
    }


@pytest.fixture
def record(tmp_path: Path) -> Path:
    rows = [
        row("ria", 1.05, {"captum slow": 4.0, "captum fast other": 2.0}),
        row("scorecam", 3.0, {"grad-cam": 2.0}, images=4),
        row("refinecam", 1.0, {"grad-cam": 4.0}, beside={"one CAM": {"minimum": 0.8, "median": 1.0, "ratio": 1.25}}),
        row("road", 0.5, {"grad-cam": 10.0}, "metrics"),
        row("arcc", 0.5, {"grad-cam": 5.0}, "metrics"),
        row("chance_tdd", 0.9, {}, "metrics"),
        row("whole", 2.0, {"script": 8.0, "script at once": 5.0}, "whole", images_an_hour=1800.0, needed=8),
        row("whole_coarse", 1.6, {"script": 8.0}, "whole", images_an_hour=2250.0, needed=5),
        row("whole_adaptive", 1.0, {"script": 8.0, "script at once": 5.0}, "whole", images_an_hour=3600.0, needed=4),
    ]
    growth = [
        {"axis": axis, "value": value, "minimum": value / 10, "median": value / 9, "megabytes": 100 + value / 10}
        for axis in ("images", "grid")
        for value in (10, 1000)
    ]
    growth += [
        {"axis": "workers", "value": workers, "minimum": seconds, "median": seconds, "megabytes": 100.0}
        for workers, seconds in ((1, 20.0), (4, 8.0))
    ]
    times = {"minimum": 0.2, "median": 0.3}
    starting = [
        {"kind": "import", "name": "import torch", **times, "user": 2.0, "promised": None, "kept": True},
        {"kind": "refusal", "name": "segattr no", **times, "user": 0.4, "promised": 1.0, "kept": True},
        {"kind": "refusal", "name": "segattr never", **times, "user": 1.2, "promised": 1.0, "kept": False},
    ]
    machine = {
        **{"cpu": "a chip", "cores": 2, "threads": 1, "device": "cpu", "precision": "float32", "engine": "auto"},
        **{"date": "2026-01-02T03:04+00:00", "repeats": 5, "load_before": 0.1, "load_after": 1.9, "minutes": 9.0},
        **{"python": "3.12.1", "versions": {"torch": "2.0"}},
    }
    path = tmp_path / "bench.json"
    record = {"machine": machine, "rows": rows, "growth": growth, "starting": starting}
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_a_row_stands_beside_the_fastest_package_and_keeps_the_largest_difference() -> None:
    kept = flat(row("ria", 1.0, {"captum slow": 4.0, "captum fast other": 2.0}))
    assert (kept["peer"], kept["package"], kept["ratio"]) == ("captum fast other", "captum", 0.5)
    assert kept["difference"] == pytest.approx(4e-6)


def test_the_prose_quotes_ratios(record: Path) -> None:
    facts = page.facts(page.run(page.read({"record": str(record)})))
    assert (facts["rows"], facts["slower"], facts["slower_names"]) == (8, 1, "Score-CAM")
    assert (facts["bounded"], facts["above"]) == (9, 3)  # Score-CAM and two of the whole, RIA's 1.05 is near
    assert (facts["whole"], facts["whole_coarse"], facts["whole_adaptive"]) == ("2.5", "5.0", "5.0")
    assert facts["whole_to_needed"] == "1.250"
    assert (facts["ratio_ria"], facts["ratio_road"], facts["refinecam"]) == ("0.53", "0.05", "1.25")
    assert (facts["more_images"], facts["time_images"], facts["memory"]) == ("100", "100", "1.98")
    assert (facts["time_workers"], facts["efficiency"]) == ("0.40", "0.62")
    assert (facts["refusal"], facts["broken"]) == ("1.20", 1)


def test_tables_and_figures_show_every_row_and_a_dash_where_nothing_is(record: Path) -> None:
    runs = page.run(page.read({"record": str(record)}))
    metrics = page.metrics_table(runs).data
    assert "<td>500 (1,000)</td>" in metrics and "TDD by chance" in metrics and "–" in metrics
    assert "Score-CAM" in page.slower_table(runs).data and "RIA" not in page.slower_table(runs).data
    assert "1,800" in page.whole_table(runs).data and "720" in page.whole_table(runs).data
    assert "a chip" in page.machine_table(runs).data and "segattr never" in page.starting_table(runs).data
    (axes,) = page.ratios_plot(runs).axes
    dots = sum(len(some.get_offsets()) for some in axes.collections)
    assert dots == 5 and len(axes.get_yticklabels()) == 5
    assert len(page.growth_plot(runs).axes) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no JSON"), ("[]", "lacks machine"), ('{"machine": {}, "rows": []}', "lacks growth, starting")],
)
def test_what_is_no_record_is_refused_in_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        page.run(page.read({"record": str(path)}))
    with pytest.raises(UserError, match="no file"):
        page.read({"record": str(tmp_path / "absent.json")})
    with pytest.raises(UserError, match="did you mean 'record'"):
        page.read({"recrod": str(path)})
