"""What every page and its section share: the parameters cell is read here, and facts are glued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from IPython.core.getipython import get_ipython
from matplotlib.figure import Figure
from myst_nb import glue
from pydantic import BaseModel, ConfigDict, ValidationError

from segattr_lib.benchmark.settings import Settings, read_settings, short
from segattr_lib.registry import Key, UserError, unknown
from segattr_lib.report.vector import in_page

A_PASS_A_CELL = ("ria", "dea")
LITERAL = (type(None), bool, int, float, str, list, tuple, dict)
P = TypeVar("P", bound="Page")


class Page(BaseModel):
    """The settings of a page: those of its run, and in a subclass those of its own.

    run: what the parameters say of a benchmark. results: the folder of its results; a finished one is read, any other
    is made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    run: Settings
    results: str


def parameters() -> dict[str, Any]:
    """The names that the notebook has set so far and their values: call it in the cell after its parameters.

    From there on the notebook shows its figures in the page's own colours; see show_figures.
    """
    shell = get_ipython()
    if shell is None:
        raise RuntimeError("parameters() reads a notebook's own names; outside of one, give them as a mapping.")
    show_figures(shell)
    own = {name: value for name, value in shell.user_ns.items() if name not in shell.user_ns_hidden}
    return {name: value for name, value in own.items() if name[:1] != "_" and isinstance(value, LITERAL)}


def show_figures(shell: Any) -> None:
    """Let a notebook show every figure as HTML that follows its page's theme, beside what else it shows of it, which
    is there for paper."""

    def shown(figure: Figure, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": in_page(figure)}

    shell.display_formatter.mimebundle_formatter.for_type(Figure, shown)


def read_page(page: type[P], values: Mapping[str, Any], **of_run: Any) -> P:
    """A page's settings from its parameters: its own fields, and of the rest its run's settings.

    of_run: settings of the run that the page decides itself, in place of what the parameters say. Raises UserError for
    a parameter that is neither, and as read_settings does.
    """
    fields = set(page.model_fields) - {"run"}
    own = {name: value for name, value in values.items() if name in fields}
    rest = {name: value for name, value in values.items() if name not in fields}
    for name in rest:
        if name not in Settings.model_fields:
            raise unknown("parameter", name, [*fields, *Settings.model_fields])
    run = read_settings({**{name: value for name, value in rest.items() if name not in of_run}, **of_run})
    try:
        return page(run=run, **own)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the parameters"
        raised = first.get("ctx", {}).get("error")
        text = str(raised) if raised else f"{place} is {short(first['input'])}: {first['msg'].lower()}."
        raise UserError(text) from error


def soon_explained(methods: Sequence[Key]) -> list[Key]:
    """Those of the methods by which a page checks a record: without maps of a pass a cell, which take most of a run's
    passes; all where there are no others. `verify` computes the others again, too."""
    return [key for key in methods if key.name not in A_PASS_A_CELL] or list(methods)


def glue_facts(facts: Mapping[str, Any]) -> None:
    """Glue all that the prose quotes, by name; nothing is shown."""
    for name, value in facts.items():
        glue(name, value, display=False)
