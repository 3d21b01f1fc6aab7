"""The commands as people call them: one bad sample is a row, one bad setting a sentence, and nothing a traceback."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from segattr_lib import execute
from segattr_lib.__main__ import main, outcome
from segattr_lib.benchmark import runner
from segattr_lib.benchmark.failures import in_one_line
from segattr_lib.benchmark.runner import group_of, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.statistics import plain
from segattr_lib.benchmark.store import read_samples, read_timings
from segattr_lib.data import SampleError
from segattr_lib.metrics import metric_key
from segattr_lib.models import runtime
from segattr_lib.registry import LONGEST

ROOT = Path(__file__).parent.parent
SIZE = 32
OWN = """
import os

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.features, self.head = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU()), nn.Conv2d(8, 4, 1)

    def forward(self, images):
        return nn.functional.interpolate(self.head(self.features(images)), images.shape[2:])


class Refusing(Net):
    def forward(self, images):
        if (images.mean((1, 2, 3)) > 0.95).any():
            raise RuntimeError("too\\nbright")
        return super().forward(images)


class Dividing(Net):
    def forward(self, images):
        spread = images.std((1, 2, 3), keepdim=True)
        return super().forward((images - images.mean((1, 2, 3), keepdim=True)) / spread)


def net(): return Net()
def refusing(): return Refusing()
def dividing(): return Dividing()


def dark(images): return images.mean((1, 2, 3)) < 0.3


def red(score, images, target): return images[:, 0]


def picky(score, images, target):
    if dark(images).any():
        raise RuntimeError("singular matrix on\\nthis image")
    return images[:, 0]


def never(score, images, target): raise ValueError("not today")


def wide(score, images, target): return images[:, :, :, :2] if dark(images).any() else images[:, 0]


def stopped(score, images, target): raise KeyboardInterrupt


def full(score, images, target): raise MemoryError("no room")


def left(score, images, target): raise SystemExit(3)


def brightness(score, images, maps, target): return images.mean((1, 2, 3))


def picky_metric(score, images, maps, target):
    if dark(images).any():
        raise ArithmeticError("too dark to say")
    return images.mean((1, 2, 3))


def never_metric(score, images, maps, target): raise ValueError("not today")


def infinite(score, images, maps, target): return 1 / (images.mean((1, 2, 3)) * ~dark(images))


def one_number(score, images, maps, target): return maps.mean()


def one_in_a_row(score, images, maps, target): return maps.mean().reshape(1)


def keeps_a_dimension(score, images, maps, target): return maps.flatten(1).mean(1, keepdim=True)


def numbers(score, images, maps, target): return [float(one.mean()) for one in maps]


def as_numpy(score, images, maps, target): return maps.mean((1, 2)).numpy()


def leaves_out(score, images, maps, target): return images.mean((1, 2, 3))[~dark(images)]
"""


def picture(root: Path, name: str, image: np.ndarray, class_id: int = 1) -> None:
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True, exist_ok=True)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[8:24, 6:20] = class_id
    Image.fromarray(image).save(root / "images" / f"{name}.png")
    Image.fromarray(mask).save(root / "masks" / f"{name}.png")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures, of which b is darker than the others."""
    rng = np.random.default_rng(0)
    for name, low in {"a": 100, "b": 0, "c": 120}.items():
        picture(tmp_path / "data", name, rng.integers(low, low + 100, (SIZE, SIZE, 3)).astype(np.uint8))
    return tmp_path / "data"


def parameters_of(own: Path, data: Path, **changes: Any) -> dict[str, Any]:
    usual = {"dataset": "folder", "root": str(data), "model": f"{own}:net", "layer": "features", "image_size": SIZE}
    usual |= {"methods": [f"{own}:red"], "metrics": [f"{own}:brightness"], "batch_size": 4, "device": "cpu"}
    return {**usual, **changes}


def of_own(own: Path, *names: str) -> list[str]:
    return [f"{own}:{name}" for name in names]


def settings(own: Path, data: Path, **changes: Any) -> Settings:
    return read_settings(parameters_of(own, data, **changes))


