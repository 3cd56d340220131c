"""The pytest plugin, in small projects of its own: nothing is loaded but on demand, every test finds an empty mock."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import pytest

from algosync.mock.keys import DEFAULT_KEYS
from algosync.pytest_plugin import Keys

pytest_plugins = ("pytester",)


@pytest.fixture
def run(pytester, monkeypatch):
    """run(source, *arguments) runs a test file as a project would that has algosync installed."""
    # The plugin is named here, whether or not the installed package announces it.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def ran(source, *arguments):
        pytester.makepyfile(source)
        own = ("-p", "algosync.pytest_plugin", "-W", "error", "--strict-markers")
        return pytester.runpytest_subprocess(*own, *arguments)

    return ran


def test_a_projects_own_tests(run):
    done = run("""
        import pytest
        from algosync.errors import AlgoliaError

        LAMPS = [{"objectID": "1", "name": "Lamp", "brand": "Lumen"}, {"objectID": "2", "name": "Desk lamp"}]

        def test_loads_searches_and_sees_what_was_asked(algolia_mock):
            assert algolia_mock.load("products", LAMPS, settings={"attributesForFaceting": ["brand"]}) == 2
            hits = algolia_mock.client.search("products", {"query": "lamp", "filters": "brand:Lumen"})["hits"]
            assert [hit["objectID"] for hit in hits] == ["1"]
            (asked,) = algolia_mock.requests.of("searchSingleIndex")
            assert asked.json() == {"query": "lamp", "filters": "brand:Lumen"}
            assert (asked.key, algolia_mock.operations) == (algolia_mock.keys.admin, {})

        def test_a_client_is_made_once(algolia_mock):
            assert algolia_mock.client is algolia_mock.client
            assert algolia_mock.read_client is algolia_mock.read_client is not algolia_mock.client

        def test_begins_with_nothing(algolia_mock):
            assert algolia_mock.client.list_indices() == []
            assert [request.operation for request in algolia_mock.requests] == ["listIndices"]

        def test_snapshot_restore_and_dump(algolia_mock):
            rule = {"objectID": "r", "consequence": {"params": {"query": "x"}}}
            algolia_mock.load("products", LAMPS, {"hitsPerPage": 3}, [rule])
            before = algolia_mock.snapshot()
            algolia_mock.client.wait("products", algolia_mock.client.set_settings("products", {"hitsPerPage": 5}))
            assert algolia_mock.dump("products")["settings"] == {"hitsPerPage": 5}
            algolia_mock.restore(before)
            dumped = algolia_mock.dump("products")
            assert (dumped["settings"], dumped["records"]) == ({"hitsPerPage": 3}, LAMPS)
            algolia_mock.load("copy", **dumped)
            assert algolia_mock.dump("copy") == dumped
            assert algolia_mock.operations == {}

        def test_a_fault_and_the_read_client(algolia_mock):
            algolia_mock.load("products", LAMPS)
            algolia_mock.faults.add(on="searchSingleIndex", nth=1, fault="503")
            assert algolia_mock.read_client.search("products", {"query": "desk"})["nbHits"] == 1
            assert [request.status for request in algolia_mock.requests] == [503, 200]
            algolia_mock.faults.clear()
            algolia_mock.faults.add(on="searchSingleIndex", fault="oversize")
            assert algolia_mock.read_client.search("products", {"query": ""})["nbHits"] == 2
            algolia_mock.faults.add(on="batch", fault="oversize")
            with pytest.raises(AlgoliaError, match="objectID=1 is too big") as refused:
                body = b'{"requests":[{"action":"addObject","body":{"objectID":"1"}}]}'
                algolia_mock.client.batch("products", body, 1)
            assert (refused.value.status, refused.value.object_id) == (400, "1")

        def test_the_clock(algolia_mock):
            algolia_mock.algolia.tasks.delay_ms = 60_000
            task = algolia_mock.client.set_settings("products", {"hitsPerPage": 5})
            assert algolia_mock.client.task_status("products", task) == "notPublished"
            algolia_mock.advance(60_000)
            assert algolia_mock.client.task_status("products", task) == "published"
        """)
    done.assert_outcomes(passed=6)


def test_the_official_client_as_the_docstring_shows_it_and_events(run):
    done = run("""
        from algoliasearch.http.hosts import Host, HostsCollection
        from algoliasearch.insights.client import InsightsClientSync
        from algoliasearch.insights.config import InsightsConfig
        from algoliasearch.search.client import SearchClientSync
        from algoliasearch.search.config import SearchConfig

        def configured(kind, mock):
            config = kind(mock.app_id, mock.keys.admin)
            config.hosts = HostsCollection([Host(url=mock.host, scheme="http", port=mock.port)])
            config.proxies = None
            return config

        def test_official_client(algolia_mock):
            client = SearchClientSync.create_with_config(configured(SearchConfig, algolia_mock))
            client.save_objects("products", [{"objectID": "1"}], wait_for_tasks=True)
            assert algolia_mock.dump("products")["records"] == [{"objectID": "1"}]
            client.close()
            insights = InsightsClientSync.create_with_config(configured(InsightsConfig, algolia_mock))
            event = {"eventType": "view", "eventName": "seen", "userToken": "u", "index": "p", "objectIDs": ["1"]}
            insights.push_events({"events": [event]})
            insights.close()
            assert [event.user_token for event in algolia_mock.events] == ["u"]
        """)
    done.assert_outcomes(passed=1)


def test_options_by_marker_and_by_settings(run, pytester):
    pytester.makeini("""
        [pytest]
        algolia_mock_plan = build
        algolia_mock_rules_merge = merge
        algolia_mock_publish_after_ms = 50
        """)
    done = run("""
        import pytest

        def options(mock):
            found = mock.algolia
            return found.limits.plan.name, found.rules_merge, found.tasks.delay_ms, found.max_record_bytes

        def test_settings(algolia_mock):
            assert options(algolia_mock) == ("build", "merge", 50, 10_000)

        @pytest.mark.algolia_mock(plan="grow", publish_after_ms=0)
        class TestMarked:
            def test_class(self, algolia_mock):
                assert options(algolia_mock) == ("grow", "merge", 0, 100_000)

            @pytest.mark.algolia_mock(rules_merge="first", max_record_bytes=70, faults=[{"on": "read", "fault": "429"}])
            def test_nearer_ones_win(self, algolia_mock):
                assert options(algolia_mock) == ("grow", "first", 0, 70)
                assert algolia_mock.faults.describe()["faults"][0]["fault"] == "429"

        @pytest.mark.algolia_mock(faults={"seed": 7, "faults": ["batch:3:429=5", {"on": "read", "fault": "slow"}]})
        def test_a_plan_of_faults(algolia_mock):
            told = algolia_mock.faults.describe()
            assert told["seed"] == 7
            assert [fault["fault"] for fault in told["faults"]] == ["429", "slow"]

        @pytest.mark.parametrize("wrong", [
            pytest.param(name, marks=pytest.mark.algolia_mock(**{name: value}))
            for name, value in [("plam", "grow"), ("plan", "gold"), ("rules_merge", "last"), ("max_record_bytes", "1k"),
                                ("publish_after_ms", -1), ("faults", ["batch:soon:500"]), ("faults", [{"on": "bach"}])]
        ])
        def test_wrong(algolia_mock, wrong):
            raise AssertionError
        """)
    done.assert_outcomes(passed=4, errors=7)
    said = done.stdout.str()
    for what in (
        "@pytest.mark.algolia_mock: there is no plam; options are faults, ",
        "algolia_mock: plan: there is no plan 'gold'. Choose one of ",
        "algolia_mock: rules_merge: rules do not combine by 'last'. Choose one of first, merge",
        "algolia_mock: max_record_bytes is a whole number, not '1k'",
        "algolia_mock: publish_after_ms is a whole number, not '-1'",
        "algolia_mock: faults: 'soon' in 'batch:soon:500' says no when",
        "algolia_mock: faults.faults.0.fault: Field required",
    ):
        assert f"pytest.UsageError: {what}" in said.replace("E       _pytest.config.exceptions.", "pytest."), what


def test_workers_each_have_a_mock_of_their_own(run):
    pytest.importorskip("xdist")
    done = run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(12))
        def test_alone(algolia_mock, number):
            assert algolia_mock.client.list_indices() == []
            algolia_mock.load(f"index{number}", [{"objectID": str(number)}])
            assert [index["name"] for index in algolia_mock.client.list_indices()] == [f"index{number}"]
        """,
        "-pxdist.plugin",
        "-n2",
    )
    done.assert_outcomes(passed=12)


def test_a_project_that_does_not_ask_pays_nothing(run):
    done = run(
        """
        import sys

        def test_nothing_is_loaded():
            names = ("algosync.mock", "algosync.algolia", "uvicorn", "starlette", "algoliasearch", "pydantic", "orjson")
            assert [name for name in names if name in sys.modules] == []
        """,
    )
    done.assert_outcomes(passed=1)
    code = (
        "import sys, pytest; before = set(sys.modules); import algosync.pytest_plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "['algosync', 'algosync.pytest_plugin']"


def test_it_is_described(run):
    shown = run("", "--fixtures")
    shown.stdout.fnmatch_lines(["algolia_mock -- *", "*A mock Algolia, empty and without faults*"])
    run("", "--markers").stdout.fnmatch_lines(["@pytest.mark.algolia_mock(plan, publish_after_ms, *"])


def test_the_keys_are_the_mocks():
    assert set(asdict(Keys()).values()) == {key.value for key in DEFAULT_KEYS}
