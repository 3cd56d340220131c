"""The tombstones are lost, or put back as they once were, beside a state that is kept: nothing goes on."""

from __future__ import annotations

import json
import shutil

import httpx
import pytest
from sqlalchemy import create_engine, text

from algosync.errors import ConfigError, StoreError
from algosync.runtime.opening import Opening
from algosync.runtime.serving import open_api
from algosync.runtime.working import jobs
from algosync.settings.load import load
from algosync.stores.control import forget as forget_note
from algosync.stores.inbox import INBOX, Inbox
from algosync.stores.state import open_state
from algosync.stores.tombstones import TOMBSTONES, Tombstones
from algosync.sync.stages import Silent

KEY = "admin-key-of-the-shop-and-no-other"
READERS = ("reader-1", "reader-2")


@pytest.fixture
def shop(synced):
    """Two readers, of whom the first was forgotten; `book-1` is the book of tombstones of then."""
    synced.lighten()
    forget(synced, READERS[0])
    shutil.copy(book(synced), synced.folder / "book-1")
    return synced


def book(shop):
    return shop.state / "tombstones.sqlite"


def forget(shop, who):
    receipt = shop.runtime().forget(who, confirm=lambda _: True, insights=False)
    assert receipt["status"] == "done"
    return receipt


def lose(shop):
    book(shop).unlink()


def empty(shop):
    lose(shop)
    with open_state("sqlite", shop.state, create=True, book=TOMBSTONES):
        pass


def replace(shop):
    """Another shop's, of the same key."""
    lose(shop)
    key = load(shop.config).identity.hash_key.get_secret_value().encode()
    with open_state("sqlite", shop.state, create=True, book=TOMBSTONES) as opened:
        for number in range(3):
            Tombstones(opened, key).bury(f"e{number}", ["somebody"], [], shop.now)


def go_back(shop):
    """The backup of before the second was forgotten."""
    forget(shop, READERS[1])
    shutil.copy(shop.folder / "book-1", book(shop))


def come_back(shop):
    """Everything is read again, as after a move of the sources."""
    shutil.copy(shop.folder / "events.jsonl", shop.folder / "again.jsonl")
    shop.source("*.jsonl")


def known(shop):
    with open_state("sqlite", shop.state, create=False) as state, state.read() as connection:
        return {name for (name,) in connection.exec_driver_sql("SELECT value FROM ids WHERE kind = 'token'")}


def accept(shop, say=True):
    return shop.runtime().forget_accept_loss(confirm=lambda _: say)


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (lose, "the tombstones are lost"),
        (empty, "the tombstones are lost"),
        (replace, "not those of this state"),
        (go_back, "older than the state: they lack 1 changes"),
    ],
)
def test_nothing_is_pulled_or_pushed_until_the_book_is_back(shop, fault, what):
    fault(shop)
    come_back(shop)
    before, asked = shop.files(), len(shop.algolia.requests)
    run = shop.runtime()
    opening = Opening(load(shop.config), shop.folder, progress=Silent(), clock=lambda: shop.now)
    everything = [
        *(run.sync, lambda: run.sync(dry_run=True), run.pull, run.rebuild, run.retention, run.forget_pending),
        *(lambda: run.forget("reader-3", confirm=lambda _: True), lambda: run.quarantine_retry(source=None)),
        *(lambda: run.forget_lift(READERS[0]), lambda: run.verify(confirm=lambda _: False)),
        *jobs(opening).values(),
    ]
    for one in everything:
        with pytest.raises(StoreError, match=f"{what}.*Restore.*forget --accept-loss"):
            one()
    assert (shop.files(), len(shop.algolia.requests)) == (before, asked)
    assert what in str(run.status()["service"]["problems"])


def test_restored_it_goes_on_as_if_nothing_had_been(shop):
    kept = book(shop).read_bytes()
    lose(shop)
    with pytest.raises(StoreError, match="the tombstones are lost"):
        shop.sync()
    book(shop).write_bytes(kept)
    come_back(shop)
    shop.sync()
    assert READERS[0] not in known(shop)
    assert shop.runtime().status()["service"]["problems"] == []


def test_who_accepts_the_loss_has_them_back_and_whoever_is_forgotten_next_is_missed_again(shop):
    assert accept(shop) == {"lacks": None, "accepted": False}
    lose(shop)
    assert not accept(shop, say=False)["accepted"]
    with pytest.raises(StoreError, match="the tombstones are lost"):
        shop.sync()
    assert accept(shop)["accepted"]
    come_back(shop)
    shop.sync()
    assert READERS[0] in known(shop)
    forget(shop, READERS[0])
    shop.sync()
    assert READERS[0] not in known(shop)
    lose(shop)
    with pytest.raises(StoreError, match="the tombstones are lost"):
        shop.sync()


