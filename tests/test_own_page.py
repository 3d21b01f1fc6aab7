"""The page "Bring your own" is run: what stands below its commands and blocks is what they print."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BOOK = Path(__file__).parent.parent / "book"
NUMBER = re.compile(r"(-?\d+\.\d+)")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(BOOK)
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's file of this name
    import own

    yield own
    for name in ("own", "mine"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_what_the_page_shows_is_what_its_commands_and_blocks_print(own, tmp_path):
    text = own.PAGE.read_text(encoding="utf-8")
    made = list(own.outputs(text, tmp_path))
    shown = own.written(text)
    assert len(made) == len(shown) == len(own.STEP.findall(text)) >= 6
    for before, now in zip(shown, made, strict=True):
        written, computed = NUMBER.split(before), NUMBER.split(now)
        words = [[" ".join(part.split()) for part in parts[::2]] for parts in (written, computed)]
        assert words[0] == words[1], "run `python book/own.py`"
        for one, other in zip(written[1::2], computed[1::2], strict=True):
            assert float(one) == pytest.approx(float(other), abs=0.021)  # the last digit of a shown value


def test_a_method_a_metric_a_model_and_a_data_set_are_shown_in_one_file(own):
    functions = {node.name for node in ast.parse(own.mine(own.PAGE.read_text(encoding="utf-8"))).body if named(node)}
    assert functions >= {"input_gradient", "mass_inside", "build", "scans", "around"}


def named(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef)


PAGE = """
```python
# mine.py
VALUE = 2
```

```python
from mine import VALUE
print(VALUE * 21)
```

<!-- output -->
```text
old
```
<!-- /output -->

```python
print("not shown")
```

```sh
segattr
```
"""


def test_outputs_are_put_in_their_places_and_nothing_else_changes(own, tmp_path):
    made = list(own.outputs(PAGE, tmp_path))
    assert made == ["42\n"] and own.written(PAGE) == ["old\n"]
    assert own.renewed(PAGE, made) == PAGE.replace("old", "42")
    assert "mine" not in sys.modules


def test_a_command_that_fails_is_an_error(own, tmp_path):
    page = "```sh\nsegattr execute absent_notebook\n```\n\n<!-- output -->\n<!-- /output -->\n"
    with pytest.raises(RuntimeError, match="segattr execute absent_notebook"):
        list(own.outputs(page, tmp_path))
