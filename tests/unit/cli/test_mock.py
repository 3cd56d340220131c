"""`algosync mock`: what it holds at the start, how it behaves, what it leaves on disk; and its errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from algosync.cli.run_mock import MockOptions, run_mock
from algosync.errors import ConfigError
from algosync.mock.fault_plan import KINDS
from algosync.mock.plans import PLANS

HEADERS = {"x-algolia-application-id": "MOCKAPP", "x-algolia-api-key": "mock-admin"}


@pytest.fixture
def served(tmp_path):
    """served(look, **options) runs the command's work until `look(http, report)` returns; returns what it saved."""

    def serve(look, **options):
        said = []

        def ready(report):
            try:
                with httpx.Client(base_url=report["url"], headers=HEADERS, trust_env=False) as http:
                    look(http, report)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        run_mock(MockOptions(**options), ready, lambda directory, held: said.append((directory, dict(held))))
        return said

    return serve


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    lamp = {"name": "Lamp", "brand": "Lumen", "objectID": "1"}
    content = {"settings": {"attributesForFaceting": ["brand"]}, "rules": [], "records": [lamp]}
    (folder / "products.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "books.jsonl").write_text('{"objectID":"b"}\n{"objectID":"c"}\n', encoding="utf-8")
    return folder


def add(http, index, object_id, **record):
    return http.put(f"/1/indexes/{index}/{object_id}", json=record)


def test_a_folder_is_loaded_and_left_as_it_was(served, data):
    before = {path.name: path.read_bytes() for path in data.iterdir()}

    def look(http, report):
        assert report["indices"] == {"products": 1, "books": 2}
        found = http.post("/1/indexes/products/query", json={"query": "lamp", "facets": ["brand"]}).json()
        assert (found["nbHits"], found["facets"]) == (1, {"brand": {"Lumen": 1}})
        assert add(http, "books", "d").status_code == 200

    assert served(look, data=data) == []
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_what_was_written_is_saved_and_loaded_again(served, data):
    def change(http, report):
        add(http, "books", "d", title="Novel")
        add(http, "a%2Fb", "x")
        http.delete("/1/indexes/products")

    assert served(change, data=data, save=True) == [(data, {"a/b": 1, "books": 3})]

    def look(http, report):
        assert report["indices"] == {"books": 3, "a/b": 1}
        assert http.get("/1/indexes/books/d").json() == {"title": "Novel", "objectID": "d"}

    served(look, data=data)


def test_a_folder_that_is_not_there_yet_is_made(served, tmp_path):
    folder = tmp_path / "new" / "data"
    assert served(lambda http, _: add(http, "p", "1"), data=folder, save=True) == [(folder, {"p": 1})]
    assert [path.name for path in folder.iterdir()] == ["p.json"]


def test_a_file_without_records_is_no_error(served, tmp_path):
    (tmp_path / "p.jsonl").write_text("", encoding="utf-8")
    seen = []
    served(lambda _, report: seen.append(report["indices"]), load=(f"p={tmp_path / 'p.jsonl'}",))
    assert seen == [{"p": 0}]


def test_files_and_facets_come_on_top_of_the_folder(served, data, tmp_path):
    (tmp_path / "more.jsonl").write_text('{"objectID":"2","brand":"Hell"}\n', encoding="utf-8")

    def look(http, report):
        assert report["indices"] == {"products": 2, "books": 2}
        settings = http.get("/1/indexes/products/settings").json()
        assert settings["attributesForFaceting"] == ["brand", "name"]

    served(look, data=data, load=(f"products={tmp_path / 'more.jsonl'}",), facets=("products=brand,name",))


def test_counting_begins_when_it_is_furnished(served, tmp_path):
    (tmp_path / "p.jsonl").write_text('{"objectID":"1"}\n', encoding="utf-8")

    def look(http, _):
        assert http.get("/mock/requests").json() == {"requests": []}
        assert http.get("/mock/indexes").json() == {"indexes": {"p": 1}, "operations": {}}
        assert add(http, "p", "2").status_code == 429

    served(look, load=(f"p={tmp_path / 'p.jsonl'}",), faults=("*:429",))


def test_a_plan_and_a_delay(served):
    def look(http, report):
        assert report["plan"] == "build"
        assert "/10000 bytes" in add(http, "p", "1", text="x" * 10_000).json()["message"]
        task = add(http, "p", "1").json()["taskID"]
        assert http.get(f"/1/indexes/p/task/{task}").json()["status"] == "notPublished"

    served(look, plan="build", publish_after_ms=60_000)


@pytest.mark.parametrize(("merging", "scores"), [("first", [1, 0]), ("merge", [1, 1])])
def test_two_rules_and_their_filters(served, merging, scores):
    def boost(brand):
        return {"objectID": brand, "consequence": {"params": {"optionalFilters": [f"brand:{brand}"]}}}

    content = {
        "settings": {"attributesForFaceting": ["brand"]},
        "rules": [boost("x"), boost("y")],
        "records": [{"objectID": name, "brand": name} for name in "xy"],
    }

    def look(http, _):
        http.put("/mock/indexes/p", json=content)
        hits = http.post("/1/indexes/p/query", json={"getRankingInfo": True}).json()["hits"]
        assert [hit["_rankingInfo"]["filters"] for hit in hits] == scores

    served(look, rules_merge=merging)


def test_faults_from_a_file_and_by_option(served, tmp_path):
    plan = tmp_path / "faults.json"
    plan.write_text(
        json.dumps({"seed": 3, "faults": [{"on": "listIndices", "nth": 2, "fault": 503}]}), encoding="utf-8"
    )

    def look(http, report):
        assert report["faults"] == [
            {"on": ["listIndices"], "nth": 2, "fault": "503", "seen": 0, "struck": 0},
            {"on": ["batch"], "index": "p*", "times": 1, "fault": "500", "seen": 0, "struck": 0},
        ]
        assert [http.get("/1/indexes").status_code for _ in range(3)] == [200, 503, 200]
        assert [http.post("/1/indexes/p/batch", json={"requests": []}).status_code for _ in range(2)] == [500, 200]
        assert http.get("/mock/faults").json()["seed"] == 9

    served(look, faults_file=plan, faults=("saveObjects@p*:x1:500",), seed=9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--save"], "--save: there is no folder to save to. Name one with --data"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "bad"], "bad/p.json: records[0]"),
        (["--fault", "batch:418"], "--fault batch:418.fault"),
        (["--fault", "bach:500"], "there is no operation 'bach'. Did you mean batch"),
        (["--faults", "none.json"], "none.json: Cannot read the file"),
        (["--faults", "bad/p.json"], "bad/p.json.records"),
        (["--faults", "bad/text"], "bad/text: Invalid JSON"),
    ],
)
def test_what_is_wrong_is_said_in_one_document(run, tmp_path, arguments, said):
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "p.json").write_text('{"records": [{"name": "no id"}]}', encoding="utf-8")
    (bad / "text").write_text("{", encoding="utf-8")
    done = run("mock", "--port", "0", "--json", *arguments)
    assert done.exit_code == 1
    assert said in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize("arguments", [["--plan", "gold"], ["--rules-merge", "last"], ["--publish-after", "-1"]])
