"""What tests of the published lists share."""

from pathlib import Path

import pytest


@pytest.fixture
def lists(shared: Path) -> Path:
    """Folder with the published lists."""
    folder = shared / "aes-natural"
    if not folder.is_dir():
        pytest.skip(f"the published lists are not here: {folder}")
    return folder
