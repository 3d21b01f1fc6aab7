"""Names to things: registered ones by name, a user's own by "file.py:name" or "package.module:name".

A registry says of each name where its code lies, as "module:function", and what can be said without importing it; so
that a misspelt name is refused before anything heavy is loaded.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from segattr_lib import own_code

T = TypeVar("T")
Scalar = Literal["probability", "logit"]  # what of the model is explained, see targets.bind
FILLS = ("mean", "dataset_mean", "zeros", "blur", "linear", "other_image")  # see perturbation.bind_fill
PERTURBATIONS = ("noise", "brightness", "contrast", "blur", "flip")  # see perturbation.perturb
OWN = ("path/to/file.py:name", "package.module:name")  # how a user's own is named
LONGEST = 300  # characters of an error in one line
ROUND = r"\((?:[^()]|\([^()]*\))*\)"  # with all that is in them, as where an option's value is a key with options
PART = (  # of an option: no comma but in brackets or quotes
    rf"""(?:[^,()[\]{{}}'"]|{ROUND}|\[[^[\]]*\]|\{{[^{{}}]*\}}|'[^']*'|"[^"]*")"""
)


class UserError(Exception):
    """Something the user asked for that cannot be had; the message is one clear sentence."""


@dataclass(frozen=True, repr=False)
class Key:
    """A name with the options pinned for it, read once from a text such as "ria(grid=7)" by `read_key`.

    pinned: the options as text, "grid=7", "" where there are none. entry_of: a name to what its registry has under it.
    Two keys are one where their names and options are.
    """

    name: str
    pinned: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)
    entry_of: Callable[[str], Any] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return repr(self.text)

    @property
    def text(self) -> str:
        """As it is written, and as tables of results name it: "ria(grid=7)"."""
        return with_options(self.name, self.pinned)

    @property
    def entry(self) -> Any:
        """What the registry has under the name; of a user's own, what its file holds now (see own_code.as_loaded)."""
        return None if self.entry_of is None else self.entry_of(self.name)

    @property
    def label(self) -> str:
        """What a page calls it: "RIA (grid=7)"; the text of a name that no registry has."""
        entry = self.entry
        if entry is None:
            return self.text
        return f"{entry.label} ({self.pinned})" if self.pinned else entry.label

    def with_pinned(self, **options: Any) -> Key:
        """The same name with more options, after its own."""
        return make_key(self.name, {**self.options, **options}, self.entry_of)


def make_key(name: str, options: Mapping[str, Any] | None = None, entry_of: Callable[[str], Any] | None = None) -> Key:
    """The key of a name with these options."""
    options = dict(options or {})
    pinned = ", ".join(f"{option}={_written(value)}" for option, value in options.items())
    return Key(name, pinned, options, entry_of)


def _written(value: Any) -> str:
    """A value as it is read back: a text is quoted where it would be read as something else."""
    bare = not isinstance(value, str) or (re.fullmatch(rf"{PART}+", value) and _literal(value) == value)
    return str(value) if bare else repr(value)


def read_key(text: str, entry_of: Callable[[str], Any] | None = None) -> Key:
    """The key that a text such as "ria(grid=7, fill=blur)" writes; entry_of: a name to its registry's entry.

    Values are Python literals, lists and texts with commas among them; a bare word is a string. The folders of a
    user's "path/to/file.py:name" may have parentheses of their own. Raises UserError when the text is not of that
    form, and whatever entry_of raises.
    """
    parts = re.fullmatch(rf"\s*(.+?\.py:\w+|[^()]+?)\s*(?:\(((?:{PART}|,)*)\))?\s*", text)
    if not parts:
        raise UserError(f"{text!r} is not a name or a name with options, such as 'ria(grid=7)'.")
    options: dict[str, Any] = {}
    for pair in filter(str.strip, re.findall(rf"{PART}+", parts[2] or "")):
        option, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value or not option.isidentifier():
            raise UserError(f"{pair.strip()!r} in {text!r} is not of the form option=value.")
        options[option] = _literal(value)
    if entry_of:
        entry_of(parts[1])
    return make_key(parts[1], options, entry_of)


def with_options(name: str, pinned: str) -> str:
    """A name with its options, as a key's text has it."""
    return f"{name}({pinned})" if pinned else name


def unknown(kind: str, name: str, valid: Iterable[str]) -> UserError:
    """The error of a name that is not known: what it was, what it may have meant, what there is."""
    valid = sorted(valid)
    near = get_close_matches(name, valid, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return UserError(f"Unknown {kind} {name!r}{hint}; valid are: {', '.join(valid)}.")


def lookup(kind: str, name: str, registry: Mapping[str, T]) -> T | Any:
    """The registered thing of this name, or the user's own a "file.py:name" points to: a function, or of its kind.

    Raises UserError where there is neither, listing the valid names.
    """
    if name in registry:
        return registry[name]
    if ":" in name:
        own = user_object(kind, name)
        if not callable(own) and not isinstance(own, tuple({type(value) for value in registry.values()} - {str})):
            raise UserError(f"The {kind} {name!r} is a {type(own).__name__}; expected a function.")
        return own
    raise unknown(kind, name, [*registry, *OWN])


def user_object(kind: str, place: str) -> Any:
    """The object at "path/to/file.py:name" or "package.module:name"; its code runs once a process, see `own_code`.

    Raises UserError that says what is missing, or what its code raises while it is loaded.
    """
    source, _, name = place.rpartition(":")
    try:
        module = own_code.load(source)
    except (Exception, SystemExit) as error:  # a user's own code may raise anything
        if isinstance(error, FileNotFoundError) and isinstance(error.args[0], Path):
            text = f"The {kind} {place!r} names the file {error.args[0]}, which does not exist."
        else:
            verb = "loaded" if source.endswith(".py") else "imported"
            text = f"The {kind} {place!r} cannot be {verb}: {cause_of(error)}."
        raise UserError(text) from error
    if not hasattr(module, name):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"The {kind} {place!r}: {source} has no {name!r}; it has {', '.join(public) or 'nothing'}.")
    return getattr(module, name)


def own_fingerprint(kind: str, place: str) -> str:
    """A digest of the code behind a user's "path/to/file.py:name" as it is loaded; UserError as user_object."""
    user_object(kind, place)
    return own_code.loaded_fingerprint(place.rpartition(":")[0])


def cause_of(error: BaseException) -> str:
    """The kind of an error and the first line of what it says, without a full stop."""
    lines = str(error).strip().splitlines()
    return type(error).__name__ + (f": {lines[0].rstrip(': .')}" if lines else "")


def in_one_line(error: BaseException) -> str:
    """The kind of an error and all that it says, on one line of at most LONGEST characters."""
    name = type(error).__name__
    text = " ".join(f"{name}: {error}".split()) if str(error) else name
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


@cache
def imported(place: str) -> Any:
    """The object at "package.module:name" of this library, whose module is imported now if it was not yet."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only parameters of a method or metric, with their defaults (inspect's `empty` if none)."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that the function takes."""
    known = options_of(function)
    return {name: value for name, value in options.items() if name in known}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
