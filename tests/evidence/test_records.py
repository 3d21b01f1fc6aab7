"""Recorded runs: kept shard by shard, read as a run is, covered by what they are of, and computed again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segattr_lib.__main__ import main
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import SAMPLES, read_samples
from segattr_lib.evidence.checking import CLOSE, OF_A_VALUE, compare, drawn, verify
from segattr_lib.evidence.plans import placed, plan_names, read_plan
from segattr_lib.evidence.recording import record, shards_of
from segattr_lib.evidence.records import Record, read_record, recorded
from segattr_lib.registry import UserError

PLANS = """
_scenes:
  settings: {dataset: shapes, order: shuffled, metrics: [tdd, odd_abs], null_every: 40, batch_size: 8}
few:
  of: _scenes
  shows: A few scenes under two models
  shard: 2
  settings: {samples: 5, model: [shapes_fcn, shapes_lraspp], methods: [gpa, ega, random]}
fewer:
  of: few
  settings: {samples: 2}
games:
  of: few
  question: segattr_lib.sections.cards.gaming:question
  about: {draws: 2, control: random_cells, metrics: [tdd]}
  settings: {samples: 2, model: shapes_fcn, methods: [ega]}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plans.yaml and the record `few` in `evidence`."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "plans.yaml").write_text(PLANS, encoding="utf-8")
    plan = read_plan("few", folder / "plans.yaml")
    assert record(plan, folder / "evidence", folder / "results", shards=[1]) == ["001"]
    assert record(plan, folder / "evidence", folder / "results") == ["000", "002"]  # what is kept is not done again
    return folder


@pytest.fixture
def few(place: Path) -> Record:
    return read_record("few", place / "evidence")


def by_value(rows: pd.DataFrame) -> pd.DataFrame:
    return plain(rows).set_index(OF_A_VALUE).sort_index()


def test_a_record_holds_the_rows_of_the_run_of_all_its_samples(place, few, tmp_path):
    whole = read_samples(run_benchmark(read_plan("few", place / "plans.yaml").settings, tmp_path / "run"))
    kept = few.rows
    assert list(kept.columns) == [column.name for column in SAMPLES]
    own, theirs = by_value(kept), by_value(whole)
    assert own.index.equals(theirs.index)
    np.testing.assert_allclose(own["value"], theirs["value"], atol=1e-6)  # groups of two share other batches
    assert set(own["run_id"]) == set(theirs["run_id"])
    assert few.sample_ids == list(dict.fromkeys(plain(whole)["sample_id"]))


def test_the_shards_of_two_seeds_hold_the_samples_of_both(place):
    plan = read_plan("few", place / "plans.yaml")
    assert [len(samples) for samples in shards_of(plan)] == [2, 2, 1]
    (place / "seeds.yaml").write_text(PLANS.replace("samples: 5", "samples: 5, seed: [0, 1]"), encoding="utf-8")
    both = shards_of(read_plan("few", place / "seeds.yaml"))
    assert [len(samples) for samples in both] == [4, 4, 2]
    assert len({name for samples in both for name in samples}) == 10


def test_a_run_of_fewer_samples_methods_and_models_is_covered_and_no_other(few):
    assert few.covers(few.settings)
    for change in (
        {"samples": 3},
        {"methods": ["random", "gpa"]},
        {"model": "shapes_fcn"},
        {"metrics": ["tdd"]},
        {"root": "elsewhere"},
        {"workers": 2, "engine": "torch", "batch_size": 3},
        {"null_every": 1, "strength": 0.1},  # of which neither metric asks
        {"evaluation_fill": "mean"},  # as left out: the fill's own
    ):
        assert few.covers(few.settings.changed(change)), change
    for change in (
        {"samples": 6},
        {"samples": None},
        {"methods": ["gpa", "ria"]},
        {"k": 0.3},
        {"order": "listed"},
        {"fill": "blur"},
        {"seed": 1},
        {"evaluation_fill": "blur"},
    ):
        assert not few.covers(few.settings.changed(change)), change
    assert not few.covers(few.settings, {"segmenters": []})


def test_samples_below_the_floor_of_a_run_are_no_part_of_its_rows(few):
    scores = plain(few.rows)[lambda rows: rows["metric"] == "score"]["value"]
    floor = float(scores.sort_values().iloc[2])
    asked = few.settings.changed({"floor": floor})
    assert few.covers(asked)
    kept = plain(few.of(asked))
    assert kept.loc[kept["metric"] == "score", "value"].min() == floor
    assert len(kept) == len(few.rows) * (len(scores) - 2) / len(scores)


