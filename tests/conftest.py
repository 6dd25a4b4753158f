"""Keeps tests out of the user's own models and figures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lsp_server.data_folder import FOLDER_VARIABLE


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where servers and trainings that tests start keep what is their user's."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        yield folder
