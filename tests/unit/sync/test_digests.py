"""Digests tell whether inputs are the same."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from algosync.sync.digests import digest

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


def test_the_same_content_gives_the_same_digest_however_it_is_cut():
    cut = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    assert digest(TABLE, "rules", date(2026, 1, 1)) == digest(cut, "rules", date(2026, 1, 1))


def test_every_part_counts_and_so_does_its_place():
    digests = [
        digest(TABLE, "r"),
        digest(TABLE.slice(1), "r"),
        digest(TABLE.rename_columns(["a", "c"]), "r"),
        digest(TABLE, "s"),
        digest("r", TABLE),
        digest(TABLE, "r", ""),
    ]
    assert len(set(digests)) == len(digests)