def rows_of(folder: Path) -> pd.DataFrame:
    """With the names of one's own things without their file."""
    rows = plain(read_samples(folder))
    return rows.assign(**{column: rows[column].str.rpartition(":")[2] for column in ("method", "metric")})


def command(own: Path, data: Path, folder: Path, **changes: Any) -> list[str]:
    pairs = [f"{name}={value}" for name, value in parameters_of(own, data, **changes).items()]
    return ["benchmark", "-o", str(folder), *(part for pair in pairs for part in ("-p", pair))]


def sentence(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """What a command that exits 2 says, in one line."""
    assert main(arguments) == 2
    said = capsys.readouterr().err.replace("\r", "\n").splitlines()
    lines = [line for line in said if line.strip() and "sample" not in line.partition("segattr:")[0]]
    assert len(lines) == 1 and lines[0].startswith("segattr: ") and "Traceback" not in lines[0], said
    return lines[0]


# One bad sample


def test_a_run_ends_with_what_was_scored_skipped_and_failed(own, data, tmp_path, capsys):
    (data / "images" / "broken.png").write_bytes(b"no picture")
    picture(data, "broken", np.zeros((SIZE, SIZE, 3), np.uint8))
    (data / "images" / "broken.png").write_bytes(b"no picture")
    picture(data, "empty", np.zeros((SIZE, SIZE, 3), np.uint8), class_id=0)
    assert main(command(own, data, tmp_path / "out")) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 3 samples scored, 1 skipped, 1 failed\n"
    assert main(command(own, data, tmp_path / "out")) == 0  # a finished folder says it again
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 3 samples scored, 1 skipped, 1 failed\n"


def test_a_picture_over_pillows_limit_is_a_row(own, data, tmp_path, monkeypatch):
    picture(data, "large", np.zeros((SIZE, 10 * SIZE, 3), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4 * SIZE * SIZE)
    rows = rows_of(run_benchmark(settings(own, data), tmp_path / "out"))
    (lost,) = rows[rows["sample_id"] == "large"].to_dict("records")
    assert lost["status"] == "failed" and "exceeds limit" in lost["reason"]
    assert set(rows[rows["sample_id"] != "large"]["status"]) == {"ok"}


def test_a_method_that_raises_on_a_sample_fails_there_and_changes_no_bit_of_the_others(own, data, tmp_path, capsys):
    metrics = ["tdd", "stability", "excess_tdd", "passes"]
    both = settings(own, data, methods=of_own(own, "red", "picky"), metrics=metrics)
    folder = run_benchmark(both, tmp_path / "out")
    rows = rows_of(folder)
    red, picky = (rows[rows["method"] == name].reset_index(drop=True) for name in ("red", "picky"))
    lost = picky["sample_id"] == "b"
    assert set(picky[lost]["status"]) == {"failed"} and picky[lost]["value"].isna().all()
    assert set(picky[lost]["reason"]) == {"RuntimeError: singular matrix on this image"}
    assert len(picky) == len(red) and set(picky[~lost]["status"]) == {"ok"}
    assert picky[~lost]["value"].tolist() == red[~lost]["value"].tolist()  # to the last bit
    timings = plain(read_timings(folder)).groupby("method")["sample_id"].agg(list)
    assert [len(timings[name]) for name in [key.name for key in both.methods]] == [3, 2]
    assert outcome(folder) == (
        3,
        f"3 samples scored, 0 skipped, 0 failed; {len(metrics)} values of those scored failed",
    )


def test_a_map_of_another_shape_on_one_sample_is_a_failed_row(own, data, tmp_path):
    rows = rows_of(run_benchmark(settings(own, data, methods=of_own(own, "wide")), tmp_path / "out"))
    table = rows[rows["method"].notna()].set_index("sample_id")
    assert table["status"].to_dict() == {"a": "ok", "b": "failed", "c": "ok"}
    assert f"gives (1, 3, {SIZE}, 2); expected maps (1, {SIZE}, {SIZE})" in table.loc["b", "reason"]


def test_a_metric_that_raises_on_a_sample_fails_there_and_changes_no_bit_of_the_others(own, data, tmp_path):
    metrics = of_own(own, "brightness", "picky_metric", "leaves_out", "infinite")
    rows = rows_of(run_benchmark(settings(own, data, metrics=metrics), tmp_path / "out"))
    table = rows[rows["method"].notna()].set_index(["metric", "sample_id"])
    for name, reason in {
        "picky_metric": "ArithmeticError: too dark to say",
        "leaves_out": f"the metric '{own}:leaves_out' gives (0,); expected (1,), a value a sample",
        "infinite": "the value is not finite",
    }.items():
        metric_rows = table.loc[name]
        assert metric_rows["status"].to_dict() == {"a": "ok", "b": "failed", "c": "ok"}
        assert metric_rows.loc["b", "reason"] == reason and np.isnan(metric_rows.loc["b", "value"])
    for name in ("picky_metric", "leaves_out"):
        assert table.loc[name]["value"].drop("b").tolist() == table.loc["brightness"]["value"].drop("b").tolist()


@pytest.mark.parametrize("name", ["numbers", "as_numpy", "one_in_a_row"])
def test_a_metric_that_gives_numbers_otherwise_gives_one_row_a_sample(own, data, tmp_path, name):
    folder = run_benchmark(settings(own, data, metrics=of_own(own, name)), tmp_path / "out")
    rows = rows_of(folder)
    values = rows[rows["method"].notna()].set_index("sample_id")["value"]
    view = group_of(settings(own, data).runs()[0], ["a", "b", "c"])
    assert values.tolist() == pytest.approx(view.images[:, 0].mean((1, 2)).tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("one_number", r"gives (); expected (1,)"), ("keeps_a_dimension", "gives (1, 1); expected (1,)")],
)
def test_a_metric_of_another_shape_is_one_sentence(own, data, tmp_path, capsys, name, shape):
    said = sentence(capsys, command(own, data, tmp_path / "out", metrics=of_own(own, name)))
    assert f"The metric '{own}:{name}' fails on each of the first 3 samples" in said and shape in said


@pytest.mark.parametrize(
    ("kind", "changes"), [("method", {"methods": ["never", "red"]}), ("metric", {"metrics": ["never_metric"]})]
)
def test_what_raises_on_every_sample_is_refused_at_once(own, data, tmp_path, capsys, kind, changes):
    changes = {name: of_own(own, *names) for name, names in changes.items()}
    said = sentence(capsys, command(own, data, tmp_path / "out", **changes))
    assert f"The {kind} '{own}:never" in said and said.endswith("each of the first 3 samples: ValueError: not today.")
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_model_that_raises_on_a_sample_fails_there(own, data, tmp_path):
    picture(data, "white", np.full((SIZE, SIZE, 3), 255, np.uint8))
    rows = rows_of(run_benchmark(settings(own, data, model=f"{own}:refusing"), tmp_path / "out"))
    (lost,) = rows[rows["sample_id"] == "white"].to_dict("records")
    assert (lost["status"], lost["reason"]) == ("failed", "RuntimeError: too bright")
    for part in ("images", "masks"):
        (data / part / "white.png").unlink()
    without = rows_of(run_benchmark(settings(own, data, model=f"{own}:refusing"), tmp_path / "without"))
    left = rows[rows["sample_id"] != "white"].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, without, check_exact=True, check_dtype=False)
    with pytest.raises(SampleError, match="too bright"):
        picture(data, "white", np.full((SIZE, SIZE, 3), 255, np.uint8))
        group_of(settings(own, data, model=f"{own}:refusing").runs()[0], ["a", "white"])


