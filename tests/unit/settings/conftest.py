"""Settings from a few lines of TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from algosync.settings.load import load
from algosync.settings.models import Settings


@pytest.fixture
def settings(tmp_path: Path):
    def made(text: str = "") -> Settings:
        path = tmp_path / "algosync.toml"
        algolia = '[algolia]\napp_id = "SHOP"\nindices = [{ name = "products" }, { name = "produits" }]\n'
        path.write_text(algolia + text, encoding="utf-8")
        return load(path)

    return made
