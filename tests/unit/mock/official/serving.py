"""Scenarios: Recommend, Insights, Personalization."""

from __future__ import annotations

from .clients import Story

EVENT = {"eventType": "click", "eventName": "Opened", "index": "products", "userToken": "anna", "objectIDs": ["a"]}
STRATEGY = {
    "eventsScoring": [{"score": 10, "eventName": "Opened", "eventType": "click"}],
    "facetsScoring": [{"score": 5, "facetName": "brand"}],
    "personalizationImpact": 30,
}


async def shop(story: Story) -> None:
    related = {"similar": ["c", "b"], "related": ["c", "b"]}
    records = [
        {"objectID": "a", "brand": "acme", "algosync": related},
        {"objectID": "b", "brand": "acme"},
        {"objectID": "c", "brand": "bolt"},
    ]
    await story.done("products", await story.search.set_settings("products", {"attributesForFaceting": ["brand"]}))
    await story.search.save_objects("products", records, wait_for_tasks=True)


async def recommendations(story: Story) -> None:
    await shop(story)
    recommend = story.recommend
    wanted = {"indexName": "products", "model": "related-products", "objectID": "a", "threshold": 0}
    filtered = wanted | {"queryParameters": {"filters": "brand:acme"}, "maxRecommendations": 1}
    answer = await recommend.get_recommendations({"requests": [wanted, filtered]})
    found = [[hit.actual_instance.object_id for hit in result.hits] for result in answer.results]
    assert found == [["c", "b"], ["b"]]
    assert answer.results[0].hits[0].actual_instance.score > 0
    unknown = {"requests": [wanted | {"objectID": "nobody"}]}
    await story.refused(recommend.get_recommendations(unknown), "ObjectID does not exist", 404)
    by_hand = await recommend.custom_post("1/indexes/*/recommendations", body={"requests": [wanted]})
    assert [hit["objectID"] for hit in by_hand["results"][0]["hits"]] == ["c", "b"]
    assert (await recommend.custom_get("1/indexes/products/a"))["brand"] == "acme"
    await story.refused(recommend.custom_put("1/indexes/products/related-products/recommend/rules/x"), "", 404)
    await story.refused(recommend.custom_delete("1/indexes/products/nope/recommend"), "Path not found", 404)


async def events(story: Story) -> None:
    insights, algolia = story.insights, story.algolia
    answer = await insights.push_events({"events": [EVENT, EVENT | {"userToken": "ben"}]})
    assert (answer.status, answer.message) == (200, "OK")
    assert [event.sent["userToken"] for event in algolia.events] == ["anna", "ben"]
    await story.refused(insights.push_events({"events": [EVENT, EVENT | {"eventType": "look"}]}), "EventType", 422)
    assert len(list(algolia.events)) == 2, "one bad event refuses all"
    await insights.delete_user_token("anna")
    assert [event.sent["userToken"] for event in algolia.events] == ["ben"]
    await insights.custom_post("1/events", body={"events": [EVENT]})
    assert len(list(algolia.events)) == 2
    await insights.custom_delete("1/usertokens/ben")
    assert [event.sent["userToken"] for event in algolia.events] == ["anna"]
    await story.refused(insights.custom_get("1/events"), "Method Not Allowed", 405)
    await story.refused(insights.custom_put("1/events"), "Method Not Allowed", 405)


async def profiles(story: Story) -> None:
    await shop(story)
    personalization = story.personalization
    told = await personalization.set_personalization_strategy(STRATEGY)
    assert told.message == "Strategy was successfully updated"
    assert (await personalization.get_personalization_strategy()).to_dict() == STRATEGY
    await story.insights.push_events({"events": [EVENT]})
    profile = await personalization.get_user_token_profile("anna")
    assert (profile.user_token, profile.scores) == ("anna", {"brand": {"acme": 20}})
    gone = await personalization.delete_user_profile("anna")
    assert (gone.user_token, gone.deleted_until[-1]) == ("anna", "Z")
    await story.refused(personalization.get_user_token_profile("anna"), "User profile not found", 404)

    path = "1/strategies/personalization"
    await personalization.custom_post(path, body=STRATEGY | {"personalizationImpact": 31})
    assert (await personalization.custom_get(path))["personalizationImpact"] == 31
    assert (await personalization.custom_delete("1/profiles/anna"))["userToken"] == "anna"
    await story.refused(personalization.custom_put(path), f"Path not found: PUT /{path}", 404)
