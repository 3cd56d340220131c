"""Nobody but the owner reads what is kept, also in a folder that somebody else made and left open."""

from __future__ import annotations

import stat

import pytest

pytestmark = pytest.mark.e2e


def test_what_is_kept_is_the_owners_alone(small):
    small.state.mkdir(mode=0o755)  # as a volume is mounted
    small.state.chmod(0o755)
    small.sync()
    kept = {path.relative_to(small.state): stat.S_IMODE(path.stat().st_mode) for path in small.state.rglob("*")}
    assert {path.suffix for path in kept} >= {".sqlite", ".parquet", ".lock"}
    assert {str(path): oct(mode) for path, mode in kept.items() if mode & 0o077} == {}


def test_a_state_directory_of_its_own_is_closed(synced):
    assert stat.S_IMODE(synced.state.stat().st_mode) == 0o700
