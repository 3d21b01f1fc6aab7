"""What publishes the book: the library's own pages, citations, launch buttons, links, the PDF, workflow files."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
OWN = "https://github.com/reader/segattr"


@pytest.fixture
def of_book(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of the folder book."""
    monkeypatch.syspath_prepend(ROOT / "book")
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(ROOT / "book") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_every_room_of_the_library_has_its_page_and_every_page_its_place_in_the_contents(of_book):
    api = of_book("api_pages")
    rooms = {path.stem for path in (ROOT / "segattr_lib").iterdir() if path.is_dir() or path.suffix == ".py"}
    placed = [place for _, places in api.ROOMS.values() for place in places]
    assert sorted(placed) == sorted(rooms - {"__init__", "__pycache__"} - api.PAGE_OF_EACH)
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    (chapter,) = [one for part in contents["parts"] for one in part["chapters"] if one["file"] == "book/api"]
    assert [section["file"] for section in chapter["sections"]] == [f"book/api/{name}" for name in api.ROOMS]
    linked = re.findall(r"\(api/(\w+)\.md\)", (ROOT / "book/api.md").read_text(encoding="utf-8"))
    assert linked == list(api.ROOMS)


def test_every_public_function_and_class_stands_on_one_page(of_book):
    api = of_book("api_pages")
    text = "\n".join(api.pages().values())
    for module in api.modules_of([place for _, places in api.ROOMS.values() for place in places]):
        assert len(re.findall(rf"^\.\. automodule:: {re.escape(module)}$", text, re.MULTILINE)) == 1
        for name in api.public(module):
            assert len(re.findall(rf"^   ~{re.escape(module)}\.{name}$", text, re.MULTILINE)) == 1
    assert "segattr_lib.attribution.intervention.ria" in text and "segattr_lib.evaluate.bind" not in text


def test_what_is_let_pass_are_types_of_other_packages_and_names_of_annotations(of_book):
    api = of_book("api_pages")
    modules = api.modules_of([place for _, places in api.ROOMS.values() for place in places])
    described = {name for module in modules for name in api.public(module)}
    assert not [name for name in described if any(re.fullmatch(passed, name) for passed in api.OTHERS_TYPES)]
    assert api.aliases() >= {"Images", "Maps", "Kind"} and not api.aliases() & {"METHODS", "Target", "MODELS"}


@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        ("Of `x`, not `y z`.", "Of ``x``, not ``y z``."),
        ("The `side`s.", "The ``side``\\ s."),
        ("A code over\n`two\nlines`.", "A code over\n``two lines``."),
        ("|ODD| of a_b, *all*, 2 ` 3", r"\|ODD\| of a\_b, \*all\*, 2 \` 3"),
        ("Score. images: RGB. image_size: px.", r"Score. **images**: RGB. **image\_size**: px."),
        ("No images: of a list.", "No images: of a list."),  # not where a sentence begins
        ("a/b    one\na/c/d  two", "::\n\n   a/b    one\n   a/c/d  two"),
        ("One.\n\nTwo.", "One.\n\nTwo."),
        ("Drop (eq. 3).", "Drop (eq.\u2060 3)."),
    ],
)
def test_a_docstring_is_shown_as_it_is_written(docstring, shown, of_book):
    assert of_book("api_pages").as_rest(docstring, ["images", "image_size"]) == shown


def test_annotations_are_as_the_source_has_them_and_own_classes_are_found(of_book):
    api = of_book("api_pages")
    from segattr_lib.benchmark.settings import Settings
    from segattr_lib.targets import bind

    signature, returned = api._signature(None, "function", "bind", bind, None, "", "")
    assert "target: segattr_lib.targets.Target" in signature and returned == "segattr_lib.targets.Score"
    assert "Annotated" not in api._signature(None, "class", "Settings", Settings, None, "", "")[0]


