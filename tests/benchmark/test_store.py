"""The results folder: what it is made of, what a kill or a power cut leaves of it, and who may work in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from segattr_lib.benchmark import runner, store
from segattr_lib.benchmark.runner import run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.store import read_samples, read_timings
from segattr_lib.registry import UserError
from segattr_lib.writing import alone_in

OWN = """
import torch
from oracles import ConvNet
from segattr_lib.data import load_dataset
from factor import FACTOR


def tiny():
    net = ConvNet(classes=7, seed=99)
    net.register_forward_pre_hook(lambda module, inputs: (inputs[0] * FACTOR,))
    return net


def red(score, images, target):
    return images[:, 0] * FACTOR


def level(score, images, maps, target):
    return maps.mean((1, 2)) * FACTOR


def scenes(root, split):
    return load_dataset("shapes")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    place = tmp_path / "my code (1)"
    place.mkdir()
    (place / "factor.py").write_text("FACTOR = 1.0\n", encoding="utf-8")
    (place / "own.py").write_text(OWN, encoding="utf-8")
    return place / "own.py"


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GROUP", 1)


def asked(own: Path, **changes: Any) -> Settings:
    usual = {"dataset": "shapes", "samples": 3, "image_size": 32, "model": f"{own}:tiny", "layer": "features"}
    return read_settings(
        {**usual, "methods": ["random"], "metrics": ["tdd"], "device": "cpu", "batch_size": 8, **changes}
    )


def half_done(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, parts: int = 2) -> Path:
    """A folder whose run was stopped after so many parts."""
    real, begun = runner.run_group, []

    def stopped(*args: Any) -> Any:
        begun.append(args)
        if len(begun) > parts:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "run_group", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_benchmark(settings, folder)
    return folder


def change(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def same(first: Path, second: Path) -> bool:
    names = ["manifest.json", "ro-crate-metadata.json", "runs.csv", "samples.parquet", "timings.parquet"]
    equal = all((first / name).read_bytes() == (second / name).read_bytes() for name in ("samples.parquet", "runs.csv"))
    return equal and sorted(path.name for path in second.iterdir()) == names and len(read_timings(second)) == 3


@pytest.fixture
def whole(own: Path, tmp_path: Path) -> Path:
    return run_benchmark(asked(own), tmp_path / "whole")


def test_many_parts_are_joined_in_order_and_in_few_row_groups(own, tmp_path, whole, monkeypatch):
    monkeypatch.setattr(store, "TOGETHER", 2)  # of three parts
    folder = run_benchmark(asked(own), tmp_path / "here")
    assert read_samples(folder).equals(read_samples(whole))
    groups = [pq.ParquetFile(place / "samples.parquet").num_row_groups for place in (folder, whole)]
    assert groups == [2, 1]


def test_a_kill_at_any_step_loses_and_doubles_nothing(own, tmp_path, whole, monkeypatch):
    """What lies in the folder before a file takes its name is what a kill would leave there."""
    folder, states, real = tmp_path / "results", [], Path.replace

    def replace(path: Path, target: Path) -> Path:
        states.append(shutil.copytree(folder, tmp_path / f"state{len(states)}"))
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        run_benchmark(asked(own), folder)
    states.append(shutil.copytree(folder, tmp_path / "after"))
    (states[-1] / "parts").mkdir()
    assert same(whole, folder)
    # holder, manifest twice, three parts of two files, two tables, aggregate, crate, manifest; and after it
    assert len(states) == 15
    for state in states:
        assert same(whole, run_benchmark(asked(own), state))


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "other run", "gone"])
@pytest.mark.parametrize("kind", ["samples", "timings"])
def test_a_part_that_cannot_be_trusted_is_made_again(own, tmp_path, whole, monkeypatch, damage: str, kind: str):
    folder = half_done(asked(own), tmp_path / "results", monkeypatch)
    path = sorted((folder / "parts").glob(f"*.{kind}.parquet"))[0]
    content = path.read_bytes()
    table = pq.read_table(path)
    if damage == "gone":
        path.unlink()
    elif damage in ("cut", "empty"):
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    elif damage == "foreign":
        pq.write_table(pa.table({"a": [1, 2]}), path)
    else:
        pq.write_table(table.set_column(0, "run_id", pa.array(["0" * 12] * len(table))), path)
    assert same(whole, run_benchmark(asked(own), folder))