def test_a_score_that_is_no_number_is_a_failed_row(own, data, tmp_path):
    picture(data, "grey", np.full((SIZE, SIZE, 3), 90, np.uint8))  # of one colour: 0 / 0
    chosen = settings(own, data, model=f"{own}:dividing", methods=["ega", "random"], metrics=["tdd", "complexity"])
    rows = rows_of(run_benchmark(chosen, tmp_path / "out"))
    (lost,) = rows[rows["sample_id"] == "grey"].to_dict("records")
    assert (lost["status"], lost["reason"]) == ("failed", "the model's score is not finite")
    view = group_of(chosen.runs()[0], ["a", "grey"])
    (variant,) = [key for key in chosen.method_keys() if key.name == "random"]
    judged = view.rows_of(variant, [metric_key("tdd"), metric_key("passes")])[0] + view.model_rows()
    assert {row["status"] for row in judged if row["sample_id"] == "grey"} == {"failed"}
    assert {row["status"] for row in judged if row["sample_id"] == "a"} == {"ok"}


@pytest.mark.parametrize("named", [True, False])
def test_a_mask_of_a_class_the_model_has_not_is_a_failed_row(own, data, tmp_path, named):
    picture(data, "stray", np.full((SIZE, SIZE, 3), 90, np.uint8), class_id=15)
    if named:
        (data / "classes.csv").write_text("id,name\n0,none\n1,cat\n2,dog\n", encoding="utf-8")
    rows = rows_of(run_benchmark(settings(own, data), tmp_path / "out")).set_index("sample_id")
    assert rows.loc["stray", "status"] == "failed" and "15" in rows.loc["stray", "reason"]
    assert set(rows.drop("stray")["status"]) == {"ok"} and len(rows) == 7


