"""A user's own files: loaded once, apart from every other module, anew when they change, and known by content."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from segattr_lib.own_code import as_loaded, fingerprint, loaded_fingerprint
from segattr_lib.registry import Key, UserError, lookup, make_key, read_key, user_object


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def value(folder: Path, name: str = "own") -> object:
    return user_object("method", f"{folder / f'{name}.py'}:value")


def test_a_file_runs_once_and_keeps_its_state(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(tmp_path, own=f"open({str(log)!r}, 'a').write('x')\ncount = []\ndef value():\n    count.append(1)\n")
    first = value(tmp_path)
    first()
    assert value(tmp_path) is first
    assert user_object("metric", f"{tmp_path / 'own.py'}:count") == [1]
    assert log.read_text(encoding="utf-8") == "x"


def test_a_sibling_is_imported_and_runs_once_for_all_files_of_its_folder(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(tmp_path, helpers=f"open({str(log)!r}, 'a').write('x')\nnumber = 3\n")
    write(tmp_path, own="from helpers import number\nvalue = number\n", more="import helpers\nvalue = helpers.number\n")
    assert (value(tmp_path), value(tmp_path, "more")) == (3, 3)
    assert log.read_text(encoding="utf-8") == "x"
    assert "helpers" not in sys.modules
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    "text",
    [
        "from helpers import number\ndef value():\n    return number\n",
        "def value():\n    from helpers import number\n    return number\n",  # only once it is called
        "from .helpers import number\ndef value():\n    return number\n",
        "import inner.more\ndef value():\n    return inner.more.number\n",
        "from inner import more\ndef value():\n    return more.number\n",
        "from inner.more import number\ndef value():\n    return number\n",
    ],
)
def test_siblings_of_one_name_in_two_folders_are_not_mixed_up(tmp_path: Path, text: str) -> None:
    functions = []
    for number, folder in enumerate((tmp_path / "first", tmp_path / "second")):
        write(folder, own=text, helpers=f"number = {number}\n")
        write(folder / "inner", more="from helpers import number\n")
        functions.append(value(folder))
    assert [function() for function in functions] == [0, 1]


def test_a_sibling_is_preferred_to_a_module_of_its_name_that_is_imported_already(tmp_path: Path) -> None:
    import json

    write(tmp_path, json="number = 5\n", own="from json import number\nvalue = number\n")
    assert value(tmp_path) == 5
    assert sys.modules["json"] is json and not hasattr(json, "number")


def test_a_file_that_is_named_as_a_library_still_imports_the_library(tmp_path: Path) -> None:
    write(tmp_path, torch="import torch\nvalue = torch.__version__\n")
    import torch

    assert value(tmp_path, "torch") == torch.__version__


def test_the_library_beside_a_file_is_the_library_itself(tmp_path: Path) -> None:
    write(tmp_path / "segattr_lib", registry="UserError = None\n")
    write(tmp_path, own="from segattr_lib.registry import UserError as value\n")
    assert value(tmp_path) is UserError


def test_a_bare_folder_beside_a_file_hides_no_library(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    write(tmp_path, own="import numpy\nvalue = numpy.pi\n")
    assert value(tmp_path) == pytest.approx(3.14159, abs=1e-4)


BOX = "from dataclasses import dataclass\n\n@dataclass\nclass Box:\n    side: int\n"


def test_dataclasses_and_pickle_work_whatever_the_file_is_called(tmp_path: Path) -> None:
    for name in ("own", "my-methods (1)", "v1.2", "größe"):
        for folder in ("a", "b c"):
            write(tmp_path / folder, **{name: BOX + f"value = Box({len(folder)})\n"})
            box = value(tmp_path / folder, name)
            assert pickle.loads(pickle.dumps(box)) == box
    write(tmp_path, helpers=BOX, own="from helpers import Box\nvalue = Box(4)\n")
    assert pickle.loads(pickle.dumps(value(tmp_path))) == value(tmp_path)


@pytest.mark.parametrize("changed", ["own", "helpers", "deeper", "inner/__init__", "inner/more"])
def test_a_change_of_the_file_or_of_what_it_imports_is_noticed(tmp_path: Path, changed: str) -> None:
    write(
        tmp_path,
        own="import helpers, inner.more\nOWN = 1\ndef value():\n    return OWN + helpers.f() + inner.more.f()\n",
        helpers="import deeper\nHERE = 1\ndef f():\n    return HERE + deeper.HERE\n",
        deeper="HERE = 1\n",
        unused="HERE = 1\n",
    )
    write(tmp_path / "inner", __init__="HERE = 1\n", more="from . import HERE\ndef f():\n    return HERE * 1\n")
    place = f"{tmp_path / 'own.py'}"
    before, old = fingerprint(place), value(tmp_path)
    assert old() == 4
    (tmp_path / "unused.py").write_text("HERE = 2\n", encoding="utf-8")
    assert fingerprint(place) == before and value(tmp_path) is old
    file = tmp_path / f"{changed}.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace("1", "2", 1), encoding="utf-8"
    )  # of one length, and most often in one second
    assert value(tmp_path)() == 5
    assert fingerprint(place) != before
    file.write_text(file.read_text(encoding="utf-8").replace("2", "1", 1), encoding="utf-8")
    assert value(tmp_path)() == 4
    assert fingerprint(place) == before


def test_an_unchanged_neighbour_is_not_run_again(tmp_path: Path) -> None:
    write(tmp_path, own="value = object()\n", more="value = object()\n")
    kept = value(tmp_path, "more")
    value(tmp_path)
    write(tmp_path, own="value = 2\n")
    assert value(tmp_path) == 2
    assert value(tmp_path, "more") is kept


def test_a_fingerprint_follows_imports_wherever_they_stand_and_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, own="def value():\n    import late\n", late="import own\nfrom absent import nothing\n")
    before = fingerprint(f"{tmp_path / 'own.py'}")
    write(tmp_path, late="import own\n")
    assert fingerprint(f"{tmp_path / 'own.py'}") != before


def test_an_edit_does_not_reach_a_run_that_goes_on(tmp_path: Path) -> None:
    write(tmp_path, own="value = 1\n")
    with as_loaded():
        assert value(tmp_path) == 1
        before = fingerprint(f"{tmp_path / 'own.py'}")
        write(tmp_path, own="value = 2\n")
        assert fingerprint(f"{tmp_path / 'own.py'}") != before
        with as_loaded():
            assert value(tmp_path) == 1
        (tmp_path / "own.py").unlink()
        assert value(tmp_path) == 1
        assert loaded_fingerprint(f"{tmp_path / 'own.py'}") == before
        write(tmp_path, own="value = 3\n")
    with as_loaded():  # what was loaded before a run began is tried once
        assert value(tmp_path) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def value(:\n    pass\n", "SyntaxError"),
        ("from torch import a_name_that_is_gone\n", "ImportError: cannot import name 'a_name_that_is_gone'"),
        ("import no_such_module_at_all\n", "No module named 'no_such_module_at_all'"),
        ("import broken\n", "SyntaxError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("import sys\nsys.exit()\n", "SystemExit"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("raise ValueError('one\\ntwo')\n", "ValueError: one."),
        ("open('/no/such/file')\n", "FileNotFoundError"),
        ("value = '\0'\n", "null bytes"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence_each_time(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, own=text, broken="def (\n")
    for _ in range(2):
        with pytest.raises(UserError, match="cannot be loaded") as caught:
            value(tmp_path)
        assert said in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    write(tmp_path, own="value = 1\n")
    assert value(tmp_path) == 1


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "def f(:", "1 / 0", "from torch import a_name_that_is_gone"])
def test_a_module_that_cannot_be_imported_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    write(tmp_path, outdated_module=text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"The model 'outdated_module:build' cannot be imported: \w+"):
        user_object("model", "outdated_module:build")


def test_what_is_no_function_is_refused(tmp_path: Path) -> None:
    write(tmp_path, own="value = 3\n")
    with pytest.raises(UserError, match=r"own\.py:value' is a int; expected a function"):
        lookup("method", f"{tmp_path / 'own.py'}:value", {})


def test_a_package_is_known_by_all_its_files_and_cannot_change_under_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "own_package_a", __init__="", methods="def value(): ...\n", other="x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    unread = fingerprint("own_package_a.methods")
    assert user_object("method", "own_package_a.methods:value") is user_object("metric", "own_package_a.methods:value")
    assert fingerprint("own_package_a.methods") == unread
    with as_loaded():
        user_object("method", "own_package_a.methods:value")
        write(tmp_path / "own_package_a", other="x = 2\n")
        user_object("method", "own_package_a.methods:value")
        assert loaded_fingerprint("own_package_a.methods") == unread != fingerprint("own_package_a.methods")
    with pytest.raises(UserError, match="own_package_a has changed since it was imported; start Python anew"):
        user_object("method", "own_package_a.methods:value")


def test_a_lone_module_is_known_by_its_file_and_its_siblings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, own_lone_module="import own_lone_sibling\n", own_lone_sibling="x = 1\n", unused="x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = fingerprint("own_lone_module")
    write(tmp_path, unused="x = 2\n")
    assert fingerprint("own_lone_module") == before
    write(tmp_path, own_lone_sibling="x = 2\n")
    assert fingerprint("own_lone_module") != before
    assert fingerprint("math") == fingerprint("sys")  # without a file
    assert fingerprint("torchvision.models.resnet") != fingerprint("numpy")


def test_a_fingerprint_is_the_same_in_another_process_and_place(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, own="import helpers\nvalue = 1\n", helpers="x = 1\n", unused="value = 1\n")
    value(tmp_path / "a")
    value(tmp_path / "a", "unused")
    program = f"from segattr_lib.own_code import fingerprint; print(fingerprint({str(tmp_path / 'b/own.py')!r}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == fingerprint(str(tmp_path / "a/own.py"))


@pytest.mark.parametrize("folder", ["my (1)", "mon projet (1)/Téléchargements", "a) b", "copy(2)", "x.py: (y)"])
def test_a_folder_with_parentheses_is_no_option(tmp_path: Path, folder: str) -> None:
    write(tmp_path / folder, own="def value(): ...\n")
    place = f"{tmp_path / folder}/own.py:value"
    assert read_key(place) == Key(place)
    assert read_key(f"{place}(grid=7, fill=blur)") == make_key(place, {"grid": 7, "fill": "blur"})
    assert read_key(f" {folder}/own.py:value (grid=7)") == make_key(f"{folder}/own.py:value", {"grid": 7})
    from segattr_lib.metrics import OF_CUES, metric_key

    function = user_object("metric", place)
    assert metric_key(place).entry.function is function
    assert metric_key(make_key("agreement", {"with": f"{place}(grid=7)"}).text).entry is OF_CUES["agreement"]
