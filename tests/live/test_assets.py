"""What the live model loads: scripts that hold the very bytes, and none of them where npm cannot fetch what runs it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

BOOK = Path(__file__).parent.parent.parent / "book"
sys.path.insert(0, str(BOOK))

import live_assets  # noqa: E402
import vendor  # noqa: E402


def packed(files: dict[str, bytes]) -> bytes:
    """A package as npm packs it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What npm fetches, whatever is asked for."""
    files = {path: path.encode() * 50 for path, _ in live_assets.RUNTIME_FILES.values()}
    package = packed(files)

    def pack(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--pack-destination") + 1])
        (folder / "package.tgz").write_bytes(package)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(vendor.subprocess, "run", pack)
    monkeypatch.setattr(live_assets.shutil, "which", lambda _name: "/usr/bin/npm")
    digest = hashlib.sha512(package).digest()
    monkeypatch.setattr(live_assets, "SHA512", base64.b64encode(digest).decode())
    return files


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "live"
    monkeypatch.setattr(live_assets, "LIVE", folder)
    monkeypatch.setattr(live_assets, "LIST", folder / "models.js")
    return folder


def test_a_script_holds_the_bytes_of_its_file_and_says_whose_they_are(npm, live):
    entries = live_assets.runtime_files()
    for entry, (path, _) in zip(entries, live_assets.RUNTIME_FILES.values(), strict=True):
        script = (live / f"{entry['name']}.js").read_text(encoding="utf-8")
        assert script.splitlines()[0] == f"/* {live_assets.RUNTIME_NOTICE} */"
        key, content = script.splitlines()[1].removesuffix('";').split('] = "')
        assert key == f'segattr.live.assets["{entry["name"]}"'
        assert gzip.decompress(base64.b64decode(content)) == npm[path]
        assert entry["bytes"] == len(script)


def test_what_was_fetched_is_not_fetched_again(npm, live, monkeypatch):
    first = live_assets.runtime_files()
    monkeypatch.setattr(live_assets.shutil, "which", lambda _name: None)
    assert live_assets.runtime_files() == first


def test_a_package_of_another_hash_is_refused(npm, live, monkeypatch, capsys):
    monkeypatch.setattr(live_assets, "SHA512", "another")
    assert live_assets.main() == 1
    assert "is not what it was: its sha512 differs from the pinned one" in capsys.readouterr().err
    assert not live.exists()


def test_without_npm_nothing_is_made_and_the_build_goes_on(live, monkeypatch, capsys):
    monkeypatch.setattr(live_assets.shutil, "which", lambda _name: None)
    assert live_assets.main() == 0
    assert "the live model will not be part of this build" in capsys.readouterr().err
    assert not live.exists()


def test_what_the_scripts_depend_on_is_there():
    assert all(path.is_file() for path in live_assets.MADE_OF)
