"""Checks the links of the built book: those that stay in it always, those that leave it where there is internet.

.venv/bin/python book/links.py        # or: make linkcheck
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "_build" / "html"
HOSTS = ("arxiv.org", "github.com")  # no package index, which may be mirrored where nothing else is there
LEADING = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src", "iframe": "src"}


@dataclass
class Links(HTMLParser):
    """What a page leads to, and the names by which it is led to."""

    targets: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {name for name in (given.get("id"), given.get("name")) if name}
        target = given.get(LEADING.get(tag, ""))
        if target:
            self.targets.append(target)


def read(path: Path) -> Links:
    """The links of a page."""
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def broken(folder: Path) -> Iterator[str]:
    """The links inside a built book that lead nowhere, a sentence each: files that are not there, and names of places
    in a page that the page does not have. The theme's own templates, in _static, are no pages."""
    files = [path for path in sorted(folder.rglob("*.html")) if path.relative_to(folder).parts[0] != "_static"]
    pages = {path.resolve(): read(path) for path in files}
    for path, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            page = path.relative_to(folder.resolve()).as_posix()
            if not place.exists():
                yield f"{page} leads to {target}, which is not there"
            elif parts.fragment and place in pages and unquote(parts.fragment) not in pages[place].names:
                yield f"{page} leads to {target}, but that page has no place of this name"


def online(hosts: tuple[str, ...] = HOSTS, seconds: float = 5) -> bool:
    """Can one of the hosts be reached?"""
    for host in hosts:
        try:
            with socket.create_connection((host, 443), timeout=seconds):
                return True
        except OSError:
            continue
    return False


def main(folder: Path = BUILT, hosts: tuple[str, ...] = HOSTS, inside: bool = False) -> int:
    """Print what is broken; 0 where nothing is. inside: leave out the links that leave the book."""
    if not (folder / "index.html").is_file():
        print(f"There is no book in {folder}; build it with `make book`.", file=sys.stderr)
        return 1
    wrong = list(broken(folder))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(f"Links inside the book: {len(wrong)} broken")
    if inside:
        return bool(wrong)
    if not online(hosts):
        print(f"No internet here ({', '.join(hosts)} cannot be reached): links that leave the book are not checked")
        return bool(wrong)
    build = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--builder", "linkcheck"]
    outside = subprocess.run(build, cwd=ROOT, check=False).returncode
    print("Links that leave the book:", "some are broken, see above" if outside else "0 broken")
    return bool(wrong or outside)


if __name__ == "__main__":
    sys.exit(main(inside="--inside" in sys.argv[1:]))