def test_citations_are_read_from_the_files(of_book):
    citing = of_book("citing")
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    software = citing.software()
    assert about["title"] in software and f"{{{about['version']}}}" in software
    assert "{{The segattr authors}}" in software
    pages = (ROOT / "book/citation.md").read_text(encoding="utf-8")
    shown = re.findall(r"\{bibtex\} (\w+)", pages)
    assert len(shown) == len(about["references"]) == 3
    for key, reference in zip(shown, about["references"], strict=True):
        entry = citing.entry(key)
        plain = " ".join(re.sub(r"[{}]", "", entry).split())
        assert entry.startswith("@") and entry.count("{") == entry.count("}")
        assert reference["title"] in plain and reference["authors"][0]["family-names"] in plain
    with pytest.raises(KeyError):
        citing.entry("nobody1900")


def test_a_citation_with_a_date_and_a_repository_says_so(of_book, tmp_path):
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (tmp_path / "cff").write_text(text + f"date-released: 2026-12-01\nrepository-code: {OWN}\n", encoding="utf-8")
    made = of_book("citing").software(tmp_path / "cff")
    assert re.search(r"year +\= \{2026\}", made) and f"{{{OWN}}}" in made


def test_the_one_setting_names_no_repository_and_the_environment_comes_before_it(of_book, monkeypatch):
    launching = of_book("launching")
    assert CONFIG["sphinx"]["config"][launching.SETTING] == ""
    assert not any(CONFIG["launch_buttons"].values()) and not CONFIG["html"]["use_repository_button"]
    monkeypatch.delenv(launching.VARIABLE, raising=False)
    assert launching.repository("") == "" and launching.repository(OWN) == OWN
    monkeypatch.setenv(launching.VARIABLE, "https://gitlab.com/group/part/name.git")
    assert launching.repository(OWN) == "https://gitlab.com/group/part/name.git"
    monkeypatch.setenv(launching.VARIABLE, "github.com/reader")
    with pytest.raises(ValueError, match="expected an address such as"):
        launching.repository("")


@pytest.mark.parametrize(
    ("address", "binder", "colab"),
    [
        (OWN, "gh/reader/segattr/launch", True),
        (f"{OWN}.git", "gh/reader/segattr/launch", True),
        ("https://gitlab.com/group/part/name", "gl/group%2Fpart%2Fname/launch", False),
        ("https://code.example/a/b", "git/https%3A%2F%2Fcode.example%2Fa%2Fb/launch", False),
    ],
)
def test_links_lead_to_the_notebook_on_the_branch_that_has_it(address, binder, colab, of_book):
    known = of_book("launching").links(address, "which")
    assert known["Binder"] == f"https://mybinder.org/v2/{binder}?urlpath=lab/tree/which.ipynb"
    expected = "https://colab.research.google.com/github/reader/segattr/blob/launch/which.ipynb"
    assert known.get("Colab") == (expected if colab else None)


def buttons(launching: ModuleType, address: str, page: str) -> list[dict[str, Any]]:
    context: dict[str, Any] = {"header_buttons": []}
    launching._buttons(SimpleNamespace(config={launching.SETTING: address}), page, "", context, None)
    return context["header_buttons"]


def test_there_is_no_button_without_a_repository_and_none_on_a_page_that_is_no_notebook(of_book, monkeypatch):
    launching = of_book("launching")
    monkeypatch.delenv(launching.VARIABLE, raising=False)
    assert buttons(launching, "", "book/executed/which") == []
    assert buttons(launching, OWN, "book/own") == buttons(launching, OWN, "index") == []
    (group,) = buttons(launching, OWN, "book/executed/which")
    assert [button["text"] for button in group["buttons"]] == ["Binder", "Colab"]
    assert all(button["url"].endswith("/which.ipynb") for button in group["buttons"])


def test_a_launched_notebook_fetches_the_repository_where_it_is_not_at_hand(of_book, tmp_path):
    paths = of_book("launching").write_notebooks(OWN, tmp_path)
    assert {path.stem for path in paths} == {path.stem for path in (ROOT / "notebooks").glob("*.py")}
    for path in paths:
        first, second = json.loads(path.read_text(encoding="utf-8"))["cells"][:2]
        assert first["cell_type"] == "markdown" and f"git clone --quiet --depth 1 {OWN} segattr" in "".join(
            second["source"]
        )


GOOD = '<html><body><h1 id="top">A</h1><a href="b.html#place">b</a><a href="#top">up</a><img src="a.png"></body></html>'


