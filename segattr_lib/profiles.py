"""Notebooks and profiles as they are written: what there is, and which parameters each notebook has.

Nothing heavy is imported, so that a misspelt name is answered at once.
"""

from __future__ import annotations

import ast
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from segattr_lib.benchmark.settings import read_mapping
from segattr_lib.registry import UserError, unknown

SOURCES, PARAMETERS = Path("notebooks"), Path("params")
OURS = "parameters"  # the tag of the cell with a notebook's parameters


def load_profile(profile: str) -> dict[str, dict[str, Any]]:
    """The parameters of every notebook under a profile of params/. Raises UserError for another name, and for a file
    that does not say name: value for each notebook."""
    known = {path.stem: path for path in of_the_clone(PARAMETERS).glob("*.yaml")}
    if profile not in known:
        raise unknown("profile", profile, known)
    profiled = read_mapping("parameters", known[profile])
    for name, parameters in profiled.items():
        if not isinstance(parameters or {}, dict):
            kind = type(parameters).__name__
            raise UserError(f"The parameters of {name} in {known[profile]} are a {kind}; expected name: value lines.")
    return profiled


def notebooks() -> list[str]:
    """The names of the notebooks. Raises UserError where this folder is not the project's."""
    return sorted(path.stem for path in of_the_clone(SOURCES).glob("*.py"))


def of_the_clone(folder: Path) -> Path:
    """The folder, if it is here; else a UserError that says where the command can be called."""
    if folder.is_dir():
        return folder
    clone = Path(__file__).resolve().parent.parent
    where = f"call this from {shlex.quote(str(clone))}" if (clone / folder).is_dir() else "call this from a clone"
    raise UserError(f"There is no {folder}/ in {Path.cwd()}; {where}, whose notebooks and parameters it works on.")


def parameters_cell(name: str) -> str:
    """The source of a notebook's parameters cell, as its text has it.

    Raises UserError for a notebook that is not there, and for one without exactly one such cell.
    """
    known = notebooks()
    if name not in known:
        raise unknown("notebook", name, known)
    source = SOURCES / f"{name}.py"
    cells = re.split(r"^# %%(.*)\n", source.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    tagged = [text for head, text in zip(cells[::2], cells[1::2], strict=True) if _is_tagged(head)]
    if len(tagged) != 1:
        raise UserError(f"{source} has {len(tagged)} cells tagged 'parameters'; papermill needs exactly one.")
    return tagged[0]


def _is_tagged(head: str) -> bool:
    tags = re.search(r"tags=(\[[^\]]*\])", head)
    return tags is not None and OURS in ast.literal_eval(tags[1])


def defaults(name: str) -> dict[str, Any]:
    """The literal values in a notebook's parameters cell, by name. Raises UserError as parameters_cell does."""
    values: dict[str, Any] = {}
    with suppress(SyntaxError):  # the kernel says what is wrong with it
        for parameter, value in assignments(parameters_cell(name)):
            with suppress(ValueError):
                values[parameter] = ast.literal_eval(value)
    return values


def check_parameters(name: str, parameters: dict[str, Any]) -> None:
    """Raises UserError for a parameter that the notebook does not have, and as parameters_cell does."""
    cell = parameters_cell(name)
    known: list[str] = []
    with suppress(SyntaxError):
        known = [parameter for parameter, _ in assignments(cell)]
    for parameter in parameters:
        if parameter not in known:
            raise unknown(f"parameter of {name}", parameter, known)


def assignments(source: str) -> list[tuple[str, ast.expr]]:
    """What the statements of a source assign, in order: name and expression. Raises SyntaxError."""
    assigned = []
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
            assigned.append((ast.unparse(target), statement.value))
    return assigned
