"""Writes a page a room of the library into book/api, which sphinx's autodoc fills from the docstrings.

Docstrings are plain paragraphs with code between single backticks: no Google's and no NumPy's sections, so they need no
napoleon, but what reStructuredText reads as a mark is none of theirs. Annotations are shown as they are written.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.util.inspect import stringify_annotation, stringify_signature

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = "segattr_lib"
PAGES = ROOT / "book" / "api"
ROOMS = {  # in the order they are read in: a page each, its title, and the modules and rooms it is of
    "instrument": ("The instrument", ["registry", "seeds", "targets", "perturbation", "imputation", "evaluate"]),
    "benchmark": ("Benchmark", ["benchmark"]),
    "data": ("Data", ["data"]),
    "models": ("Models", ["models"]),
    "attribution": ("Attribution", ["attribution"]),
    "metrics": ("Metrics", ["metrics"]),
    "prompting": ("Prompting", ["prompting"]),
    "inference": ("Inference", ["inference"]),
    "evidence": ("Evidence", ["evidence"]),
    "report": ("Report", ["report"]),
    "training": ("Training", ["training"]),
    "doors": ("Front doors", ["photograph", "explorer", "profiles", "execute", "__main__"]),
    "ground": ("Ground", ["own_code", "writing", "workers", "provenance", "crate"]),
}
SHORT = "eq|sec|al|cf|fig|Fig"  # abbreviations that docstrings have
PAGE_OF_EACH = {"sections"}  # rooms that are told of by the notebooks they belong to

# What `-n -W` has to let pass, by regular expressions of whole names: other packages' types. Names that the library
# gives to annotations, such as Images for a tensor (B,3,H,W), pass as well (see `aliases`).
OTHERS_TYPES = (
    r"(annotated_types|ast|collections|jaxtyping|nbformat|nn|np|numpy|pandas|pd|plt|torch|w|Image)\..+",
    r"(Bool|Float|Int|Integer|Num|Shaped|UInt)\d*",  # jaxtyping's
    "AbstractContextManager",
    "Axes",
    "Figure",
    "HTML",
    "Lime",
    "ModuleType",
    "Optimizer",
    "Path",
    "ROCrate",
    "RemovableHandle",
    "Sam2Model",
    "Tensor",
    "Thread",
)


def pages() -> dict[str, str]:
    """Every page of the rooms, by its file name: Markdown with autodoc's directives."""
    return {f"{name}.md": _page(title, modules_of(places)) for name, (title, places) in ROOMS.items()}


def modules_of(places: list[str]) -> list[str]:
    """The modules of some rooms that hold something public, the package of a room before its modules."""
    modules = []
    for place in places:
        path = ROOT / LIBRARY / place
        files = sorted(path.rglob("*.py"), key=_package_first) if path.is_dir() else [path.with_suffix(".py")]
        modules += [_module(file) for file in files if public(_module(file))]
    return modules


@cache
def public(module: str) -> tuple[str, ...]:
    """The names of the functions and classes of a module that have a docstring and no underscore, in its order."""
    return tuple(
        node.name
        for node in _tree(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_" and ast.get_docstring(node)
    )


def aliases() -> set[str]:
    """The names that the library's modules give to annotations: capitalised, but no constants, no classes."""
    modules = modules_of([place for _, places in ROOMS.values() for place in places])
    statements = [node for module in modules for node in _tree(module).body if isinstance(node, ast.Assign)]
    names = {target.id for node in statements for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if name[0].isupper() and (len(name) == 1 or not name.isupper())}


def _page(title: str, modules: list[str]) -> str:
    rows = [f"   ~{module}.{name}" for module in modules for name in public(module)]
    lines = [f"# {title}", "", "```{eval-rst}", ".. autosummary::", "   :nosignatures:", "", *rows, "```", ""]
    for module in modules:
        lines += [f"## {module.removeprefix(LIBRARY + '.')}", "", "```{eval-rst}"]
        lines += [
            f".. automodule:: {module}",
            "   :members:",
            "   :exclude-members: model_config",
            "   :member-order: bysource",
            "```",
            "",
        ]
    return "\n".join(lines)


def _package_first(path: Path) -> tuple[str, bool, str]:
    return str(path.parent), path.name != "__init__.py", path.name


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split("."))
    file = path.with_suffix(".py")
    return ast.parse((file if file.is_file() else path / "__init__.py").read_text(encoding="utf-8"))


@cache
def _classes_at_hand(module: str) -> dict[str, str]:
    """The library's public classes that a module defines or imports, for type checkers alone too, by their names."""
    places = {name: f"{module}.{name}" for name in public(module)}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(LIBRARY):
            places |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    classes = {}
    for name, place in places.items():
        owner, _, attribute = place.rpartition(".")
        value = getattr(importlib.import_module(owner), attribute, None) if _is_module(owner) else None
        own = inspect.isclass(value) and value.__module__.partition(".")[0] == LIBRARY
        if own and value.__name__ in public(value.__module__):
            classes[name] = f"{value.__module__}.{value.__name__}"
    return classes


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


class _Located(ast.NodeTransformer):
    """Writes the library's own classes with their modules, so that they are linked to."""

    def __init__(self, classes: dict[str, str]):
        self.classes = classes

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated":  # the type alone, not how it is checked
            assert isinstance(node.slice, ast.Tuple)
            return self.visit(node.slice.elts[0])
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(self.classes.get(node.id, node.id), mode="eval").body