def made_book(folder: Path, page: str = GOOD) -> Path:
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "b.html").write_text('<p id="place">b</p><a href="https://nowhere.invalid">out</a>', encoding="utf-8")
    (folder / "a.png").write_bytes(b"")
    (folder / "_static").mkdir(exist_ok=True)
    (folder / "_static" / "template.html").write_text("<a href=\"{{ pathto('a') }}\">", encoding="utf-8")
    return folder


def test_a_book_whose_links_lead_somewhere_has_none_broken(of_book, tmp_path):
    assert list(of_book("links").broken(made_book(tmp_path))) == []


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ('<a href="c.html">', "index.html leads to c.html, which is not there"),
        ('<a href="b.html#other">', "index.html leads to b.html#other, but that page has no place of this name"),
        ('<a href="#other">', "index.html leads to #other, but that page has no place of this name"),
        ('<img src="c.png">', "index.html leads to c.png, which is not there"),
    ],
)
def test_a_link_that_leads_nowhere_is_told_of(link, said, of_book, tmp_path):
    assert list(of_book("links").broken(made_book(tmp_path, GOOD + link))) == [said]


def test_where_there_is_no_internet_that_is_said_and_links_inside_are_checked(of_book, tmp_path, capsys):
    links, nobody = of_book("links"), ("nowhere.invalid",)
    assert links.main(made_book(tmp_path), nobody) == 0
    assert "No internet here (nowhere.invalid cannot be reached)" in capsys.readouterr().out
    assert links.main(made_book(tmp_path, GOOD + '<a href="c.html">'), nobody) == 1
    assert "Links inside the book: 1 broken" in capsys.readouterr().out
    assert links.main(made_book(tmp_path), nobody, inside=True) == 0
    assert "internet" not in capsys.readouterr().out


def test_links_of_a_book_that_is_not_built_are_a_sentence(of_book, tmp_path, capsys):
    assert of_book("links").main(tmp_path) == 1
    assert "build it with `make book`" in capsys.readouterr().err


def test_without_a_browser_no_pdf_is_made_and_a_sentence_says_why(of_book, monkeypatch, capsys):
    pdf = of_book("pdf")
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    monkeypatch.setattr(pdf.subprocess, "run", lambda *_, **__: pytest.fail("built"))
    assert pdf.main() == 1
    assert "none of no-such-browser is on the path" in capsys.readouterr().err


def test_a_book_that_cannot_be_built_is_not_printed(of_book, monkeypatch, capsys):
    pdf = of_book("pdf")
    monkeypatch.setattr(pdf, "browser", lambda: "browser")
    monkeypatch.setattr(pdf.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    monkeypatch.setattr(pdf, "print_page", lambda *_: pytest.fail("printed"))
    assert pdf.main() == 1
    assert "cannot be put into one page" in capsys.readouterr().err


def test_a_chapter_begins_a_page_and_pages_are_counted(of_book, tmp_path):
    pdf = of_book("pdf")
    executable = pdf.browser()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(pdf.BROWSERS)} is on the path")
    page = "<h1>first</h1><h1>second</h1><h1>third</h1><button>not printed</button>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    assert pdf.print_page(tmp_path / "page.html", tmp_path / "page.pdf", executable) == 3
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps_of(path: Path) -> list[dict[str, Any]]:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_what_they_use_and_make_targets_there_are(path: Path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}  # a job that needs more says so itself
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for step in steps_of(path):
        assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"]), step
        assert set(re.findall(r"\bmake ([\w-]+)", step.get("run", ""))) <= targets, step
        for file in re.findall(r"\b(?:book|tests)/[\w/]+\.py\b", step.get("run", "")):
            assert (ROOT / file).is_file(), step


def test_tests_run_on_two_cores_and_the_book_goes_to_pages():
    tests, book = (ROOT / ".github/workflows" / name for name in ("tests.yml", "book.yml"))
    assert any("pytest -n 2" in step.get("run", "") for step in steps_of(tests))
    used = [step.get("uses", "").partition("@")[0] for step in steps_of(book)]
    assert "actions/deploy-pages" in used and "actions/upload-pages-artifact" in used
    for path in (tests, book):
        caching = [step for step in steps_of(path) if step.get("with", {}).get("enable-cache")]
        assert caching and all(step["uses"].startswith("astral-sh/setup-uv@") for step in caching)