def test_a_part_that_breaks_before_the_end_is_one_sentence_and_the_next_run_makes_it(own, tmp_path, whole, monkeypatch):
    folder = half_done(asked(own), tmp_path / "results", monkeypatch)
    real = store.Store.write

    def written(self: store.Store, *args: Any) -> None:
        real(self, *args)
        sorted(self.parts.glob("*.samples.parquet"))[0].write_bytes(b"")

    with monkeypatch.context() as patch:
        patch.setattr(store.Store, "write", written)
        with pytest.raises(UserError, match="cannot be read; run again to have it made anew"):
            run_benchmark(asked(own), folder)
    assert same(whole, run_benchmark(asked(own), folder))


@pytest.mark.parametrize("cut", [0, 1, 10, 500, "zeros"])
@pytest.mark.parametrize("finished", [True, False])
def test_a_manifest_that_was_cut_short_is_written_again(own, tmp_path, whole, monkeypatch, capsys, cut, finished):
    folder = tmp_path / "results"
    if finished:
        run_benchmark(asked(own), folder)
    else:
        half_done(asked(own), folder, monkeypatch)
    path = folder / "manifest.json"
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)) if cut == "zeros" else content[:cut])
    assert same(whole, run_benchmark(asked(own), folder))
    assert "manifest.json was cut short; what it tells of is made again." in capsys.readouterr().err


@pytest.mark.parametrize("left", ["manifest.json.partial", "manifest.json.123.partial", "lock", "lock.json"])
def test_what_a_kill_leaves_of_a_folder_just_begun_is_no_matter(own, tmp_path, whole, left: str):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / left).write_text("{", encoding="utf-8")
    assert same(whole, run_benchmark(asked(own), folder))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "3",
        "null",
        "not json",
        '{"name": "an app"}',
        '{"settings": {}, "fingerprints": [], "versions": {}}',
        "\udcff",
    ],
)
def test_somebody_elses_manifest_is_left_alone(own, tmp_path, text: str):
    path = tmp_path / "results" / "manifest.json"
    path.parent.mkdir()
    path.write_bytes(text.encode(errors="surrogateescape"))
    before = path.read_bytes()
    with pytest.raises(UserError, match="name another folder") as caught:
        run_benchmark(asked(own), path.parent)
    assert len(str(caught.value).splitlines()) == 1
    assert path.read_bytes() == before


def test_a_cut_manifest_beside_something_else_is_left_alone(own, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "manifest.json").write_text("", encoding="utf-8")
    (tmp_path / "results" / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"is not empty and holds no manifest\.json that can be read"):
        run_benchmark(asked(own), tmp_path / "results")
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["manifest.json", "thesis.tex"]


def test_a_folder_that_is_a_file_is_one_sentence(own, tmp_path):
    (tmp_path / "results").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"results' cannot be written|is a file"):
        run_benchmark(asked(own), tmp_path / "results")


@pytest.mark.parametrize("name", ["samples.parquet", "timings.parquet"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_a_finished_folder_without_its_tables_is_made_again(own, tmp_path, whole, capsys, name: str, damage: str):
    folder = run_benchmark(asked(own), tmp_path / "results")
    path = folder / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-4] if damage == "cut" else b"")
        with pytest.raises(UserError, match="cannot be read; run again"):
            (read_samples if name == "samples.parquet" else read_timings)(folder)
    assert same(whole, run_benchmark(asked(own), folder))
    assert "they are made again" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["runs.csv", "ro-crate-metadata.json"])
def test_a_finished_folder_gets_its_summary_again_and_loses_old_parts(own, tmp_path, whole, monkeypatch, name: str):
    folder = shutil.copytree(whole, tmp_path / "results")
    (folder / name).unlink()
    (folder / "parts").mkdir()
    monkeypatch.setattr(runner, "run_group", lambda *_: pytest.fail("done again"))
    assert same(whole, run_benchmark(asked(own), folder))


