"""The command as programs use it: one JSON document on stdout, and an exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from algosync.algolia.client import ReadClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError

pytestmark = pytest.mark.e2e


def document(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    """The one document that stdout holds."""
    assert done.returncode == code, done.stderr
    found, end = json.JSONDecoder().raw_decode(done.stdout)
    assert done.stdout[end:].strip() == ""
    return found


def test_the_way_of_a_program(small):
    planned = document(small.command("plan", "--check", "--json"), code=3)
    assert planned["dry_run"] is True
    assert planned["plan"]["operations"] == 27
    assert not small.state.exists()

    said = document(small.command("sync", "--json"))
    counts = ("read", "accepted", "rejected", "duplicates", "waiting", "ignored", "no_consent")
    assert [said["events"][name] for name in counts] == [39, 39, 0, 0, 0, 0, 0]
    assert said["profiles"] == 6
    assert {name: found["members"] for name, found in said["segments"].items()} == {"segment2": 3, "phones": 2}
    assert said["related"]["similar"] == said["related"]["related"] == 18
    assert said["related"]["bought_together"] == 4
    assert said["related"]["viewed_together"] >= 0
    keys = ("add", "update", "delete", "unchanged", "operations", "records_added")
    assert [said["plan"][name] for name in keys] == [27, 0, 0, 0, 27, 7]
    assert said["plan"]["bytes"] > 1000
    assert said["pushed"]["operations"] == 27
    stages = {"catalog", "pull", "profiles", "segments", "related", "payloads", "plan", "push"}
    assert stages <= set(said["seconds"])
    assert all(isinstance(spent, float) for spent in said["seconds"].values())


def test_people_read_tables_and_errors(synced):
    shown = synced.command("status")
    assert shown.returncode == 0
    assert "39 events up to 2026-11-18" in shown.stdout
    synced.config.write_text('[algolia]\napp = "A"\n[push]\nrelated = "perhaps"\n', encoding="utf-8")
    failed = document(synced.command("sync", "--json"), code=1)
    assert failed["error"]["type"] == "ConfigError"
    for key in ("algolia.app_id: is missing", "algolia.app: unknown key", "push.related: must be true or false"):
        assert key in failed["error"]["message"]


def test_the_mock_serves_until_it_is_told_to_stop(shop):
    shop.write("products.json", [{"objectID": "1", "name": "Lamp", "brand": "Lumen"}])
    command = [str(shop.program), "mock", "--port", "0", "--json", "--load", "products=products.json"]
    command += ["--facets", "products=brand"]
    process = subprocess.Popen(
        command, cwd=shop.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        text = ""
        for line in process.stdout:
            text += line
            if line.rstrip() == "}":
                break
        said = json.loads(text)
        assert said["indices"] == {"products": 1}
        with ReadClient(Target(app_id=said["app_id"], hosts=(said["url"],)), "mock-read") as client:
            assert [hit["objectID"] for hit in client.search("products", {"query": "lamp"})["hits"]] == ["1"]
            assert client.get_settings("products")["attributesForFaceting"] == ["brand"]
    finally:
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert rest == ""


def test_a_mock_of_the_shops_own_application(shop):
    shop.configure(algolia={"app_id": "SHOPAPP", "read_api_key": "own-read", "storefront_api_key": "own-search"})
    command = [Path(sys.executable).parent / "algosync", "mock", "--port", "0", "--json", "--config", shop.config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        said = ""
        for line in running.stdout:
            said += line
            if line == "}\n":
                break
        report = json.loads(said)
        target = Target(app_id="SHOPAPP", hosts=(report["url"],))
        with ReadClient(target, "own-read") as reader, ReadClient(target, "own-search") as storefront:
            assert reader.list_indices() == []
            with pytest.raises(AlgoliaError) as refused:
                storefront.search("algosync_payloads", {"query": ""})
        known = {"x-algolia-application-id": "SHOPAPP", "x-algolia-api-key": "mock-admin"}
        shown = [
            httpx.get(f"{report['url']}/{at}", headers=known, trust_env=False) for at in ("1/keys", "mock/requests")
        ]
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) == 0
        rest = running.stdout.read() + running.stderr.read()
    assert refused.value.status == 403
    assert report["app_id"] == "SHOPAPP"
    assert [answer.status_code for answer in shown] == [200, 200]
    everything = said + rest + "".join(answer.text for answer in shown)
    assert [secret for secret in ("own-read", "own-search") if secret in everything] == []
