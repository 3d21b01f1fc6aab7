"""What of a picture is explained, as people name it: a class, a point, a box, what is most frequent.

Nothing heavy is imported, so that a misspelt name is answered at once; `sample.find_region` finds what is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from segattr_lib.registry import UserError, unknown

FREQUENT, LARGEST = "frequent", "largest_component"
NUMBERS = {"point": 2, "box": 4}  # px of the upright picture, from its upper left corner: x,y, or x0,y0,x1,y1
FORMS = (FREQUENT, LARGEST, "class=NAME", "point=x,y", "box=x0,y0,x1,y1")


@dataclass(frozen=True)
class Region:
    """A target as it is named. kind: "frequent", "largest_component", "class", "point" or "box"; class_name of a class,
    numbers of a point or box."""

    kind: str
    class_name: str = ""
    numbers: tuple[float, ...] = ()


def read_region(text: str) -> Region:
    """What a text such as "class=cat" or "point=120,80" names. Raises UserError for any other."""
    kind, equals, value = (part.strip() for part in text.partition("="))
    if kind in (FREQUENT, LARGEST) and not equals:
        return Region(kind)
    if kind == "class" and value:
        return Region(kind, class_name=value)
    if kind in NUMBERS and value:
        try:
            numbers = tuple(float(number) for number in value.split(","))
        except ValueError:
            numbers = ()
        bounds = numbers[2:] or (inf, inf)
        if len(numbers) == NUMBERS[kind] and all(0 <= low < high for low, high in zip(numbers, bounds, strict=False)):
            return Region(kind, numbers=numbers)
        form = FORMS[3] if kind == "point" else f"{FORMS[4]} with x0 < x1 and y0 < y1"
        raise UserError(f"target is {text!r}; expected {form}, px of the picture from its upper left corner, from 0.")
    raise UserError(f"target is {text!r}; expected one of {', '.join(FORMS)}.")


def class_id_of(name: str, class_names: Sequence[str]) -> int:
    """The id of a class by name, or by number. Raises UserError for a name that is not among the names."""
    if name in class_names:
        return class_names.index(name)
    if name.isdecimal() and (not class_names or int(name) < len(class_names)):
        return int(name)
    if not class_names:
        raise UserError(f"target is 'class={name}', but the names of the classes are not known; give the class's id.")
    raise unknown("class of the target", name, class_names)