@pytest.mark.parametrize("package", ["torch", "torchvision", "numpy", "segattr"])
def test_only_a_finished_folder_may_be_of_other_packages(own, tmp_path, whole, monkeypatch, package: str):
    versions = {**json.loads((whole / "manifest.json").read_text(encoding="utf-8"))["versions"], package: "1.0.0"}
    change(whole, versions=versions)
    run_benchmark(asked(own), whole)
    folder = half_done(asked(own), tmp_path / "results", monkeypatch)
    change(folder, versions=versions)
    said = rf"were begun with {package} 1\.0\.0 \(now .*\); go on as they were begun, remove the folder or name another"
    with pytest.raises(UserError, match=said):
        run_benchmark(asked(own), folder)
    change(folder, versions={})
    with pytest.raises(UserError, match="torch None"):
        run_benchmark(asked(own), folder)


def test_a_folder_is_gone_on_with_on_the_kind_of_device_it_was_begun_on(own, tmp_path, whole, monkeypatch):
    folder = half_done(asked(own), tmp_path / "results", monkeypatch)
    change(folder, device="cuda:1")
    with pytest.raises(UserError, match=r"were begun with device cuda \(now cpu\)"):
        run_benchmark(asked(own), folder)
    change(folder, device="cpu:0")
    assert same(whole, run_benchmark(asked(own), folder))


