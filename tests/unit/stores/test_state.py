from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, insert, select, text, update

from algosync.errors import StoreError
from algosync.stores import state as room
from algosync.stores.state import memory_state, open_state
from algosync.stores.tables import cursors, meta


def test_work_is_kept_whole_or_not_at_all(state_url, tmp_path):
    with open_state(state_url, tmp_path / "state", create=True) as state:
        with state.write() as connection:
            connection.execute(insert(cursors).values(source="a", cursor="1"))

        def half() -> None:
            with state.write() as connection:
                connection.execute(insert(cursors).values(source="b", cursor="1"))
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError):
            half()
    with open_state(state_url, tmp_path / "state", create=False) as state, state.read() as connection:
        assert connection.execute(select(cursors)).all() == [("a", "1")]


def test_a_state_for_reading_refuses_to_write(state_url, tmp_path):
    open_state(state_url, tmp_path / "state", create=True).close()
    with (
        open_state(state_url, tmp_path / "state", create=False) as state,
        pytest.raises(StoreError, match="reading only"),
        state.write(),
    ):
        pass
    with (
        open_state(state_url, tmp_path / "state", create=False) as state,
        pytest.raises(StoreError, match=r"read-?only"),
        state.read() as connection,
    ):
        connection.execute(insert(cursors).values(source="a", cursor="1"))


def test_where_there_is_nothing_a_reader_makes_nothing(state_url, tmp_path):
    for _ in range(2):
        with open_state(state_url, tmp_path / "state", create=False) as state, state.read() as connection:
            assert connection.scalar(select(func.count()).select_from(cursors)) == 0
    assert not (tmp_path / "state").exists()


def test_a_log_file_that_goes_while_it_is_looked_at_is_none(tmp_path, monkeypatch):
    open_state("sqlite", tmp_path, create=True).close()
    monkeypatch.setattr(Path, "exists", lambda self: True)  # as it was when that was asked
    with open_state("sqlite", tmp_path, create=False) as state, state.read() as connection:
        assert connection.scalar(select(func.count()).select_from(cursors)) == 0


def test_another_schema_version_is_refused(state_url, tmp_path):
    with open_state(state_url, tmp_path, create=True) as state, state.write() as connection:
        connection.execute(update(meta).values(value="99"))
    for create in (True, False):
        with pytest.raises(StoreError, match=r"schema version 99.*knows 3.*version of algosync"):
            open_state(state_url, tmp_path, create=create)


def test_a_second_writer_waits_for_the_first(state_url, tmp_path):
    entered, order = threading.Event(), []

    def second() -> None:
        entered.wait()
        with state.write() as connection:
            order.append(connection.scalar(select(func.count()).select_from(cursors)))

    with open_state(state_url, tmp_path / "state", create=True) as state:
        thread = threading.Thread(target=second)
        thread.start()
        with state.write() as connection:
            entered.set()
            thread.join(timeout=0.2)
            connection.execute(insert(cursors).values(source="a", cursor="1"))
            order.append("first")
        thread.join()
    assert order == ["first", 1]


@pytest.fixture
def held(tmp_path):
    """A new file of SQLite, not yet in the journal mode of a state, that another connection is about to write to."""
    connection = sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE another (value)")
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_who_opens_a_new_file_waits_for_others_in_it(tmp_path, monkeypatch, held):
    waited = []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            held.execute("COMMIT")

    monkeypatch.setattr(room, "sleep", wait)
    open_state("sqlite", tmp_path, create=True).close()
    assert len(waited) == 3


def test_who_opens_a_new_file_waits_no_longer_than_was_said(tmp_path, held):
    with pytest.raises(StoreError, match="locked"):
        open_state("sqlite", tmp_path, create=True, busy_s=0)


def test_many_processes_may_begin_a_state_at_once(tmp_path):
    opening = (
        "import sys; from pathlib import Path; from algosync.stores.state import open_state\n"
        "print(flush=True); sys.stdin.readline()\n"
        "open_state('sqlite', Path(sys.argv[1]), create=True).close()"
    )
    command = [sys.executable, "-c", opening, str(tmp_path / "of" / "shop")]
    many = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for process in many:
        process.stdout.readline()
    for process in many:
        process.communicate(b"go\n")
    assert [process.returncode for process in many] == [0] * 4


def test_a_reader_sees_one_moment(state_url, tmp_path):
    with open_state(state_url, tmp_path / "state", create=True) as state, state.read() as reading:
        count = select(func.count()).select_from(cursors)
        before = reading.scalar(count)
        with state.write() as connection:
            connection.execute(insert(cursors).values(source="a", cursor="1"))
        assert reading.scalar(count) == before == 0


def test_files_are_the_owners_alone_and_none_is_left_behind(tmp_path):
    place = tmp_path / "deep" / "state"
    with open_state("sqlite", place, create=True) as state, state.write() as connection:
        connection.execute(insert(cursors).values(source="a", cursor="1"))
        assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert [path.name for path in place.iterdir()] == ["state.sqlite"]


