"""Makes the helpers of this folder importable from the folders below, and keeps tests out of the user's own figures."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsp_server.statistics.store import FOLDER_VARIABLE

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where servers that tests start write their statistics."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        yield folder