def _annotation(annotation: Any, module: str) -> Any:
    """An annotation as it is written in the source, the library's own classes with their modules."""
    if annotation is inspect.Parameter.empty:
        return annotation
    text = annotation if isinstance(annotation, str) else stringify_annotation(annotation)
    return ast.unparse(_Located(_classes_at_hand(module)).visit(ast.parse(text, mode="eval")))


class _Shown:
    """Stands for a default, and shows as `text`."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _default(default: Any, module: str) -> Any:
    """A default as a signature shows it: a path by the name that the module has for it, since where it lies differs
    from machine to machine; what is no expression, such as a dataclass's factory, as dots."""
    if isinstance(default, Path):
        named = [name for name, value in vars(sys.modules[module]).items() if value is default]
        return _Shown(named[0] if named else f"Path({default.as_posix()!r})")
    if default is not inspect.Parameter.empty and repr(default)[:1] == "<":
        return default if inspect.isclass(default) else _Shown("...")
    return default


def _written(obj: Any, signature: inspect.Signature) -> inspect.Signature:
    """The signature with its annotations as the source has them; of a class those of its fields."""
    module, of_fields = obj.__module__, vars(obj).get("__annotations__", {}) if inspect.isclass(obj) else {}
    parameters = []
    for parameter in signature.parameters.values():
        default = _default(parameter.default, module)
        annotation = _annotation(of_fields.get(parameter.name, parameter.annotation), module)
        parameters.append(parameter.replace(annotation=annotation, default=default))
    returned = _annotation(signature.return_annotation, module)
    return signature.replace(parameters=parameters, return_annotation=returned)


def _signature(_app: Any, what: str, _name: str, obj: Any, _options: Any, signature: str, returned: str) -> Any:
    """For autodoc: the signature as the source has it."""
    if what not in ("function", "method", "class") or getattr(obj, "__module__", "").partition(".")[0] != LIBRARY:
        return None
    try:
        found = inspect.signature(obj)
    except (TypeError, ValueError):  # a class without one of its own
        return None
    if what == "method":
        found = found.replace(parameters=list(found.parameters.values())[1:])
    written = _written(obj, found)
    arrow = stringify_signature(written.replace(parameters=[]))[2:].removeprefix(" -> ")
    without = written.replace(return_annotation=inspect.Signature.empty)
    return stringify_signature(without), (arrow or None) if what != "class" else None


def _docstring(_app: Any, _what: str, _name: str, obj: Any, _options: Any, lines: list[str]) -> None:
    """For autodoc: a docstring as reStructuredText, in place."""
    try:
        names = list(inspect.signature(obj).parameters) if callable(obj) else []
    except (TypeError, ValueError):
        names = []
    lines[:] = as_rest("\n".join(lines), names).splitlines()


def as_rest(text: str, names: list[str] | None = None) -> str:
    """Plain paragraphs with `code` as reStructuredText that shows the same; what is said of a parameter, which begins
    with its name and a colon, has the name in bold; a paragraph in columns stays as it is set."""
    return "\n\n".join(_paragraph(part, names or []) for part in text.strip("\n").split("\n\n"))


def _paragraph(text: str, names: list[str]) -> str:
    if re.search(r"\S {3,}\S", text):
        return "\n".join(["::", "", *(f"   {line}" for line in text.splitlines())])
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick that is none of a pair
        return _escaped(text)
    shown = ""
    for number, part in enumerate(parts):
        if number % 2 == 0:
            shown += _bold(_escaped(part), names)
            continue
        code = " ".join(part.split())
        before = "\\ " if shown[-1:].isalnum() else ""
        after = "\\ " if parts[number + 1][:1].isalnum() else ""
        shown += f"{before}``{code}``{after}"
    return shown


def _escaped(text: str) -> str:
    """Without marks; a period that ends no sentence is told from one that does by a sign without a width, by which the
    tables of a page take the first sentence whole."""
    return re.sub(rf"\b({SHORT})\.(?=\s)", "\\1.\u2060", re.sub(r"([\\*|_`])", r"\\\1", text))


def _bold(text: str, names: list[str]) -> str:
    if not names:
        return text
    either = "|".join(re.escape(_escaped(name)) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(^|\n|(?<=[.;] ))({either}): ", r"\1**\2**: ", text)


def write(folder: Path = PAGES) -> None:
    """Write the pages that changed, so that the others need no building."""
    folder.mkdir(exist_ok=True)
    made = pages()
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _ignored(_app: Any, config: Any) -> None:
    passed = [("py:class", name) for name in (*OTHERS_TYPES, *sorted(aliases()))]
    config.nitpick_ignore_regex = [*config.nitpick_ignore_regex, *passed]


LINES = re.compile(r"<dl>\n((?:<dd><em class=\"sig-param\">.*?</dd>\n)+)</dl>", re.DOTALL)


def _lines(_app: Any, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Parameters that stand a line each are lines: Sphinx makes a list of them whose entries have no terms."""
    body = context.get("body", "")

    def lined(found: re.Match[str]) -> str:
        return f'<div class="sig-lines">{found[1].replace("<dd>", "<div>").replace("</dd>", "</div>")}</div>'

    if "<dd><em" in body:
        context["body"] = LINES.sub(lined, body)


def setup(app: Any) -> dict[str, Any]:
    sys.path.insert(0, str(ROOT))  # the library beside the book, not one that is installed
    write()
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.autosummary"):
        app.setup_extension(extension)
    app.connect("config-inited", _ignored)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("html-page-context", _lines)
    return {"parallel_read_safe": True}
