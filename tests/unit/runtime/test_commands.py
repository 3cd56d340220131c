"""The runtime: what it refuses before anything is done, and what it says then."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from algosync.algolia.client import WriteClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError, ConfigError, RequestError, StoreError
from algosync.mock.algolia import MockAlgolia
from algosync.mock.server import MockServer
from algosync.runtime.commands import Runtime
from algosync.sync.stages import Silent

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def server():
    with MockServer(MockAlgolia()) as running:
        with WriteClient(Target(app_id="MOCKAPP", hosts=(running.url,)), "mock-admin") as client:
            client.set_settings("products", {"attributesForFaceting": ["brand"]})
        yield running


@pytest.fixture
def runtime(server, tmp_path):
    """runtime(settings, …) opens a shop with these sections beside [algolia]."""

    def opened(text="", *, keys='read_api_key = "mock-read"\nwrite_api_key = "mock-write"', index="products"):
        path = tmp_path / "algosync.toml"
        algolia = (
            f'[algolia]\napp_id = "MOCKAPP"\nhosts = ["{server.url}"]\n{keys}\nindices = [{{ name = "{index}" }}]\n'
        )
        path.write_text(algolia + text, encoding="utf-8")
        return Runtime.open(path, progress=Silent(), clock=lambda: NOW)

    return opened


def test_without_any_key_nothing_is_asked_and_the_variable_is_named(runtime, server, tmp_path):
    asked = len(server.algolia.requests)
    with pytest.raises(ConfigError, match=r"algolia\.read_api_key: is missing") as error:
        runtime(keys="").sync(dry_run=True)
    assert "ALGOSYNC_ALGOLIA__READ_API_KEY" in str(error.value)
    assert len(server.algolia.requests) == asked
    assert not (tmp_path / "state").exists()


def test_a_key_that_only_reads_cannot_sync(runtime, server):
    with pytest.raises(ConfigError, match=r"algolia\.write_api_key: is missing"):
        runtime(keys='read_api_key = "mock-read"').sync()


def test_the_key_that_writes_will_do_for_reading(runtime):
    assert runtime(keys='write_api_key = "mock-write"').sync(dry_run=True).plan.operations == ()


def test_a_key_that_is_refused_is_not_told(runtime):
    with pytest.raises(AlgoliaError) as error:
        runtime(keys='read_api_key = "s3cret-key"\nwrite_api_key = "s3cret-key"').sync(dry_run=True)
    assert error.value.status == 403
    assert "s3cret" not in str(error.value)


def test_profiles_need_a_secret_for_their_names(runtime):
    with pytest.raises(ConfigError, match=r"identity\.hash_key: is missing") as error:
        runtime("[push]\nprofiles = true\n").sync(dry_run=True)
    assert "ALGOSYNC_IDENTITY__HASH_KEY" in str(error.value)


def test_an_index_that_does_not_exist_is_named(runtime):
    with pytest.raises(AlgoliaError, match="absent does not exist"):
        runtime(index="absent").sync(dry_run=True)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('[segments]\nfile = "nowhere.json"\n', "nowhere.json: no such file"),
        ('[actions]\nfile = "algosync.toml"\n', "algosync.toml, line 1: is not JSON"),
        ('[[sources]]\nname = "web"\ntype = "files"\npath = "x.csv"\npreset = "ga9"\n', "unknown preset 'ga9'"),
        ('[[sources]]\nname = "web"\ntype = "files"\npath = "x.csv"\n', "nothing fills timestamp"),
        ('[related]\nfacets = ["colour"]\n', "related.facets: 'colour' is not among [facets]"),
    ],
)
def test_what_the_settings_name_must_be_there(runtime, tmp_path, section, said):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        runtime(section).sync(dry_run=True)
    assert said in str(error.value)


def test_a_family_that_is_off_cannot_be_pushed_alone(runtime):
    with pytest.raises(ConfigError, match=r"--only: push\.rules is switched off"):
        runtime().sync(only=("rules",))


def test_before_the_first_run_there_is_nothing_to_tell_and_telling_makes_nothing(runtime, tmp_path):
    shop = runtime()
    assert shop.status()["log"]["events"] == 0
    assert shop.status()["snapshot"] == {"schema": "3", "people": 0}
    empty = {"reasons": [], "rows": [], "total": 0, "payloads": [], "payloads_total": 0}
    assert shop.quarantine_list(source=None, limit=5) == empty
    with pytest.raises(StoreError, match="no row 7 in quarantine"):
        shop.quarantine_show(7)
    with pytest.raises(StoreError, match="nothing named 'related/products/1' is in quarantine"):
        shop.quarantine_show("related/products/1")
    with pytest.raises(RequestError, match=r"no snapshot yet\. Run `algosync sync`"):
        shop.explain("anna")
    assert not (tmp_path / "state").exists()


def test_a_failed_run_is_on_record(runtime):
    shop = runtime('[[sources]]\nname = "web"\ntype = "files"\npath = "x.csv"\npreset = "rees46"\n')
    with pytest.raises(Exception, match=r"x\.csv"):
        shop.pull()
    (run,) = shop.status()["runs"]
    assert (run["command"], run["started_at"]) == ("pull", NOW.isoformat())
    assert "x.csv" in run["outcome"]


def test_setup_adds_only_what_is_algosyncs_own_and_asks_first(runtime, server):
    shop = runtime("[facets]\nbrand = 100\ncolour = 50\n")
    asked = []
    shown = shop.setup(confirm=lambda changes: asked.append(changes) or False)
    (index,) = shown["indices"]
    assert index["added"] == ["filterOnly(algosync.boosts)"]
    assert index["yours_to_declare"] == ["colour"]
    assert (shown["applied"], len(asked)) == (False, 1)
    before = server.algolia.content()["products"]["settings"]
    assert before == {"attributesForFaceting": ["brand"]}
    assert shop.setup(confirm=lambda _: True)["applied"] is True
    after = server.algolia.content()["products"]["settings"]
    assert after == {"attributesForFaceting": ["brand", "filterOnly(algosync.boosts)"]}
    assert shop.setup(confirm=lambda _: pytest.fail("there is nothing to ask"))["applied"] is False


def test_what_is_set_and_not_heeded_is_said(runtime):
    shop = runtime('[rollout]\nusers = "50%"\n[push]\nprofiles = true\n')
    said = " ".join(shop.status()["not_heeded"])
    assert "rollout.users" in said
