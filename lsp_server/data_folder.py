"""Where Parrotlet keeps what belongs to its user: models and figures. Knows neither."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

FOLDER_VARIABLE = "PARROTLET_DATA_DIR"


def data_folder() -> Path:
    """The folder of this user; it may not be there yet."""
    override = os.environ.get(FOLDER_VARIABLE)
    return (
        Path(override).expanduser().absolute()
        if override
        else Path(platformdirs.user_data_dir("parrotlet", appauthor=False))
    )
