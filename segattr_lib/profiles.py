"""Settings, profiles and notebooks as they are written: what files say, and which parameters each notebook has.

Nothing heavy is imported, so that a misspelt name is answered at once.
"""

from __future__ import annotations

import ast
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.registry import UserError, in_one_line, unknown

SOURCES, PARAMETERS = Path("notebooks"), Path("params")
OURS = "parameters"  # the tag of the cell with a notebook's parameters


def load_settings(path: str | Path | None, changes: dict[str, Any]) -> Settings:
    """Settings from a YAML file, flat or under the key `benchmark`, with single settings replaced. Raises UserError
    as read_settings and read_mapping do."""
    values = {} if path is None else read_mapping("settings", path)
    if "benchmark" in values:
        values = values["benchmark"] or {}
        if not isinstance(values, dict):
            kind = type(values).__name__
            raise UserError(
                f"The settings under `benchmark` in {str(path)!r} are a {kind}; expected name: value lines."
            )
    settings = {name: value for name, value in values.items() if name != "results"}
    return read_settings({**settings, **changes})


def read_mapping(kind: str, path: str | Path) -> dict[str, Any]:
    """What a YAML file says, name by name; nothing where it is empty. kind: what the file holds, in the plural.

    Raises UserError for a file that cannot be read, is no text or no YAML, and for a list or a single value.
    """
    try:
        values = read_value(Path(path).read_text(encoding="utf-8-sig"))  # some editors begin with a byte order mark
    except (OSError, ValueError) as error:
        raise UserError(f"The {kind} {str(path)!r} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values or {}, dict):
        raise UserError(f"The {kind} {str(path)!r} are a {type(values).__name__}; expected name: value lines.")
    return {str(name): value for name, value in (values or {}).items()}


def read_value(text: str) -> Any:
    """What a text of YAML says. Raises ValueError where it says nothing: faulty YAML, a date that is none, a number
    of too many digits, brackets without end."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(in_one_line(error)) from error


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