def test_reading_leaves_every_byte(tmp_path):
    open_state("sqlite", tmp_path, create=True).close()
    before = (tmp_path / "state.sqlite").read_bytes()
    with open_state("sqlite", tmp_path, create=False) as state, state.read() as connection:
        connection.execute(select(cursors)).all()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"state.sqlite": before}


def test_reading_what_a_crash_left_behind_leaves_it_there(tmp_path):
    crashed = tmp_path / "crashed"
    with open_state("sqlite", tmp_path / "state", create=True) as state:
        with state.write() as connection:
            connection.execute(insert(cursors).values(source="a", cursor="1"))
        crashed.mkdir()
        for name in ("state.sqlite", "state.sqlite-wal"):
            (crashed / name).write_bytes((tmp_path / "state" / name).read_bytes())
    before = {path.name: path.read_bytes() for path in crashed.iterdir()}
    with open_state("sqlite", crashed, create=False) as state, state.read() as connection:
        assert connection.execute(select(cursors)).all() == [("a", "1")]
    assert {name: (crashed / name).read_bytes() for name in before} == before
    with open_state("sqlite", crashed, create=True) as state, state.read() as connection:
        assert connection.execute(select(cursors)).all() == [("a", "1")]


def test_a_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "state.sqlite").write_text("not a database, but long enough to be looked at " * 50)
    for create in (True, False):
        with pytest.raises(StoreError, match=r"state\.sqlite.*not a database.*backup"):
            open_state("sqlite", tmp_path, create=create)


def test_a_place_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="state directory cannot be made"):
        open_state("sqlite", tmp_path / "file" / "state", create=True)


@pytest.mark.parametrize("url", ["mysql://a:secret@b/c", "postgresql+nothing://a:secret@b/c", "a:secret@b"])
def test_an_unusable_address_is_refused_without_showing_it(url, tmp_path):
    with pytest.raises(StoreError, match=r"state\.url") as caught:
        open_state(url, tmp_path, create=False)
    assert "secret" not in repr(caught.value)


def test_a_server_that_does_not_answer_shows_no_password(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        open_state("postgresql+psycopg://shop:secret@127.0.0.1:1/shop?connect_timeout=2", tmp_path, create=False)
    assert "secret" not in str(caught.value)
    assert "shop:***@127.0.0.1:1" in str(caught.value)


def test_an_address_of_sqlite_may_name_a_file(tmp_path):
    with open_state(f"sqlite:///{tmp_path / 'other.db'}", tmp_path, create=True) as state, state.write() as connection:
        connection.execute(insert(cursors).values(source="a", cursor="1"))
    with sqlite3.connect(tmp_path / "other.db") as raw:
        assert raw.execute("SELECT cursor FROM cursors").fetchall() == [("1",)]
    raw.close()


def test_a_state_in_memory_can_be_written(tmp_path):
    with memory_state(tmp_path) as state, state.write() as connection:
        connection.execute(insert(cursors).values(source="a", cursor="1"))
        assert connection.scalar(text("SELECT count(*) FROM cursors")) == 1


def test_a_password_in_the_query_is_not_shown(tmp_path):
    url = "postgresql+psycopg://shop@127.0.0.1:1/db?password=hunter22&connect_timeout=1"
    with pytest.raises(StoreError) as caught:
        open_state(url, tmp_path, create=False)
    assert "hunter22" not in str(caught.value)
    assert "127.0.0.1:1/db" in str(caught.value)


@pytest.mark.parametrize("query", ["", "?timeout=5"])
def test_a_file_named_by_a_url_is_read_like_the_one_of_the_directory(tmp_path, query):
    url = f"sqlite:///{tmp_path}/new.db{query}"
    with open_state(url, tmp_path / "state", create=False) as opened, opened.read() as connection:
        assert connection.scalar(select(func.count()).select_from(cursors)) == 0
    assert list(tmp_path.iterdir()) == []
    with open_state(url, tmp_path / "state", create=True) as opened, opened.write() as connection:
        connection.execute(insert(cursors).values(source="a", cursor="1"))
    with open_state(url, tmp_path / "state", create=False) as opened, opened.read() as connection:
        assert connection.execute(select(cursors)).all() == [("a", "1")]


def test_a_server_that_broke_off_is_met_again_and_what_was_under_way_was_not_kept(postgresql_url, tmp_path):
    def break_off() -> None:
        with create_engine(postgresql_url).begin() as other:
            others = text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert other.execute(others).rowcount > 0
        other.engine.dispose()

    def half(state) -> None:
        with state.write() as connection:
            connection.execute(insert(cursors).values(source="a", cursor="1"))
            break_off()
            connection.execute(insert(cursors).values(source="b", cursor="1"))

    with open_state(postgresql_url, tmp_path, create=True) as state:
        with pytest.raises(StoreError, match="terminating connection"):
            half(state)
        with state.read() as connection:
            assert connection.execute(select(cursors)).all() == []
        break_off()
        with state.write() as connection:
            connection.execute(insert(cursors).values(source="c", cursor="1"))
        with state.read() as connection:
            assert connection.scalar(select(cursors.c.source)) == "c"