def test_accepting_an_older_book_leaves_whom_it_knows_forgotten(shop):
    go_back(shop)
    assert "lack 1 changes" in accept(shop)["lacks"]
    come_back(shop)
    shop.sync()
    assert known(shop) & set(READERS) == {READERS[1]}


def test_an_older_state_beside_a_newer_book_and_a_new_state_are_fine(shop):
    older = shutil.copytree(shop.state, shop.folder / "older")
    forget(shop, READERS[1])
    newer = book(shop).read_bytes()
    shutil.rmtree(shop.state)
    shutil.move(older, shop.state)
    book(shop).write_bytes(newer)
    with pytest.raises(StoreError, match=r"names 1 people who were forgotten.*forget --pending"):
        shop.sync()
    shop.runtime().forget_pending(insights=False)
    come_back(shop)
    shop.sync()
    assert not known(shop) & set(READERS)
    for path in shop.state.iterdir():
        if path.name != "tombstones.sqlite":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shop.sync()
    assert not known(shop) & set(READERS)
    lose(shop)  # which the new state has seen by now
    with pytest.raises(StoreError, match="the tombstones are lost"):
        shop.sync()


def test_a_state_of_a_version_that_noted_nothing_knows_by_its_receipts(shop):
    with open_state("sqlite", shop.state, create=True) as state:
        assert forget_note(state, "tombstones_needed")
    kept = book(shop).read_bytes()
    lose(shop)
    with pytest.raises(StoreError, match="the tombstones are lost"):
        shop.sync()
    book(shop).write_bytes(kept)
    shop.sync()


def test_a_lost_key_is_told_with_the_book_and_without(shop):
    shop.configure(identity={"hash_key": None}, push={"profiles": False})
    with pytest.raises(ConfigError, match="is missing, so that whoever was forgotten would come back"):
        shop.sync()
    assert "identity.hash_key: is missing" in str(shop.runtime().status()["service"]["problems"])
    lose(shop)
    with pytest.raises(StoreError, match="the tombstones are lost"):
        shop.sync()
    assert accept(shop)["accepted"]
    shop.sync()


def test_an_api_that_knows_nobody_takes_no_event_and_says_so(shop, on_loopback):
    shop.configure(
        sources=[shop.settings["sources"][0], {"name": "web", "type": "collector"}], serve={"admin_key": KEY}
    )
    kept = book(shop).read_bytes()
    event = {"eventType": "view", "eventName": "Seen", "index": "products", "objectIDs": ["book-1"]}
    headers = {"authorization": f"Bearer {KEY}"}

    def sent(url):
        events = {"events": [{**event, "userToken": READERS[0]}]}
        return httpx.post(f"{url}/1/events", json=events, headers=headers).status_code

    with (
        open_api(load(shop.config), shop.folder, clock=lambda: shop.now) as (app, _),
        on_loopback(app) as port,
    ):
        url = f"http://127.0.0.1:{port}"
        assert (sent(url), httpx.get(f"{url}/readyz").status_code) == (200, 200)
        lose(shop)
        assert sent(url) >= 500
        chosen = {"userToken": READERS[0], "consent": "for_you"}
        assert httpx.post(f"{url}/v1/consent", json=chosen, headers=headers).status_code >= 500
        ready = httpx.get(f"{url}/readyz")
        assert ready.status_code == 503
        assert "who was forgotten is not known" in ready.text
        book(shop).write_bytes(kept)
        assert (sent(url), httpx.get(f"{url}/readyz").status_code) == (200, 200)
    with open_state("sqlite", shop.state, create=False, book=INBOX) as opened:
        assert Inbox(opened).after(0, 10) == []
    lose(shop)
    with (
        pytest.raises(StoreError, match="the tombstones are lost"),
        open_api(load(shop.config), shop.folder, clock=lambda: shop.now),
    ):
        pass


def test_on_the_command_line(shop):
    assert "in order" in shop.command("forget", "--accept-loss").stdout
    lose(shop)
    refused = shop.command("sync")
    assert refused.returncode == 1
    assert "forget --accept-loss" in refused.stderr
    assert "--yes" in shop.command("forget", "--accept-loss").stderr
    assert json.loads(shop.command("forget", "--accept-loss", "--json", "--yes").stdout)["accepted"]
    assert shop.command("sync").returncode == 0


def test_on_postgresql_too(small, postgresql_url):
    small.configure(state={"url": postgresql_url})
    small.lighten()
    small.sync()
    forget(small, READERS[0])
    engine = create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE tombstones, tombstones_meta"))
    engine.dispose()
    with pytest.raises(StoreError, match="the tombstones are lost"):
        small.sync()
    assert accept(small)["accepted"]
    small.sync()