def test_a_data_set_of_which_every_class_is_beyond_the_model_is_one_sentence(own, tmp_path, capsys):
    for name, class_id in {"a": 15, "b": 9}.items():
        picture(tmp_path / "far", name, np.full((SIZE, SIZE, 3), 90, np.uint8), class_id)
    said = sentence(capsys, command(own, tmp_path / "far", tmp_path / "out"))
    assert "names class 9, but the model" in said and "has 4 classes (0 to 3)" in said


def test_a_run_of_which_nothing_was_scored_exits_2_with_the_first_reason(own, tmp_path, capsys):
    for name in ("a", "b"):
        picture(tmp_path / "none", name, np.full((SIZE, SIZE, 3), 90, np.uint8), class_id=0)
    said = sentence(capsys, command(own, tmp_path / "none", tmp_path / "out"))
    assert "Nothing was scored: 0 samples scored, 2 skipped, 0 failed; the first, a: no foreground label" in said


@pytest.mark.parametrize(
    ("name", "raised"), [("stopped", KeyboardInterrupt), ("full", MemoryError), ("left", SystemExit)]
)
def test_a_stop_and_the_end_of_memory_are_no_samples_fault(own, data, tmp_path, name, raised):
    with pytest.raises(raised):
        run_benchmark(settings(own, data, methods=of_own(own, name, "red")), tmp_path / "out")
    assert not list((tmp_path / "out" / "parts").glob("*"))


