"""The library without the book: what it may import, what its wheel holds, and the script `segattr` that it brings."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from segattr_lib import provenance
from segattr_lib.__main__ import BOOK, main

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
OF_THE_BOOK = re.compile(
    r"segattr_lib\.(sections\b.*|explorer\b.*|execute|report\.(page|slider|classifiers|photographs))"
)
ABSENT = {
    "IPython",
    "_pytest",
    "beartype",
    "ipywidgets",
    "jupyter_book",
    "myst_nb",
    "nbformat",
    "papermill",
    "torchcam",
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((ROOT / "segattr_lib").rglob("*.py"))}
LIBRARY = [name for name in MODULES if not OF_THE_BOOK.fullmatch(name)]


def names_of(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def reached(requirements: list[str]) -> set[str]:
    """The distributions that an installer brings for these requirements, by their canonical names."""
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(requirement), "") for requirement in requirements]
    while waiting:
        requirement, extra_of_parent = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra_of_parent}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                try:
                    waiting += [(Requirement(needed), extra) for needed in requires(name) or []]
                except PackageNotFoundError:  # of another platform's extras
                    continue
    return {name for name, _ in seen}


def top_level_modules() -> dict[str, set[str]]:
    """Every module that can be imported from an installed distribution, to the canonical names of these."""
    return {module: {*map(canonicalize_name, names)} for module, names in packages_distributions().items()}


def imports_at_once(statements: list[ast.stmt]) -> Iterator[str]:
    """The modules that are imported when a module is: not those of its functions, nor those for type checkers."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert not statement.level and statement.module
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif isinstance(statement, ast.FunctionDef) or "TYPE_CHECKING" in ast.unparse(getattr(statement, "test", [])):
            continue
        else:
            for part in ("body", "orelse", "finalbody"):
                yield from imports_at_once(getattr(statement, part, []))
            for handler in getattr(statement, "handlers", []):
                yield from imports_at_once(handler.body)


def test_the_library_imports_what_its_dependencies_bring_and_nothing_of_the_book():
    installed, distributions = reached(PROJECT["dependencies"]), top_level_modules()
    for name in LIBRARY:
        for module in imports_at_once(ast.parse(MODULES[name].read_text(encoding="utf-8")).body):
            top = module.partition(".")[0]
            if top == "segattr_lib":
                assert not OF_THE_BOOK.fullmatch(module), f"{name} imports {module}, which needs the extra `book`"
            elif top not in sys.stdlib_module_names:
                assert distributions[top] & installed, f"{name} imports {module}, which no dependency brings"


def test_what_is_asked_for_before_notebooks_are_made_is_what_the_extra_brings():
    book = PROJECT["optional-dependencies"]["book"]
    own = {canonicalize_name(name) for name in BOOK}
    assert names_of(book) - {"jupyter-book"} <= own <= reached(book)
    assert not own & reached(PROJECT["dependencies"])


BARE = """
import importlib, sys
from importlib.machinery import PathFinder
absent, modules, folder = {*sys.argv[1].split(",")}, sys.argv[2].split(","), sys.argv[3]
class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
for name in modules:
    importlib.import_module(name)
from segattr_lib.__main__ import main
chosen = ["dataset=shapes", "model=shapes_fcn", "samples=1", "image_size=64", "metrics=[tdd]", "methods=[gpa, ria]"]
sys.exit(main(["benchmark", "-o", folder, *(part for pair in chosen for part in ("-p", pair))]))
"""


@pytest.mark.slow
def test_where_only_the_dependencies_are_installed_every_module_is_imported_and_a_benchmark_runs(tmp_path):
    installed = reached(PROJECT["dependencies"])
    absent = [name for name, brought_by in top_level_modules().items() if not brought_by & {*installed, "segattr"}]
    assert {*absent} >= ABSENT
    arguments = [",".join(absent), ",".join(LIBRARY), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", BARE, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("out: 1 samples scored, 0 skipped, 0 failed\n")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("there is no uv beside this Python to build a wheel with; make setup brings it")
    build = [uv, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT]
    run = subprocess.run(build, capture_output=True, text=True)
    if run.returncode and "hatchling" in run.stderr and "editable" not in run.stderr:
        pytest.skip(f"hatchling, which builds the wheel, cannot be fetched: {run.stderr.splitlines()[-1]}")
    assert run.returncode == 0, run.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_the_wheel_holds_the_files_of_the_library_as_git_knows_them_and_no_others(wheel):
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "segattr_lib"]
    run = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        pytest.skip(f"git does not know these files: {run.stderr.strip()}")
    known = {name: (ROOT / name).read_bytes() for name in run.stdout.split("\0") if (ROOT / name).is_file()}
    held = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert sorted(held) == sorted(known)
    assert all(wheel.read(name) == content for name, content in known.items())
    assert not [name for name in held if Path(name).name.startswith("finetuned_")]