def test_wrong_usage(run, arguments):
    assert run("mock", *arguments).exit_code == 2


def test_the_help_names_what_there_is(run):
    shown = run("mock", "--help").stdout
    assert all(name in shown for name in (*PLANS, *KINDS, "ON@INDEX:WHEN:FAULT"))


def test_an_unknown_plan_in_python():
    with pytest.raises(ConfigError, match="there is no plan 'gold'"):
        run_mock(MockOptions(plan="gold"), lambda _: None, lambda *_: None)


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["people", "program"])
def test_the_command_says_what_it_serves_and_saves(tmp_path, data, arguments):
    program = Path(sys.executable).parent / "algosync"
    command = [program, "mock", "--port", "0", "--data", data, "--save", "--plan", "grow", "--publish-after", "20"]
    command += ["--fault", "batch:9:500"]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as running:
        said = ""
        for line in running.stdout:
            said += line
            if line.startswith(("}", "On purpose")):
                break
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors
    assert rest == ""
    assert "3 records of 2 indices are saved in" in errors
    if arguments:
        assert json.loads(said)["indices"] == {"products": 1, "books": 2}
    else:
        assert "The limits of the plan grow hold." in said
        assert "A write can be read after 20 ms." in said
        assert "On purpose: 500 on batch: request 9" in said
    assert not (data / "books.jsonl").exists()