def test_memory_that_ends_is_told_from_other_errors():
    text = (
        "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )
    for error in (MemoryError(), torch.OutOfMemoryError("full"), RuntimeError(text)):
        assert runtime.out_of_memory(error)
    assert not runtime.out_of_memory(RuntimeError("singular"))
    assert not runtime.out_of_memory(ValueError(text))


def test_the_end_of_memory_is_one_sentence(own, data, tmp_path, capsys):
    said = sentence(capsys, command(own, data, tmp_path / "out", methods=of_own(own, "full")))
    assert "memory ended; set a smaller batch_size" in said and "MemoryError: no room" in said


def test_a_reason_is_one_line_of_bounded_length():
    assert in_one_line(ValueError("two\n  lines")) == "ValueError: two lines"
    assert in_one_line(KeyError()) == "KeyError"
    assert len(in_one_line(ValueError("x" * 10_000))) == LONGEST


# One bad setting


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(range(256)), "cannot be read: 'utf-8' codec can't decode"),
        (b"grid: [1\n", "cannot be read: ParserError: while parsing a flow sequence"),
        (b"- 1\n", "are a list; expected name: value lines"),
        (b"7\n", "are a int; expected"),
        (b"benchmark: [1]\n", "under `benchmark` in"),
        (b"seed: 2024-13-45\n", "cannot be read: month must be in 1..12"),
        (b"1: 2\n", "Unknown parameter '1'"),
        (b"[" * 5000, "cannot be read: RecursionError"),
        (None, "cannot be read: [Errno 2]"),
    ],
)
def test_a_settings_file_that_says_nothing_is_one_sentence(tmp_path, capsys, content, said):
    path = tmp_path / "settings.yaml"
    if content is not None:
        path.write_bytes(content)
    assert said in sentence(capsys, ["benchmark", "-f", str(path), "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_folder_is_no_settings_file(tmp_path, capsys):
    assert "Is a directory" in sentence(capsys, ["benchmark", "-f", str(tmp_path), "-o", str(tmp_path / "out")])


@pytest.mark.parametrize("written", ["", "benchmark:\n", "\ufeffgrid: 7\n"])
def test_an_empty_settings_file_and_one_with_a_byte_order_mark_are_read(tmp_path, written):
    from segattr_lib.profiles import load_settings

    (tmp_path / "settings.yaml").write_text(written, encoding="utf-8")
    assert load_settings(tmp_path / "settings.yaml", {}) == Settings(grid=7 if "grid" in written else 14)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (f"seed={2**63}", f"seed is {2**63}; expected a whole number from 0 to {2**63 - 1}."),
        ("seed=-1", "seed is -1; expected a whole number from 0"),
        ("seed=1.5", "seed is 1.5"),
        ("seed=true", "seed is True; no setting is true or false"),
        ("k=[0.2, true]", "k is [0.2, True]; no setting is true or false"),
        ("seed=" + "9" * 5000, "cannot be read: Exceeds the limit"),
        ("beta=.nan", "beta is nan"),
        ("beta=.inf", "beta is inf"),
        ("alpha=.nan", "alpha is nan"),
        ("samples=[1", "cannot be read"),
        ("=5", "Unknown parameter ''"),
        ("split=2024-13-45", "cannot be read"),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(tmp_path, capsys, pair, said):
    assert said in sentence(capsys, ["benchmark", "-p", pair, "-o", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_largest_seed_is_kept_as_it_is(own, data, tmp_path):
    rows = rows_of(run_benchmark(settings(own, data, seed=2**63 - 1, methods=["random"]), tmp_path / "out"))
    assert set(rows["seed"]) == {2**63 - 1}


def test_a_seed_to_train_with_has_the_same_bounds(tmp_path, capsys):
    said = sentence(capsys, ["train", "shapes_vgg11", "--seed", str(2**64), "-o", str(tmp_path)])
    assert f"--seed is {2**64}; expected a whole number" in said


@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300])
def test_an_output_that_cannot_be_is_one_sentence(own, data, tmp_path, capsys, place):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert str(tmp_path / place[:20]) in sentence(capsys, command(own, data, tmp_path / place))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_an_error_nobody_foresaw_is_one_sentence_and_on_demand_a_traceback(own, data, tmp_path, capsys, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(runner, "run_benchmark", broken)
    said = sentence(capsys, command(own, data, tmp_path / "out"))
    assert said == "segattr: ZeroDivisionError: division by zero [SEGATTR_DEBUG=1 shows where]"
    monkeypatch.setenv("SEGATTR_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(command(own, data, tmp_path / "out"))


# Wherever it is called from


def called(*arguments: str, **environment: str | None) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, under an environment with these changes."""
    changed = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    kept = {name: value for name, value in changed.items() if value is not None}
    return subprocess.run([sys.executable, "-m", "segattr_lib", *arguments], cwd=ROOT, env=kept, capture_output=True)


@pytest.mark.slow
def test_a_folder_of_any_name_under_a_locale_that_has_no_accents_and_without_a_home(own, data, tmp_path):
    place = tmp_path / "Café (copie 2)"
    place.mkdir()
    data = data.rename(place / "bilder für alle")
    (data / "classes.csv").write_text("id,name\n0,rien\n1,éléphant\n2,b\n3,c\n", encoding="utf-8")
    arguments = command(own, data, place / "out (1)")
    plain_c = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    run = called(*arguments, **plain_c, HOME=None)
    assert run.returncode == 0 and b"Traceback" not in run.stderr, run.stderr
    assert b"3 samples scored, 0 skipped, 0 failed" in run.stdout
    assert len(rows_of(place / "out (1)")) == 6


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_a_command_quietly():
    line = f"{sys.executable} -u -m segattr_lib generate | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("141\n", "")


@pytest.mark.parametrize("arguments", [["generate"], ["execute"], ["execute", "benchmark"]])
def test_from_another_folder_the_sentence_says_where_to_call_it(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = sentence(capsys, arguments)
    assert f"in {tmp_path}; call this from {ROOT}" in said and not list(tmp_path.iterdir())


def notebook(folder: Path, *cells: str) -> None:
    (folder / "notebooks").mkdir()
    text = "\n# %%\n".join(['# %% tags=["parameters"]\nnumber = 1', *cells])
    (folder / "notebooks/mine.py").write_text(text, encoding="utf-8")
    (folder / "params").mkdir()
    (folder / "params/embedded.yaml").write_text("mine: {number: 2}\n", encoding="utf-8")
    (folder / "uv.lock").write_text("", encoding="utf-8")
    (folder / "segattr_lib").mkdir()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("raise ValueError('two\\nlines: é')", "The notebook mine failed: ValueError: two lines: é (see"),
        ("import os; os._exit(9)", "The notebook mine failed: DeadKernelError: Kernel died"),
    ],
)
def test_a_notebook_that_fails_is_one_sentence(cell, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, cell)
    assert main(["execute", "mine"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("segattr: ")]
    assert said in line and not list(tmp_path.rglob("*.partial"))


def test_a_page_may_lie_on_another_file_system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, "print(number * 21)")
    replace = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.resolve().parent != target.resolve().parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    assert main(["execute", "mine", "-o", "elsewhere (é)/page.ipynb"]) == 0
    assert "42" in (tmp_path / "elsewhere (é)/page.ipynb").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "elsewhere (é)").iterdir()] == ["page.ipynb"]


@pytest.mark.parametrize(
    ("place", "said"), [("notes.txt", "expected a file named *.ipynb"), ("folder.ipynb", "no place")]
)
def test_a_page_takes_the_place_of_nothing_else(place, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, "print(number)")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "folder.ipynb").mkdir()
    assert said in sentence(capsys, ["execute", "mine", "-o", place])
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("content", "said"),
    [("mine: [1]\n", "The parameters of mine in"), ("[1]\n", "are a list"), ("a: [", "cannot be read")],
)
def test_a_profile_that_says_nothing_is_one_sentence(content, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, "print(number)")
    (tmp_path / "params/embedded.yaml").write_text(content, encoding="utf-8")
    assert said in sentence(capsys, ["execute", "mine"])


def test_a_page_that_was_cut_off_is_made_again(tmp_path):
    (tmp_path / "page.ipynb").write_text("", encoding="utf-8")
    assert execute._about(tmp_path / "page.ipynb") == {}


def test_text_is_read_and_written_in_one_encoding_everywhere():
    missing = []
    for folder in ("segattr_lib", "book", "notebooks", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _opens_text(node):
                    missing += [f"{path.relative_to(ROOT)}:{node.lineno}"]
    assert not missing


def _opens_text(call: ast.Call) -> bool:
    """Does the call read or write text without saying in which encoding?"""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else "open" * (getattr(call.func, "id", "") == "open")
    whose = getattr(getattr(call.func, "value", None), "id", "")
    if name not in ("read_text", "write_text", "open") or whose in ("Image", "tarfile", "zipfile", "os"):
        return False
    modes = [
        argument.value
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    return not any("b" in mode for mode in modes) and "encoding" not in {word.arg for word in call.keywords}