def test_the_explained_models_score_stands_beside_the_judges_and_the_lower_one_counts(few):
    rows = plain(few.rows)
    explained = rows[rows["metric"] == "score"].assign(metric="score_explained")
    explained["value"] = np.where(explained["sample_id"] == few.sample_ids[0], 0.01, 0.9)
    vars(few)["rows"] = pd.concat([rows, explained], ignore_index=True)
    assert (few.of(few.settings)["metric"] == "score_explained").sum() == len(explained)
    kept = few.of(few.settings.changed({"floor": 0.02}))
    assert few.sample_ids[0] not in set(kept["sample_id"])


def test_a_setting_that_came_later_does_not_part_a_record_from_its_run(place, few, tmp_path):
    for path in few.folder.iterdir():
        (tmp_path / "few").mkdir(exist_ok=True)
        (tmp_path / "few" / path.name).write_bytes(path.read_bytes())
    for path in (tmp_path / "few").glob("[0-9]*.json"):
        shard = json.loads(path.read_text(encoding="utf-8"))
        del shard["settings"]["stability_grid"]
        path.write_text(json.dumps(shard), encoding="utf-8")
    assert read_record("few", tmp_path).covers(few.settings)
    first = json.loads((few.folder / "000.json").read_text(encoding="utf-8"))
    (tmp_path / "few" / "000.json").write_text(json.dumps(first), encoding="utf-8")  # a shard of the later version
    assert read_record("few", tmp_path).covers(few.settings)


