"""Buttons that launch a page's notebook on Binder or Colab, for a repository of one's own; none where none is named.

The one setting is `launch_repository` in _config.yml, or the environment variable SEGATTR_REPOSITORY, which comes
before it: the address of the repository, such as https://github.com/NAME/segattr. The buttons lead to its branch
`launch`, which .github/workflows/book.yml makes of every push: all files, and beside them each notebook as

    python book/launching.py ADDRESS FOLDER

writes it, whose first cell fetches the repository where it is not at hand, as on Colab.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VARIABLE, SETTING, BRANCH = "SEGATTR_REPOSITORY", "launch_repository", "launch"
ADDRESS = re.compile(r"https://(?P<host>[\w.-]+)/(?P<owner>[\w./-]+?)/(?P<name>[\w.-]+?)(?:\.git)?/?")
FETCH = """\
# Where the repository is not at hand, as on Colab, it is fetched, and the library installed.
from pathlib import Path

if not Path("segattr_lib").is_dir():
    !git clone --quiet --depth 1 {address} segattr
    %cd segattr
    %pip install --quiet '.[book]'
"""


def repository(setting: str) -> str:
    """The address that is named, by the environment or by the setting; "" for none. Raises ValueError for one that is
    no https address of a repository."""
    address = os.environ.get(VARIABLE, setting).strip()
    if address and not ADDRESS.fullmatch(address):
        raise ValueError(f"{SETTING} is {address!r}; expected an address such as https://github.com/NAME/segattr.")
    return address


def links(address: str, notebook: str) -> dict[str, str]:
    """Where a notebook is launched, by the name of the service: Binder from any host, Colab from GitHub alone."""
    where = ADDRESS.fullmatch(address)
    assert where is not None
    owner, name = where["owner"], where["name"]
    if where["host"] == "github.com":
        place = f"gh/{owner}/{name}"
    elif where["host"] == "gitlab.com":
        place = f"gl/{owner.replace('/', '%2F')}%2F{name}"
    else:
        place = f"git/{address.replace(':', '%3A').replace('/', '%2F')}"
    known = {"Binder": f"https://mybinder.org/v2/{place}/{BRANCH}?urlpath=lab/tree/{notebook}.ipynb"}
    if where["host"] == "github.com":
        colab = f"https://colab.research.google.com/github/{owner}/{name}/blob/{BRANCH}/{notebook}.ipynb"
        known["Colab"] = colab
    return known


def write_notebooks(address: str, folder: Path) -> list[Path]:
    """Write every notebook of the book into a folder, unexecuted, with the cell that fetches the repository first."""
    import jupytext
    import nbformat

    paths = []
    for source in sorted((ROOT / "notebooks").glob("*.py")):
        notebook = jupytext.read(source)
        notebook.cells.insert(1, nbformat.v4.new_code_cell(FETCH.format(address=address)))
        paths.append(folder / f"{source.stem}.ipynb")
        jupytext.write(notebook, paths[-1])
    return paths


def _set(app: Any, config: Any) -> None:
    address = repository(config[SETTING])
    if address:
        config.html_theme_options |= {"repository_url": address, "use_repository_button": True}


def _buttons(app: Any, pagename: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    address, place = repository(app.config[SETTING]), Path(pagename)
    if not address or place.parent != Path("book/executed") or "header_buttons" not in context:
        return
    logos = {"Binder": "_static/images/logo_binder.svg", "Colab": "_static/images/logo_colab.png"}
    buttons = [
        {"type": "link", "text": name, "tooltip": f"Launch on {name}", "icon": logos[name], "url": url}
        for name, url in links(address, place.name).items()
    ]
    group = {"type": "group", "tooltip": "Launch this notebook", "icon": "fas fa-rocket", "buttons": buttons}
    context["header_buttons"].append({**group, "label": "launch-buttons"})


def setup(app: Any) -> dict[str, Any]:
    app.add_config_value(SETTING, "", "html")
    app.connect("config-inited", _set)
    app.connect("html-page-context", _buttons, priority=600)  # after the theme's own
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    write_notebooks(repository(sys.argv[1]), Path(sys.argv[2]))
