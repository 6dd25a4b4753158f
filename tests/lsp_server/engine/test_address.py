"""Where an engine is found: identities, and folders that nobody else can enter."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

import lsp_server
from lsp_server.engine import address
from lsp_server.engine.address import EngineAddress, EngineIdentity, log_file, runtime_folder
from lsp_server.engine.choice import EngineChoice
from lsp_server.errors import EngineUnavailableError


@pytest.fixture
def short_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="parrotlet-"))
    yield folder
    shutil.rmtree(folder)


def test_the_same_choices_share_an_engine_and_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parrotlet.json").write_text("{}", encoding="utf-8")
    key = EngineIdentity.of(EngineChoice(model=tmp_path, device="cpu")).key
    assert key == EngineIdentity.of(EngineChoice(model=tmp_path / "." / "", device="cpu")).key
    others = [
        EngineIdentity.of(EngineChoice(model=tmp_path)),
        EngineIdentity.of(EngineChoice(model=tmp_path, device="cpu", threads=2)),
        EngineIdentity.of(EngineChoice(model=tmp_path, device="cpu", backend="full")),
        EngineIdentity.of(EngineChoice(device="cpu")),
    ]
    (tmp_path / "parrotlet.json").write_text('{"other": "weights"}', encoding="utf-8")
    others.append(EngineIdentity.of(EngineChoice(model=tmp_path, device="cpu")))
    monkeypatch.setattr(lsp_server, "__version__", "99.0")
    others.append(EngineIdentity.of(EngineChoice(model=tmp_path, device="cpu")))
    monkeypatch.setattr(address, "PROTOCOL_VERSION", 99)
    others.append(EngineIdentity.of(EngineChoice(model=tmp_path, device="cpu")))
    assert len({key, *(other.key for other in others)}) == 8


def test_a_bundle_that_is_not_there_has_an_identity(tmp_path: Path) -> None:
    assert EngineIdentity.of(EngineChoice(model=tmp_path / "missing", device="cpu")).manifest_hash == ""


def test_the_folder_is_made_private(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARROTLET_RUNTIME_DIR", str(short_folder / "new" / "er"))
    folder = runtime_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    identity = EngineIdentity.of(EngineChoice(device="cpu"))
    assert EngineAddress.of(identity).socket == folder / f"{identity.key}.sock"
    assert log_file() == folder / "engine.log"


def test_a_folder_open_to_others_is_refused(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARROTLET_RUNTIME_DIR", str(short_folder))
    short_folder.chmod(0o750)
    with pytest.raises(EngineUnavailableError, match="open to other users"):
        runtime_folder()


def test_a_folder_of_somebody_else_is_refused(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARROTLET_RUNTIME_DIR", str(short_folder))
    monkeypatch.setattr(os, "getuid", lambda: short_folder.stat().st_uid + 1)
    with pytest.raises(EngineUnavailableError, match="belongs to another user"):
        runtime_folder()


def test_a_file_in_its_place_is_refused(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short_folder / "file").touch()
    monkeypatch.setenv("PARROTLET_RUNTIME_DIR", str(short_folder / "file"))
    with pytest.raises(EngineUnavailableError, match="cannot be used"):
        runtime_folder()


def test_a_path_too_long_for_a_socket_is_refused_where_the_user_chose_it(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARROTLET_RUNTIME_DIR", str(short_folder / ("x" * 120)))
    with pytest.raises(EngineUnavailableError, match="too long a path"):
        runtime_folder()


def test_otherwise_the_systems_folder_is_used(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARROTLET_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_runtime_dir", lambda *_, **__: str(short_folder / "parrotlet"))
    assert runtime_folder() == short_folder / "parrotlet"


@pytest.mark.parametrize("unusable", ["too long", "not to be made"])
def test_a_private_temporary_folder_stands_in_for_it(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, unusable: str
) -> None:
    (short_folder / "file").touch()
    system = short_folder / ("x" * 120) if unusable == "too long" else short_folder / "file" / "parrotlet"
    monkeypatch.delenv("PARROTLET_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_runtime_dir", lambda *_, **__: str(system))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(short_folder))
    folder = runtime_folder()
    assert folder.parent == short_folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_symbolic_link_laid_in_the_temporary_folder_is_refused(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = short_folder / "target"
    target.mkdir(mode=0o700)
    (short_folder / f"parrotlet-{os.getuid()}").symlink_to(target)
    monkeypatch.delenv("PARROTLET_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(platformdirs, "user_runtime_dir", lambda *_, **__: str(short_folder / ("x" * 120)))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(short_folder))
    with pytest.raises(EngineUnavailableError, match="not a folder"):
        runtime_folder()
