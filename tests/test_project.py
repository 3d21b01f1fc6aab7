"""The project's own rules: text notebooks, files that agree with each other; `make lint` holds what imports what."""

from __future__ import annotations

import ast
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from threading import Event
from time import sleep

import jupytext
import nbformat
import papermill
import pytest
import yaml
from PIL import Image, ImageColor

from segattr_lib import execute, explain
from segattr_lib.__main__ import main
from segattr_lib.data.photographs import available
from segattr_lib.profiles import defaults
from segattr_lib.registry import UserError
from segattr_lib.report.pages import TITLES

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def test_conda_users_get_what_pyproject_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert f"python{project['requires-python']}" in dependencies
    assert pip == [f"-e .[{','.join(project['optional-dependencies'])}]"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_define_nothing_and_open_and_close_as_the_house_does(path: Path) -> None:
    assert not [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    cells = jupytext.read(path).cells
    assert cells[0].source.startswith("# ")
    assert "In this notebook, we" in cells[0].source
    assert cells[-1].cell_type == "markdown"
    assert "**What we learnt.**" in cells[-1].source


NO_PROSE = r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|\{[\w:-]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)"  # code, formulas, roles, links
PLACES = r"\b(?:Tables?|sections?|eq\.) \d[\d.]*(?: to \d[\d.]*)?|^\d\. "  # in a paper, or of a list
NAMES = r"SAM 2|[A-Z][\w-]*-\d+"


def prose(path: Path) -> list[str]:
    """What a reader of a notebook reads that no cell computes: its text, its captions and its pictures' alternative
    texts."""
    cells = jupytext.read(path).cells
    shown = [cell.metadata.get("mystnb", {}) for cell in cells]
    alts = [about.get("image", {}).get("alt", "") for about in shown]
    captions = [about.get("figure", {}).get("caption", "") for about in shown]
    return [cell.source for cell in cells if cell.cell_type == "markdown"] + alts + captions


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_number_is_typed_into_a_page(path: Path) -> None:
    """0 and 1, the ends of a scale, aside."""
    for text in prose(path):
        bare = re.sub(f"{PLACES}|{NAMES}", " ", re.sub(NO_PROSE, " ", text, flags=re.DOTALL), flags=re.MULTILINE)
        assert set(re.findall(r"[\d.]*\d", bare)) <= {"0", "1"}, text


UNNUMBERED = ("page.credit(", "page.cards(")  # whose pictures those above are; a box a model, with a title each
OWN_CAPTIONS = ("status",)  # whose tables are of MyST, with a name and a caption


def named_figures(path: Path) -> list[dict[str, str]]:
    """The names and captions of a page's figures and tables."""
    return [cell.metadata["mystnb"]["figure"] for cell in jupytext.read(path).cells if "figure" in shown_as(cell)]


def shown_as(cell: nbformat.NotebookNode) -> dict[str, dict[str, str]]:
    return cell.metadata.get("mystnb", {})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_and_table_has_a_number_and_a_caption_that_is_a_sentence(path: Path) -> None:
    if path.stem in OWN_CAPTIONS:
        return
    if not named_figures(path):
        pytest.skip(f"{path.stem} has no captions yet")
    for cell in jupytext.read(path).cells:
        shows = cell.cell_type == "code" and "hide-input" in cell.metadata.get("tags", [])
        if not shows or "parameters" in cell.metadata["tags"] or cell.source.startswith(UNNUMBERED):
            continue
        about = shown_as(cell).get("figure", {})
        assert about.get("caption", "").endswith("."), cell.source
        kind = "fig" if "image" in shown_as(cell) else "(?:fig|tab)"
        assert re.fullmatch(rf"{kind}-[a-z0-9-]+", about.get("name", "")), cell.source


def test_no_two_figures_or_tables_of_the_book_have_one_name_and_every_reference_is_to_one() -> None:
    names = [about["name"] for path in NOTEBOOKS for about in named_figures(path)]
    assert len(set(names)) == len(names)
    for path in NOTEBOOKS:
        referred = re.findall(r"\{numref\}`([\w-]+)`", "\n".join(prose(path)))
        assert set(referred) <= set(names), path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_was_learnt_is_quoted_from_the_run(path: Path) -> None:
    closing = jupytext.read(path).cells[-1].source.partition("**What we learnt.**")[2]
    if path.stem == "explore":  # looks at one image, and says that it shows no more
        assert "Nothing that holds beyond the image shown" in closing
        return
    for sentence in re.split(r"(?<=\.)\s+(?=[A-Z])", closing.strip()):
        assert "{glue:text}" in sentence, sentence


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_value_a_page_quotes_is_glued_on_it(path: Path) -> None:
    """Under a name that stands as a text, or as an f-string with a fixed part, in its section or in the notebook; so is
    what the front page quotes of it."""
    quoted = set(re.findall(r"\{glue:text\}`(\w+)`", "\n".join(prose(path))))
    front = (ROOT / "index.md").read_text(encoding="utf-8")
    quoted |= set(re.findall(rf"\{{quoted\}}`{path.stem}/(\w+)`", front))
    patterns = set()
    for source in [path, *section_of(path.stem)]:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in node.values]
                patterns.add("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                patterns.add(re.escape(node.value))
    named = {pattern for pattern in patterns if pattern.replace(r"\w+", "")}  # f"{anything}" would match every name
    missing = {name for name in quoted if not any(re.fullmatch(pattern, name) for pattern in named)}
    assert not missing


def test_pages_link_to_pages_of_the_book() -> None:
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = {f"{chapter['file']}.ipynb" for part in contents["parts"] for chapter in part["chapters"]}
    pages = {f"book/executed/{path.stem}.ipynb" for path in NOTEBOOKS}
    assert pages == {name for name in chapters if name.startswith("book/executed/")}
    linking = {**dict.fromkeys(NOTEBOOKS, Path("book/executed")), ROOT / "index.md": Path()}
    for path, folder in linking.items():
        for link in re.findall(r"\]\(([^):#]+\.(?:ipynb|md))\)", path.read_text(encoding="utf-8")):
            target = os.path.normpath(folder / link)
            assert target in pages or (ROOT / target).is_file(), f"{path.name}: {link}"


def test_pages_are_known_by_their_titles() -> None:
    """By those of the notebooks; and the front page names every numbered chapter."""
    assert {
        path.stem: re.search(r"^# # (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)[1] for path in NOTEBOOKS
    } == TITLES
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter["file"] for part in contents["parts"] if part.get("numbered") for chapter in part["chapters"]]
    table = (ROOT / "index.md").read_text(encoding="utf-8").partition("| section |")[2].partition("\n\n")[0]
    assert [link.rpartition(".")[0] for link in re.findall(r"^\| \[.+?\]\((\S+)\)", table, re.MULTILINE)] == chapters


def section_of(name: str) -> list[Path]:
    """The modules of a page's section: a folder or a file of the notebook's name, or none."""
    sections = ROOT / "segattr_lib" / "sections"
    return [*(sections / name).rglob("*.py"), *sections.glob(f"{name}.py")]


COMPRESSED = {
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Lambda: "a lambda",
    ast.IfExp: "a conditional expression",
}
LONGEST_LINE, MOST_LINES = 100, 6  # of a notebook's code, and of a cell of it


def breaches(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell of code has that a page does not."""
    lines = cell.source.splitlines()
    seen = [f"{len(line)} characters in one line: {line}" for line in lines if len(line) > LONGEST_LINE]
    seen += [f"a line that is not formatted: {line}" for line in lines if "fmt: skip" in line or "fmt: off" in line]
    written = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    if len(written) > MOST_LINES and "parameters" not in cell.metadata.get("tags", []):
        seen.append(f"{len(written)} lines in one cell: {written[0]} ...")
    for node in ast.walk(ast.parse(cell.source)):
        if type(node) in COMPRESSED:
            seen.append(f"{COMPRESSED[type(node)]}: {ast.unparse(node)}")
        if isinstance(node, ast.Name) and node.id in ("globals", "locals"):
            seen.append(f"{node.id}, where report.page.parameters reads the parameters cell")
    return seen


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_is_prose_and_short_plain_cells(path: Path) -> None:
    code = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    assert not [breach for cell in code for breach in breaches(cell)]


@pytest.mark.parametrize(
    ("source", "breach"),
    [
        ("rows = [row for row in table]", "a comprehension"),
        ("total = sum(row for row in table)", "a comprehension"),
        ("table.map(lambda value: value)", "a lambda"),
        ("value = 1 if table else 0", "a conditional expression"),
        ("values = globals()", "globals"),
        ("value = 1  # fmt: skip", "not formatted"),
        ("value = '" + "x" * LONGEST_LINE + "'", "110 characters in one line"),
        ("\n".join(f"value{number} = {number}" for number in range(7)), "7 lines in one cell"),
    ],
)
def test_what_is_compressed_is_seen(source: str, breach: str) -> None:
    assert [text for text in breaches(nbformat.v4.new_code_cell(source)) if breach in text]


def test_a_plain_cell_and_long_parameters_are_no_breach() -> None:
    lines = [f"value{number} = {number}" for number in range(9)]
    assert not breaches(nbformat.v4.new_code_cell("\n".join(["# what follows", "", *lines[:6]])))
    assert not breaches(nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["parameters"]}))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_says_in_short_what_it_answers(path: Path) -> None:
    opening = jupytext.read(path).cells[0].source
    (box,) = re.findall(r"^:::\{admonition\} In short\n(.*?)^:::$", opening, re.MULTILINE | re.DOTALL)
    sentences = re.split(r"(?<=[.?])\s+(?=[A-Z{])", " ".join(box.split()))
    assert 3 <= len(sentences) <= 5, sentences
    if path.stem != "explore":  # looks at one image, and says that it concludes nothing
        assert all("{glue:text}" in sentence for sentence in sentences), sentences


CHAPTERS = [*NOTEBOOKS, ROOT / "book" / "judge.md"]
PLANS = ROOT / "params" / "recorded.yaml"


def box(path: Path, title: str) -> str:
    """What the one box of this title on a page says."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = "\n".join(cell.source for cell in jupytext.read(path).cells if cell.cell_type == "markdown")
    (inside,) = re.findall(rf"^(:{{3,}})\{{admonition\}} {title}\n(?::class: \w+\n)?(.*?)^\1$", text, re.M | re.S)
    return inside[1]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_says_what_to_trust_and_what_to_try(path: Path) -> None:
    """After the evidence, in words of the glossary; what to try is at hand: a command, a slider, or the live page."""
    trust, attempt = box(path, "What to trust"), box(path, "What to try")
    text = path.read_text(encoding="utf-8")
    assert text.index("In short") < text.index("What to trust") < text.index("What to try")
    assert path.stem == "status" or "{term}`" in trust + attempt
    assert len(re.findall(r"(?<=[.:?])\s", trust)) >= 2  # sentences, or their parts
    commands = re.findall(r"segattr (?:execute|verify|benchmark|explain|record)\b", attempt)
    assert path.stem == "judge" or commands, attempt


TRIED = re.compile(r"segattr ((?:[^`\n\\]|\\\n)+)")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_commands_to_try_name_what_there_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks and their parameters, settings of a benchmark, records that need no download."""
    from segattr_lib.benchmark.settings import read_settings

    monkeypatch.chdir(ROOT)
    recorded = yaml.safe_load(PLANS.read_text(encoding="utf-8"))
    for command in TRIED.findall(box(path, "What to try")):
        kind, *words = shlex.split(command.replace("\\\n", " "))
        given = dict(word.split("=", 1) for before, word in pairwise(words) if before == "-p")
        if kind == "execute":
            assert set(given) <= set(defaults(words[0])), command
        elif kind == "benchmark":
            read_settings({name: yaml.safe_load(value) for name, value in given.items()})
        elif kind == "verify":
            names = words[: words.index("--samples")]
            assert names and all("voc" not in str(recorded[name]) for name in names), command
        else:
            assert kind in ("record", "explain"), command


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_alternative_text_can_be_read_alone(path: Path) -> None:
    for cell in jupytext.read(path).cells:
        alt = shown_as(cell).get("image", {}).get("alt")
        assert alt is None or (len(alt) > 60 and "same" not in alt.split()[:3]), alt


WIDEST_CODE = 86  # characters that fit beside the contents at 1280 px


@pytest.mark.parametrize("path", [ROOT / "index.md", *sorted((ROOT / "book").glob("*.md")), *NOTEBOOKS])
def test_code_in_prose_fits_its_column(path: Path) -> None:
    text = "\n".join(prose(path)) if path.suffix == ".py" else path.read_text(encoding="utf-8")
    for block in re.findall(r"^ *```\w+\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        assert max(map(len, block.splitlines())) <= WIDEST_CODE, block


@pytest.mark.parametrize("profile", ["embedded", "smoke", "paper"])
def test_every_profile_names_parameters_its_notebooks_have(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    profiles = execute.load_profile(profile)
    assert set(profiles) == {path.stem for path in NOTEBOOKS}
    for name, parameters in profiles.items():
        known = papermill.inspect_notebook(str(execute.generate(name)))
        assert set(parameters or {}) <= set(known)


def test_the_benchmark_notebook_has_every_setting() -> None:
    from segattr_lib.benchmark.settings import Settings

    source = (ROOT / "notebooks/benchmark.py").read_text(encoding="utf-8")
    assigned = {match[1] for match in re.finditer(r"^(\w+) = ", source, re.MULTILINE)}
    assert set(Settings.model_fields) <= assigned


def notebook(folder: Path, *cells: str) -> None:
    (folder / "notebooks").mkdir()
    (folder / "notebooks/one.py").write_text("\n".join(cells), encoding="utf-8")
    (folder / "uv.lock").write_text("", encoding="utf-8")
    (folder / "segattr_lib").mkdir()


def test_a_notebook_runs_once_and_again_only_when_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, '# %% tags=["parameters"]', "number = 1", "# %%", "print(number * 2)")
    first = execute.execute("one", {"number": 21}, Path("one.ipynb")).read_bytes()
    assert b"42" in first
    assert execute.execute("one", {"number": 21}, Path("one.ipynb")).read_bytes() == first
    assert "up to date" in capfd.readouterr().out
    assert b"44" in execute.execute("one", {"number": 22}, Path("one.ipynb")).read_bytes()


def test_a_page_is_made_again_when_what_its_parameters_name_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"methods": ["gpa", "my (1)/own.py:method(k=2)"], "class_map": "map.yaml", "results": "results/one"}
    defaults = [f"{name} = {value!r}" for name, value in {**named, "root": None, "dataset": "folder"}.items()]
    notebook(tmp_path, '# %% tags=["parameters"]', *defaults)
    for folder in ("my (1)", "data/images", "results/one", "folder"):
        Path(folder).mkdir(parents=True)
    files = {"my (1)/own.py": "import near", "my (1)/near.py": "", "map.yaml": "", "data/images/a.png": ""}
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(execute.papermill, "execute_notebook", lambda raw, partial, *_, **__: shutil.copy(raw, partial))

    def made() -> bool:
        execute.execute("one", {"root": "data"}, Path("one.ipynb"))
        return "up to date" not in capfd.readouterr().out

    assert made() and not made()
    for name in ("results/one/samples.parquet", "folder/a", "my (1)/other.py", "data/.hidden"):
        Path(name).write_text("new", encoding="utf-8")
    assert not made()
    for name, text in files.items():
        Path(name).write_text(text + "#", encoding="utf-8")
        assert made() and not made(), name
    Path("data/images/a.png").rename("data/images/b.png")
    assert made()
    shard = Path("book/evidence/scenes/001.rows.parquet")  # a page may stand on it, whatever its parameters name
    shard.parent.mkdir(parents=True)
    shard.write_text("rows", encoding="utf-8")
    assert made() and not made()
    monkeypatch.setattr(execute, "version", lambda package: "0.0.0")
    assert made()


SHOWN = """
results = "results/one"  # a folder – made anew
few: int = 8  # of them
model = [
    "one",  # the first
    "two",
]  # all of them
kept, other = 1, 2
"""


def test_a_page_shows_one_parameters_cell_with_the_values_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, '# %% tags=["parameters", "hide-input"]', SHOWN.strip(), "# %%", "few = few + 1")

    def prepare(raw: Path, partial: Path, parameters: dict[str, object], **_: object) -> None:
        papermill.execute.execute_notebook(raw, partial, parameters, prepare_only=True)

    monkeypatch.setattr(execute.papermill, "execute_notebook", prepare)
    execute.execute("one", {"model": ["ü", "b # c"], "few": 2}, Path("one.ipynb"))
    own, injected, code = nbformat.read("one.ipynb", as_version=4).cells
    assert own.source.splitlines() == [
        'results = "results/one"  # a folder – made anew',
        "few: int = 2  # of them",
        "model = ['ü', 'b # c']  # all of them",
        "kept, other = 1, 2",
    ]
    assert "remove-cell" in injected.metadata.tags and "remove-cell" not in own.metadata.tags
    assert code.source == "few = few + 1"


def test_a_parameters_cell_that_is_more_than_python_is_left_with_papermills_beside_it() -> None:
    cells = [nbformat.v4.new_code_cell("%env A=1\nfew = 1", metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell("few = 2", metadata={"tags": ["injected-parameters"]})]
    page = nbformat.v4.new_notebook(cells=cells)
    execute.show_parameters(page)
    assert [cell.source for cell in page.cells] == ["%env A=1\nfew = 1", "few = 2"]
    assert page.cells[1].metadata.tags == ["injected-parameters"]


def test_the_page_that_reads_the_others_is_made_last_and_again_when_one_of_them_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, '# %% tags=["parameters"]', "number = 1")
    shutil.copy("notebooks/one.py", "notebooks/other.py")
    reads = ['# %% tags=["parameters"]', "pages = 'book/executed'"]
    Path("notebooks/status.py").write_text("\n".join(reads), encoding="utf-8")
    Path("params").mkdir()
    began: list[tuple[str, set[str]]] = []

    def run(raw: Path, partial: Path, parameters: dict[str, object], **_: object) -> None:
        began.append((raw.stem, {path.stem for path in execute.EXECUTED.glob("*.ipynb")} - {raw.stem}))
        shutil.copy(raw, partial)

    def made(number: int) -> list[str]:
        began.clear()
        profile = {"status": {}, "one": {}, "other": {"number": number}}
        Path("params/mine.yaml").write_text(yaml.safe_dump(profile, sort_keys=False), encoding="utf-8")
        execute.execute_profile("mine")
        return [name for name, _ in began]

    monkeypatch.setattr(execute.papermill, "execute_notebook", run)
    assert sorted(made(1)) == ["one", "other", "status"] and began[-1] == ("status", {"one", "other"})
    assert made(1) == []
    assert made(2) == ["other", "status"]
    about = nbformat.read(execute.EXECUTED / "one.ipynb", as_version=4).metadata["segattr"]
    assert about["profile"] == "mine" and set(about["versions"]) == {"segattr", *execute.VERSIONS}
    assert about["python"] in sys.version and " " in about["machine"]


def test_two_processes_execute_one_notebook_with_parameters_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both write to one place, and when, decides nothing: the other one runs from begin to end inside of this."""
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, '# %% tags=["parameters"]', "number = 1")
    places = []

    def run(raw: Path, partial: Path, parameters: dict[str, int], **_: object) -> None:
        places.append(partial)
        if parameters["number"] == 1:
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", lambda: 1)
                execute.execute("one", {"number": 2}, Path("second.ipynb"))
        papermill.execute.execute_notebook(raw, partial, parameters, prepare_only=True)

    monkeypatch.setattr(execute.papermill, "execute_notebook", run)
    execute.execute("one", {"number": 1}, Path("first.ipynb"))
    assert "number = 1" in Path("first.ipynb").read_text(encoding="utf-8") and "number = 2" not in Path(
        "first.ipynb"
    ).read_text(encoding="utf-8")
    assert "number = 2" in Path("second.ipynb").read_text(encoding="utf-8")
    assert len(set(places)) == 2
    assert not list(Path("build").rglob("*.partial"))


def profile_of(folder: Path, parameters: dict[str, dict[str, str]]) -> None:
    """A profile, and a notebook for each name in it."""
    (folder / "params").mkdir()
    (folder / "params" / "few.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False), encoding="utf-8")
    (folder / "notebooks").mkdir()
    for name in parameters:
        cell = f'# %% tags=["parameters"]\nresults = "results/{name}"\n'
        (folder / "notebooks" / f"{name}.py").write_text(cell, encoding="utf-8")


def test_notebooks_that_share_a_folder_of_results_run_in_turn_and_others_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`last` waits for `first`, whose folder it names in another spelling; `other` begins while `first` runs; the
    status page waits for all."""
    monkeypatch.chdir(tmp_path)
    shared = {"first": {"results": "results/shared"}, "other": {}, "last": {"results": "./results/shared"}}
    profile_of(tmp_path, {"status": {}, **shared})
    other_began, steps = Event(), []

    def run(name: str, parameters: dict[str, str], output: Path, profile: str) -> None:
        steps.append(f"{name} begins")
        if name == "first":
            assert other_began.wait(60)
        if name == "other":
            other_began.set()
        steps.append(f"{name} ends")

    monkeypatch.setattr(execute, "execute", run)
    monkeypatch.setattr(execute.torch.accelerator, "is_available", lambda: False)
    execute.execute_profile("few")
    assert steps.index("other begins") < steps.index("first ends") < steps.index("last begins")
    assert steps[-2:] == ["status begins", "status ends"] and len(steps) == 8


def test_after_a_failure_no_notebook_of_the_same_folder_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shared = {"results": "results/shared"}
    profile_of(tmp_path, {"first": shared, "fails": {}, "last": shared})
    first_began, failed, begun = Event(), Event(), []

    def run(name: str, parameters: dict[str, str], output: Path, profile: str) -> None:
        begun.append(name)
        if name == "fails":
            assert first_began.wait(60)
            failed.set()
            raise UserError("it fails")
        first_began.set()
        assert failed.wait(60)
        sleep(0.5)  # the failure is seen meanwhile

    monkeypatch.setattr(execute, "execute", run)
    monkeypatch.setattr(execute.torch.accelerator, "is_available", lambda: False)
    with pytest.raises(UserError, match="it fails"):
        execute.execute_profile("few")
    assert sorted(begun) == ["fails", "first"]


@pytest.mark.parametrize(
    ("cells", "parameters", "said"),
    [
        (['# %% tags=["parameters"]', "number = 1"], {"nunber": 2}, "did you mean 'number'"),
        (["# %%", "number = 1"], {"number": 2}, "0 cells tagged 'parameters'"),
        (['# %% tags=["parameters"]', "number = 1", "# %%", "1 / 0"], {}, "ZeroDivisionError"),
    ],
)
def test_a_notebook_that_cannot_run_says_so_and_leaves_no_page(
    cells: list[str], parameters: dict[str, int], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path, *cells)
    with pytest.raises(execute.UserError, match=re.escape(said)):
        execute.execute("one", parameters, Path("one.ipynb"))
    assert not Path("one.ipynb").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["benchmark", "-o", "r", "-p", "dataset=shape"], "Unknown data set 'shape' (did you mean 'shapes'?)"),
        (["benchmark", "-o", "r", "-p", "dataset=shapes", "-p", "split=tset"], "Unknown shapes split 'tset'"),
        (["benchmark", "-o", "r", "-p", "model=fcn"], "Unknown model 'fcn'"),
        (["benchmark", "-o", "r", "-p", "methods=[gpa, rria]"], "Unknown method 'rria' (did you mean 'ria'?)"),
        (["benchmark", "-o", "r", "-p", "metrics=tddd"], "Unknown metric 'tddd'"),
        (["benchmark", "-o", "r", "-p", "alfa=0.5"], "Unknown parameter 'alfa' (did you mean 'alpha'?)"),
        (["benchmark", "-o", "r", "-p", "k=1.5"], "k is 1.5; expected a fraction in (0, 1]"),
        (["benchmark", "-o", "r", "-p", "k=0"], "k is 0.0"),
        (["benchmark", "-o", "r", "-p", "grid=300"], "grid is 300; expected at most 224"),
        (["benchmark", "-o", "r", "-p", "alpha=2"], "alpha is 2.0; expected 0"),
        (["benchmark", "-o", "r", "-p", "beta=-1"], "beta is -1.0; expected 0"),
        (["benchmark", "-o", "r", "-p", "samples=many"], "samples is 'many'"),
        (["benchmark", "-o", "r", "-p", "dataset=voc"], "needs root"),
        (["benchmark", "-o", "r", "-f", "absent.yaml"], "cannot be read"),
        (["benchmark", "-o", "r", "-p", "k"], "not of the form name=value"),
        (["execute", "--profile", "embeded"], "Unknown profile 'embeded' (did you mean 'embedded'?)"),
        (["execute", "benchmrk"], "Unknown notebook 'benchmrk'"),
        (["train", "resnet"], "Unknown trainable model 'resnet'"),
        (["download", "coco"], "Unknown download 'coco'"),
    ],
)
def test_bad_input_is_one_clear_sentence_and_a_non_zero_exit(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments[0] == "benchmark":
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.chdir(ROOT)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "r").exists()


def test_control_c_keeps_what_was_done_and_exits_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("segattr_lib.benchmark.runner.run_benchmark", stopped)
    assert main(["benchmark", "-o", str(tmp_path / "r")]) == 130
    assert "goes on from there" in capsys.readouterr().err


def test_make_alone_prints_every_documented_target() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = ["setup", "test", "lint", "notebooks", "book", "lab", "bench", "train", "clean"]
    assert all(re.search(rf"^\s+{target}\s+\S", shown, re.MULTILINE) for target in targets)


def test_what_a_stranger_reads_first_can_be_read_in_one_sitting() -> None:
    """The README names the files, and promises how long they are."""
    start = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Start here")[2].partition("\n## ")[0]
    promised = int(re.search(r"under ([\d,]+) lines", start)[1].replace(",", ""))  # type: ignore[index]
    files = re.findall(r"\]\((segattr_lib/[\w/]+\.py)\)", start)
    lines = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in files}
    assert {path.name for path in (ROOT / "segattr_lib/benchmark").glob("[a-z]*.py")} <= {
        Path(name).name for name in files
    }
    assert sum(lines.values()) < promised, lines


FRONT = re.compile(r"<!-- front -->\n(.*?)\n<!-- /front -->", re.DOTALL)


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(first - second) for first, second in zip(one, other, strict=True))


@pytest.mark.slow
def test_the_front_is_what_explain_gives() -> None:
    """README.md and index.md open with the same picture and numbers, and these are those of a run."""
    sys.path.insert(0, str(ROOT / "book"))
    try:
        import front
    finally:
        sys.path.remove(str(ROOT / "book"))
    answer = explain(available()[front.PHOTO].path)
    made = front.front(answer)
    blocks = [FRONT.search((ROOT / page).read_text(encoding="utf-8"))[1] for page in ("README.md", "index.md")]
    assert front.in_book(blocks[0]) == blocks[1]
    written, computed = (re.split(r"([\d.]+)(?=%| \|)", text) for text in (blocks[0], made))
    assert written[::2] == computed[::2]  # every word, and whether a map is to be read
    for before, now in zip(written[1::2], computed[1::2], strict=True):
        assert float(before) == pytest.approx(float(now), abs=1 if "." not in before else 0.012)
    for theme, ink in front.INKS.items():
        assert f'"{front.PICTURES[theme]}"' in blocks[0]
        shown = Image.open(ROOT / front.PICTURES[theme]).convert("RGBA")
        assert shown.getpixel((0, 0))[3] == 0  # no ground of its own
        ticks = shown.crop((0, shown.height // 2, shown.width // 30, shown.height)).getcolors(1 << 20)
        written = [colour[:3] for _, colour in ticks if colour[3] > 180]
        assert min(distance(colour, ImageColor.getrgb(ink)) for colour in written) < 60
    assert front.alt_of(blocks[0]) in html.unescape((ROOT / front.DRAWN).read_text(encoding="utf-8"))