@pytest.mark.slow
def test_the_wheel_says_what_it_needs_how_it_is_called_and_under_which_licences(wheel):
    about = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    metadata = message_from_bytes(wheel.read(about["METADATA"]))
    needed = [Requirement(requirement) for requirement in metadata.get_all("Requires-Dist")]
    always = {canonicalize_name(need.name) for need in needed if need.marker is None}
    assert always == names_of(PROJECT["dependencies"])
    assert metadata.get_all("Provides-Extra") == sorted(PROJECT["optional-dependencies"])
    assert "segattr = segattr_lib.__main__:main" in wheel.read(about["entry_points.txt"]).decode()
    licences = list(ROOT.glob("LICENSE*"))
    licences += [path for name in ("LICENSE*", "NOTICE*") for path in (ROOT / "segattr_lib/models/weights").glob(name)]
    names = sorted(path.relative_to(ROOT).as_posix() for path in licences)
    assert sorted(metadata.get_all("License-File")) == names
    assert {name.partition("/licenses/")[2] for name in about.values() if "/licenses/" in name} == {*names}


SCRIPT = """
import sys
from segattr_lib.__main__ import main
if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        print(*sorted({"numpy", "pandas", "torch", "yaml"} & {*sys.modules}), sep=", ", end=" were imported")
"""


def called(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What an installer writes to bin/segattr, called from this folder."""
    script = folder / "bin" / "segattr"
    script.parent.mkdir(exist_ok=True)
    script.write_text(SCRIPT, encoding="utf-8")
    changed = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=folder, env=changed, capture_output=True, encoding="utf-8")


def test_the_script_goes_by_its_name_and_shows_its_help_before_anything_heavy_is_imported(tmp_path):
    run = called(tmp_path, "--help")
    assert run.returncode == 0 and run.stdout.startswith("usage: segattr [-h] COMMAND")
    assert run.stdout.endswith("\n were imported")
    module = [sys.executable, "-m", "segattr_lib", "--help"]
    shown = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("usage: python -m segattr_lib [-h] COMMAND")


def test_the_script_reads_names_that_the_locale_cannot_write(tmp_path):
    plain_c = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    run = called(tmp_path, "benchmark", "-o", "out", "-p", "methods=[é]", **plain_c)
    assert run.returncode == 2 and "Unknown method 'é'" in run.stderr


def test_the_script_finds_a_users_module_in_the_folder_and_none_there_hides_a_package(tmp_path):
    (tmp_path / "my_methods.py").write_text("def red(score, images, target): return images[:, 0]\n", encoding="utf-8")
    (tmp_path / "yaml.py").write_text("raise RuntimeError('no yaml')\n", encoding="utf-8")
    run = called(tmp_path, "benchmark", "-o", "out", "-p", "methods=[my_methods:blue]")
    assert run.returncode == 2
    assert "The method 'my_methods:blue': my_methods has no 'blue'; it has red." in run.stderr


@pytest.mark.parametrize("arguments", [["generate"], ["execute"], ["execute", "benchmark"]])
def test_notebooks_without_the_extra_are_one_sentence_that_says_what_to_install(arguments, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for name in ("jupytext", "myst_nb"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"segattr: `{arguments[0]}` works on notebooks, for which jupytext, myst_nb must be installed: "
        "pip install 'segattr[book]'.\n"
    )


@pytest.mark.parametrize("command", ["record", "verify"])
def test_a_record_that_asks_what_a_page_asks_says_what_to_install(command, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert main([command, "prompting"]) == 2
    assert capsys.readouterr().err == (
        f"segattr: `{command}` asks of prompting what a page of the book does, for which ipykernel must be installed: "
        "pip install 'segattr[book]'.\n"
    )


def test_an_installed_librarys_weights_are_replaced_by_no_training(tmp_path, monkeypatch, capsys):
    weights = tmp_path / "site-packages/segattr_lib/models/weights"
    monkeypatch.setattr("segattr_lib.models.WEIGHTS", weights)
    assert main(["train", "shapes_fcn"]) == 2
    said = capsys.readouterr().err
    assert f"in {weights}; name a folder with -o" in said and len(said.splitlines()) == 1


def test_a_run_of_an_installed_library_names_no_commit_of_the_repository_it_lies_in(tmp_path, monkeypatch):
    def git(*arguments: str) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", "-C", tmp_path, *settings, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "theirs")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "venv/site-packages/segattr_lib/provenance.py"))
    assert provenance.commit() is None
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "segattr_lib/provenance.py"))  # of a clone
    assert provenance.commit() == git("rev-parse", "HEAD")