def test_shards_made_before_and_after_a_setting_came_are_one_record(few, tmp_path):
    (tmp_path / "few").mkdir()
    for path in few.folder.iterdir():
        (tmp_path / "few" / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "few" / "000.json"
    shard = json.loads(path.read_text(encoding="utf-8"))
    assert shard["settings"].pop("judge") is None
    path.write_text(json.dumps(shard), encoding="utf-8")
    both = read_record("few", tmp_path)
    assert (both.sample_ids, both.settings) == (few.sample_ids, few.settings)
    path.write_text(json.dumps(shard | {"settings": shard["settings"] | {"judge": "shapes_fcn"}}), encoding="utf-8")
    with pytest.raises(UserError, match="was made of other settings; record it anew"):
        read_record("few", tmp_path)


def test_a_record_computed_again_stands_to_the_last_bit(place):
    check = verify("few", 2, folder=place / "evidence", file=place / "plans.yaml")
    assert check.holds
    assert check.compared == 2 * 2 * (3 * 2 + 1)  # samples, models; methods, metrics, and s(x)
    assert check.share == check.same == 1
    assert check.largest == 0
    assert "stands" in check.text()


def test_of_a_record_of_several_k_one_alone_is_computed_again_and_any_value_of_it_may_fall(tmp_path):
    plans, evidence = tmp_path / "plans.yaml", tmp_path / "evidence"
    plans.write_text(PLANS.replace("{samples: 2}", "{samples: 2, model: shapes_fcn, k: [0.1, 0.2]}"), encoding="utf-8")
    record(read_plan("fewer", plans), evidence, tmp_path / "results")
    counts = {}
    for k in (None, 0.2, 0.3):
        check = verify("fewer", 2, folder=evidence, file=plans, k=k)
        assert check.holds and check.share == 1
        counts[k] = check.compared
    assert counts == {None: 2 * (3 * 2 * 2 + 1), 0.2: 2 * (3 * 2 + 1), 0.3: 2 * (3 * 2 * 2 + 1)}  # has no .3: all of it
    (path,) = evidence.glob("fewer/*.rows.parquet")
    rows = pd.read_parquet(path)
    for k, stands in ((0.1, True), (0.2, False)):
        changed = rows.assign(value=rows["value"] + (rows["k"].round(6) == k) * np.float32(0.5))
        pq.write_table(pa.Table.from_pandas(changed, pq.read_schema(path), preserve_index=False), path)
        assert verify("fewer", 2, folder=evidence, file=plans, k=0.2).holds == stands


def test_what_was_asked_beside_a_run_is_computed_again_too_and_another_question_is_another_record(place, tmp_path):
    plans, evidence = place / "plans.yaml", tmp_path / "evidence"
    record(read_plan("games", plans), evidence, tmp_path / "results")
    check = verify("games", 2, folder=evidence, file=plans)
    asked = read_record("games", evidence).rows["metric"].dropna()
    beside = asked[asked.str.contains("(of=", regex=False)]
    assert check.holds and set(beside) == {"best(of=tdd)", "centre(of=tdd)"}
    assert check.compared == 2 * (2 + 1 + 2)  # samples; metrics, s(x), and what was asked beside
    other = tmp_path / "plans.yaml"
    other.write_text(PLANS.replace("draws: 2", "draws: 3"), encoding="utf-8")
    with pytest.raises(UserError, match="'games' is of other settings"):
        verify("games", folder=evidence, file=other)


def test_a_value_that_changed_makes_a_record_fall(few):
    names = drawn(few, 5, 0)
    again = few.rows.copy()
    assert compare(few, again, names).same == 1
    rows = plain(again)
    of_tdd = (rows["metric"] == "tdd") & (rows["method"] == "gpa")
    by_much, by_little = again.copy(), again.copy()
    by_much.loc[of_tdd, "value"] += 0.5
    by_little.loc[of_tdd, "value"] += CLOSE / 2
    fallen = compare(few, by_much, names)
    assert not fallen.holds
    assert len(fallen.apart) == (of_tdd & rows["sample_id"].isin(well(few))).sum()
    assert compare(few, by_little, names).holds
    assert "0." in fallen.text()


def test_a_row_that_is_lost_or_has_another_status_makes_a_record_fall(few):
    names = drawn(few, 5, 0)
    again = plain(few.rows)
    place = again.index[again["metric"] == "tdd"][0]
    assert len(compare(few, again.drop(place), names).lost) == 1
    again.loc[place, "status"] = "degenerate"
    check = compare(few, again, names)
    assert len(check.lost) == 1
    assert not check.holds
    assert "degenerate now" in check.text()


def test_a_record_does_not_fall_by_a_method_with_options_that_another_alone_was_asked_with(few):
    rows = plain(few.rows)
    pinned = [rows[rows["method"] == name].assign(variant="window=3") for name in ("gpa", "ega")]
    few.__dict__["rows"] = pd.concat([rows, *pinned], ignore_index=True)
    again = pd.concat([rows, pinned[0]], ignore_index=True)
    check = compare(few, again, drawn(few, 5, 0))
    assert check.holds and check.same == 1
    assert len(compare(few, again[again["variant"] != "window=3"].drop(rows.index[-1]), drawn(few, 5, 0)).lost) == 1


def test_two_methods_that_change_places_make_a_record_fall_though_few_values_move(few):
    rows = plain(few.rows)
    asked = rows[(rows["model"] == "shapes_fcn") & rows["sample_id"].isin(well(few))]
    names = list(dict.fromkeys(asked["sample_id"]))[:1]
    mine = asked[(asked["sample_id"] == names[0]) & (asked["metric"] == "tdd")].set_index("method")["value"]
    lowest, highest = mine.idxmin(), mine.idxmax()
    again = rows.copy()
    here = (again["sample_id"] == names[0]) & (again["metric"] == "tdd") & (again["model"] == "shapes_fcn")
    again.loc[here & (again["method"] == lowest), "value"] = mine[highest]
    again.loc[here & (again["method"] == highest), "value"] = mine[lowest]
    check = compare(few, again, names)
    assert check.orders == ["shapes_fcn tdd 0.2 mean"]
    assert not check.holds


def well(few: Record) -> list[str]:
    """The samples that the model scores at least .3, where values are held to be close."""
    rows = plain(few.rows)
    scores = rows[(rows["metric"] == "score") & (rows["model"] == "shapes_fcn")]
    return list(scores.loc[scores["value"] >= 0.3, "sample_id"])


def test_a_plan_that_changed_parts_from_its_record(place, tmp_path):
    (tmp_path / "plans.yaml").write_text(
        PLANS.replace("metrics: [tdd, odd_abs]", "metrics: [tdd, odd_abs], k: 0.3"), encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"'few' is of other settings than .* plans; record it anew"):
        verify("few", folder=place / "evidence", file=tmp_path / "plans.yaml")


def test_shards_of_other_settings_are_no_record(few, tmp_path):
    (tmp_path / "few").mkdir()
    for path in few.folder.iterdir():
        (tmp_path / "few" / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "few" / "001.json"
    shard = json.loads(path.read_text(encoding="utf-8"))
    shard["settings"]["k"] = [0.5]
    path.write_text(json.dumps(shard), encoding="utf-8")
    with pytest.raises(UserError, match="The shard 001 of 'few' was made of other settings"):
        read_record("few", tmp_path)


def test_values_are_kept_as_float32_and_texts_once(few):
    table = pq.read_schema(few.folder / "000.rows.parquet")
    assert table.field("value").type == pa.float32()
    rows = plain(few.rows)
    assert rows["value"].equals(rows["value"].astype(np.float32).astype(float))
    assert few.rows["method"].dtype == "category"


def test_what_is_planned_can_be_read_and_names_are_checked(place, tmp_path):
    assert plan_names(place / "plans.yaml") == ["few", "fewer", "games"]
    assert read_plan("fewer", place / "plans.yaml").settings.samples == 2
    assert read_plan("fewer", place / "plans.yaml").shard == 2
    with pytest.raises(UserError, match="Unknown record 'fewest'"):
        read_plan("fewest", place / "plans.yaml")
    (tmp_path / "a.yaml").write_text("a: {of: b}\nb: {of: a}", encoding="utf-8")
    with pytest.raises(UserError, match="'b' is of 'a', which is no other entry"):
        read_plan("a", tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("a: {shrd: 3}", encoding="utf-8")
    with pytest.raises(UserError, match=r"Unknown key of the record 'a' 'shrd' \(did you mean 'shard'\?\)"):
        read_plan("a", tmp_path / "a.yaml")


def test_a_record_made_by_other_processes_is_the_same(place, few, tmp_path):
    plan = read_plan("few", place / "plans.yaml", workers=1)
    record(plan, tmp_path / "evidence", tmp_path / "results", shards=[0])
    own, theirs = few.rows, read_record("few", tmp_path / "evidence").rows
    first = plain(own)[plain(own)["sample_id"].isin(few.sample_ids[:2])]
    assert by_value(theirs).equals(by_value(first))


def test_a_wrong_root_is_an_error_and_no_absence(capsys):
    assert main(["verify", "photographs", "-p", "root=nowhere"]) == 2
    assert "There is no voc at root 'nowhere'" in capsys.readouterr().err


def test_a_root_is_of_data_that_lie_somewhere_alone(place):
    assert placed("few", place / "plans.yaml", root="somewhere", device="cpu").settings.root is None
    assert placed("few", place / "plans.yaml", root="somewhere", device="cpu").settings.device == "cpu"
    assert placed("photographs", root="somewhere").settings.root == "somewhere"


def test_every_planned_record_of_the_book_can_be_read():
    for name in plan_names():
        plan = read_plan(name)
        assert plan.shows, name
        assert len(plan.settings.method_keys()) > 1, name


def test_every_record_of_the_book_is_of_its_plan_and_holds_no_value_twice():
    for name in recorded():
        kept, plan = read_record(name), read_plan(name)
        question = plan.asked()
        about = question.about if question else None
        assert kept.covers(plan.settings.changed({"samples": kept.settings.samples}), about), name
        assert not kept.rows.duplicated(OF_A_VALUE).any(), name
        assert kept.left or plan.settings.samples in (None, len(kept.sample_ids)), name


def test_the_first_shards_of_a_record_are_one_of_fewer_samples(few, tmp_path):
    (tmp_path / "few").mkdir()
    for path in few.folder.iterdir():
        if path.name[:3] != "001":
            (tmp_path / "few" / path.name).write_bytes(path.read_bytes())
    assert recorded(tmp_path) == ["few"]
    part = read_record("few", tmp_path)
    assert (part.left, part.settings.samples, part.sample_ids) == (2, 2, few.sample_ids[:2])  # 002 waits for 001
    assert part.covers(few.settings.changed({"samples": 2}))
    assert not part.covers(few.settings)
    assert few.left == 0


def test_all_evidence_stays_small():
    files = [path for path in Path("book/evidence").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12 * 2**20


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["record", "photograps"], "Unknown record 'photograps' (did you mean 'photographs'?)"),
        (["record", "scenes", "--shard", "99"], "shards has 99; scenes has the shards 0 to"),
        (["record", "scenes", "-p", "k=0.3"], "Unknown parameter of a record 'k'"),
        (["verify", "nothing"], "Unknown record 'nothing'"),
        (["verify", "--samples", "0"], "--samples is 0; expected 1 or more"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_a_sentence(capsys, arguments, answer):
    assert main(arguments) == 2
    assert answer in capsys.readouterr().err
