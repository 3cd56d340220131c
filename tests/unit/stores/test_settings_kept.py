from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from algosync.stores.runs import Run, note_run, run_at
from algosync.stores.settings_kept import keep_settings, kept_since, settings_at
from algosync.stores.state import open_state
from algosync.stores.tables import settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_settings_are_kept_once_and_found_by_the_moment_they_ruled(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as state:
        assert (settings_at(state, NOON), kept_since(state)) == (None, None)
        first = keep_settings(state, {"facets": {"brand": 100}}, NOON)
        assert keep_settings(state, {"facets": {"brand": 100}}, NOON + HOUR) == first
        second = keep_settings(state, {"facets": {"brand": 10}}, NOON + 2 * HOUR)
        assert keep_settings(state, {"facets": {"brand": 100}}, NOON + 4 * HOUR) == first

        assert settings_at(state, NOON - HOUR) is None
        assert kept_since(state) == NOON
        ruled = [settings_at(state, NOON + n * HOUR) for n in range(6)]
        assert [kept.digest for kept in ruled] == [first, first, second, second, first, first]
        assert [kept.since for kept in ruled[3:]] == [NOON + 2 * HOUR, NOON + 4 * HOUR, NOON + 4 * HOUR]
        assert {kept.first_at for kept in ruled} == {NOON, NOON + 2 * HOUR}
        assert ruled[3].document == {"facets": {"brand": 10}}
        with state.read() as connection:
            assert connection.scalar(select(func.count()).select_from(settings)) == 2


def test_the_run_that_answers_came_from(state_url, tmp_path):
    def run(command, hours, as_of, outcome="done"):
        began = NOON + hours * HOUR
        note_run(
            state,
            Run(
                command=command,
                started_at=began,
                finished_at=began + HOUR / 2,
                as_of=as_of,
                outcome=outcome,
                report={},
            ),
        )

    with open_state(state_url, tmp_path, create=True) as state:
        run("sync", 0, "first")
        run("pull", 1, None)
        run("sync", 2, None, "broke off")
        run("rebuild", 3, "second")
        found = [run_at(state, NOON + n * HOUR) for n in (0, 0.5, 3.2, 3.5)]
        assert [one and one.as_of for one in found] == [None, "first", "first", "second"]
