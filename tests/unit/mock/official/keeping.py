"""Scenarios: API keys, secured keys, and the clients themselves."""

from __future__ import annotations

import re
import time

import pytest
from algoliasearch.search.config import TransformationOptions
from algoliasearch.search.models import ApiKey

from .clients import Story
from .writing import seed

UNKNOWN = "Invalid Application-ID or API key"


async def keys(story: Story) -> None:
    search = story.search
    before = {key.value for key in (await search.list_api_keys()).keys}
    asked = ApiKey(acl=["search", "addObject"], indexes=["products*"], description="ours", max_hits_per_query=2)
    added = (await search.add_api_key(asked)).key
    shown = await search.wait_for_api_key(added, "add")
    assert (shown.acl, shown.indexes, shown.max_hits_per_query) == (["search", "addObject"], ["products*"], 2)
    assert {key.value for key in (await search.list_api_keys()).keys} - before == {added}
    await seed(story)
    ours = story.connect(added)
    assert len((await ours.search_single_index("products", {})).hits) == 2
    await story.refused(ours.save_rules("products", []), "Method not allowed with this API key", 403)
    await story.refused(ours.save_object("other", {}), "Index not allowed with this API key", 403)

    changed = ApiKey(acl=["search"], description="less")
    assert (await search.update_api_key(added, changed)).key == added
    await search.wait_for_api_key(added, "update", changed)
    assert (await search.get_api_key(added)).to_dict()["description"] == "less"
    await story.refused(ours.save_object("products", {}), "Method not allowed with this API key", 403)
    await search.delete_api_key(added)
    assert await search.wait_for_api_key(added, "delete") is None
    await story.refused(ours.search_single_index("products", {}), UNKNOWN, 403)
    await story.refused(search.get_api_key(added), "Key does not exist", 404)
    assert (await search.restore_api_key(added)).key == added
    assert (await ours.search_single_index("products", {})).nb_hits == 7


async def secured_keys(story: Story) -> None:
    await seed(story)
    search = story.search
    until = int(time.time()) + 3600
    narrow = {"filters": "brand:acme", "restrictIndices": ["prod*"], "validUntil": until, "userToken": "u"}
    made = await _secured(story, narrow)
    assert 3590 <= await search.get_secured_api_key_remaining_validity(made) <= 3600
    ours = story.connect(made)
    assert (await ours.search_single_index("products", {"filters": "n < 4"})).nb_hits == 2
    assert (story.algolia.requests[-1].key, story.algolia.requests[-1].secured) == ("mock-read", True)
    other = {"requests": [{"indexName": "other"}]}
    await story.refused(ours.search(other), "Index not allowed with this API key", 403)
    late = story.connect(await _secured(story, {"validUntil": until - 7200}))
    await story.refused(late.search_single_index("products", {}), '"validUntil" parameter expired')
    forged = story.connect(made[:-4] + "AAA=")
    await story.refused(forged.search_single_index("products", {}), UNKNOWN, 403)


async def _secured(story: Story, restrictions: dict) -> str:
    made = await story.search.generate_secured_api_key("mock-read", restrictions)
    assert isinstance(made, str)
    return made


async def the_clients_themselves(story: Story) -> None:
    await story.search.save_object("products", {"objectID": "a"})
    clients = [story.search, story.recommend, story.insights, story.personalization]
    for client in clients:
        await client.add_user_agent("shop", "1.2")
        assert "; shop (1.2)" in client.official._transporter.config.headers["user-agent"]
        await client.set_client_api_key("mock-read")
        await story.refused(client.custom_post("1/indexes/products"), "Method not allowed with this API key", 403)
        assert story.algolia.requests[-1].key == "mock-read"
        await client.close()
        listed = await client.custom_get("1/indexes")
        assert listed["nbPages"] == 1, "a closed client opens again"
    name = await story.search.create_temporary_name("products")
    assert re.fullmatch(r"products_tmp_\d{7}", name)


async def transformations(story: Story) -> None:
    """They go to the Ingestion API, on a host of its own, which is refused when it is the mock."""
    search = story.search
    with pytest.raises(ValueError, match="transformation_options"):
        await search.save_objects_with_transformation("products", [])
    options = TransformationOptions("eu", hosts=story.hosts, proxies={})
    await search.set_transformation_options(options)
    records = [{"objectID": "a"}]
    lost = "Path not found: POST /1/push/products"
    await story.refused(search.save_objects_with_transformation("products", records), lost, 404)
    await story.refused(search.partial_update_objects_with_transformation("products", records), lost, 404)
    await story.refused(search.replace_all_objects_with_transformation("products", records), lost, 404)