def runtimes(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["runtimes"]


def test_the_manifest_names_batch_size_memory_format_and_threads_of_each_model(own, whole):
    expected = {"model": f"{own}:tiny", "batch_size": 8, "channels_last": True, "engine": "onnxruntime"}
    assert runtimes(whole) == [{**expected, "threads": torch.get_num_threads()}]


def test_a_folder_is_gone_on_with_as_it_was_begun(own, tmp_path, monkeypatch, capsys):
    """Where the settings leave the batch size open, what another measurement would say changes nothing."""
    folder = half_done(asked(own, batch_size=5), tmp_path / "results", monkeypatch)
    change(folder, runtimes=[{**runtimes(folder)[0], "channels_last": False}])
    run_benchmark(asked(own, batch_size=None), folder)
    (entry,) = runtimes(folder)
    assert (entry["batch_size"], entry["channels_last"]) == (5, False)
    assert "was begun with" not in capsys.readouterr().err


def test_another_batch_size_or_thread_count_is_said_and_noted(own, tmp_path, monkeypatch, capsys):
    folder = half_done(asked(own), tmp_path / "results", monkeypatch)
    threads = torch.get_num_threads()
    change(folder, runtimes=[{**runtimes(folder)[0], "threads": threads + 1}])
    run_benchmark(asked(own, batch_size=2), folder)
    said = f"begun with batch size 8 on {threads + 1} threads and goes on with batch size 2 on {threads} threads"
    assert said in capsys.readouterr().err
    assert [(entry["batch_size"], entry["threads"]) for entry in runtimes(folder)] == [(8, threads + 1), (2, threads)]


def holder_of(folder: Path) -> int:
    """The id of another process, which holds the folder from here on."""
    read, write = os.pipe()
    process = os.fork()
    if process:
        assert os.read(read, 1) == b"x"
        return process
    with alone_in(folder):
        os.write(write, b"x")
        time.sleep(600)
    os._exit(1)


def test_one_process_works_in_a_folder_and_another_says_who_does(own, tmp_path, whole, monkeypatch):
    folder = half_done(asked(own), tmp_path / "results", monkeypatch)
    process = holder_of(folder)
    try:
        said = rf"Process {process} on {socket.gethostname()}, since \d{{4}}-.*, works in the folder .*results"
        with pytest.raises(UserError, match=said):
            run_benchmark(asked(own), folder)
        (folder / "lock.json").write_text("", encoding="utf-8")  # just begun
        with pytest.raises(UserError, match="Another process works in the folder"):
            run_benchmark(asked(own), folder)
    finally:
        os.kill(process, signal.SIGKILL)  # as it comes: nothing is tidied up
        os.waitpid(process, 0)
    assert same(whole, run_benchmark(asked(own), folder))


def test_a_finished_folder_is_read_while_another_process_holds_it(own, whole):
    with alone_in(whole):
        assert run_benchmark(asked(own), whole) == whole


@pytest.mark.parametrize("kind", ["dataset", "model", "methods", "metrics"])
@pytest.mark.parametrize("name", ["own.py", "factor.py"])
def test_changed_code_of_a_users_own_is_noticed(own, tmp_path, monkeypatch, kind: str, name: str):
    mine = {"dataset": "scenes", "model": "tiny", "methods": "red", "metrics": "level"}[kind]
    registered = {"model": "shapes_lraspp", "layer": "backbone.16"} if kind != "model" else {}
    place = f"{own}:{mine}"
    metrics = {"metrics": ["complexity"]} if kind == "methods" else {}
    settings = asked(own, **{**registered, **metrics, kind: place, "samples": 2, "image_size": 64})
    done = run_benchmark(settings, tmp_path / "done")
    begun = half_done(settings, tmp_path / "begun", monkeypatch, 1)
    path = own.with_name(name)
    path.write_text(
        path.read_text(encoding="utf-8").replace("1.0", "0.5")
        if name == "factor.py"
        else path.read_text(encoding="utf-8") + "\n# more",
        encoding="utf-8",
    )
    for folder in (done, begun):
        with pytest.raises(UserError) as caught:
            run_benchmark(settings, folder)
        assert f"were made with other code of {place}, though under the same name" in str(caught.value)
    values = [read_samples(folder)["value"].tolist() for folder in (done, run_benchmark(settings, tmp_path / "new"))]
    assert (values[0] == values[1]) == (name == "own.py" or kind == "dataset")


def test_a_run_keeps_the_code_it_began_with_and_the_next_one_notices(own, tmp_path):
    """The metric edits its own file when it is called first."""
    own.write_text(
        f"{OWN}\n\ndef edits(score, images, maps, target):\n    from pathlib import Path\n"
        f"    Path({str(own)!r}).write_text('def edits(*_): raise ValueError')\n    return maps.mean((1, 2)) * 0 + 7\n",
        encoding="utf-8",
    )
    settings = asked(own, metrics=[f"{own}:edits"])
    folder = run_benchmark(settings, tmp_path / "results")
    rows = read_samples(folder)
    assert rows[rows["metric"] == f"{own}:edits"]["value"].tolist() == [7, 7, 7]
    own.write_text(
        OWN + "\n\ndef edits(score, images, maps, target):\n    return maps.mean((1, 2))\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"other code of .*own\.py:tiny"):
        run_benchmark(settings, folder)


def test_a_changed_class_map_is_noticed(own, tmp_path):
    own.write_text(
        "import torch\n\n\ndef net():\n    torch.manual_seed(0)\n    return torch.nn.Sequential("
        "torch.nn.Conv2d(3, 4, 3, 2), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())\n",
        encoding="utf-8",
    )
    root, named = tmp_path / "data", tmp_path / "map.yaml"
    for part, colour in (("images", (200, 10, 10)), ("masks", 1)):
        (root / part).mkdir(parents=True)
        Image.new("RGB" if part == "images" else "L", (32, 32), colour).save(root / part / "a.png")
    (root / "classes.csv").write_text("id,name\n0,ground\n1,thing\n", encoding="utf-8")
    named.write_text("source: a trial\nclasses: {thing: [1, 2]}\n", encoding="utf-8")
    data = {"dataset": "folder", "root": str(root), "class_map": str(named), "samples": 1}
    settings = asked(own, **data, model=f"{own}:net", layer="0", metrics=["complexity"])
    folder = run_benchmark(settings, tmp_path / "results")
    named.write_text("source: other words\nclasses: {thing: [1, 2]}\n", encoding="utf-8")
    run_benchmark(settings, folder)
    named.write_text("source: a trial\nclasses: {thing: [1, 3]}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"were made with other class map of .*map\.yaml"):
        run_benchmark(settings, folder)
