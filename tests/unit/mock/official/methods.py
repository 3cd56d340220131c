"""Every public method of the four official clients: the scenario that plays it, or why the mock does not have it.

The method names are those of algoliasearch 4.48.0; each but the helpers has a `…_with_http_info` twin, which it calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from . import finding, keeping, serving, writing
from .clients import Api, Client, Scenario


@dataclass(frozen=True)
class Absent:
    """A method whose route the mock refuses with 404.

    Attributes:
        reason: Why it is not there.
        call: Calls it.
    """

    reason: str
    call: Callable[[Client], Awaitable[object]]


SYNONYMS = "synonyms are not covered"
CLUSTERS = "multi-cluster (deprecated) is not covered"
DICTIONARIES = "dictionaries are not covered"
SOURCES = "allowed sources are not covered; keys may be restricted to some"
LOGS = "the mock's own log is GET /mock/requests"
RECOMMEND_RULES = "Recommend rules are not covered"

SYNONYM = {"objectID": "s", "type": "synonym", "synonyms": ["a", "b"]}
ENTRIES = {"requests": [{"action": "addEntry", "body": {"objectID": "e", "language": "en"}}]}
RULE = {"objectID": "r", "condition": {"filters": "a:b"}}
MODEL = ("products", "related-products")

SEARCH: dict[str, Scenario | Absent] = {
    "add_api_key": keeping.keys,
    "add_or_update_object": writing.one_object_at_a_time,
    "add_user_agent": keeping.the_clients_themselves,
    "append_source": Absent(SOURCES, lambda c: c.append_source({"source": "10.0.0.1/32"})),
    "assign_user_id": Absent(CLUSTERS, lambda c: c.assign_user_id("u", {"cluster": "c"})),
    "batch": writing.batches,
    "batch_assign_user_ids": Absent(CLUSTERS, lambda c: c.batch_assign_user_ids("u", {"cluster": "c", "users": ["u"]})),
    "batch_dictionary_entries": Absent(DICTIONARIES, lambda c: c.batch_dictionary_entries("stopwords", ENTRIES)),
    "browse": writing.browsing,
    "browse_objects": writing.browsing,
    "browse_rules": finding.rules,
    "browse_synonyms": Absent(SYNONYMS, lambda c: c.browse_synonyms("products", lambda _: None)),
    "chunked_batch": writing.objects_in_chunks,
    "clear_objects": writing.objects_away,
    "clear_rules": finding.rules,
    "clear_synonyms": Absent(SYNONYMS, lambda c: c.clear_synonyms("products")),
    "close": keeping.the_clients_themselves,
    "create_temporary_name": keeping.the_clients_themselves,
    "create_with_config": keeping.the_clients_themselves,
    "custom_delete": finding.by_hand,
    "custom_get": finding.by_hand,
    "custom_post": finding.by_hand,
    "custom_put": finding.by_hand,
    "delete_api_key": keeping.keys,
    "delete_by": writing.objects_away,
    "delete_index": writing.whole_indices,
    "delete_object": writing.one_object_at_a_time,
    "delete_objects": writing.objects_in_chunks,
    "delete_rule": finding.rules,
    "delete_source": Absent(SOURCES, lambda c: c.delete_source("10.0.0.1")),
    "delete_synonym": Absent(SYNONYMS, lambda c: c.delete_synonym("products", "s")),
    "generate_secured_api_key": keeping.secured_keys,
    "get_api_key": keeping.keys,
    "get_app_task": writing.tasks,
    "get_dictionary_languages": Absent(DICTIONARIES, lambda c: c.get_dictionary_languages()),
    "get_dictionary_settings": Absent(DICTIONARIES, lambda c: c.get_dictionary_settings()),
    "get_logs": Absent(LOGS, lambda c: c.get_logs(length=1)),
    "get_object": writing.one_object_at_a_time,
    "get_objects": writing.batches,
    "get_rule": finding.rules,
    "get_secured_api_key_remaining_validity": keeping.secured_keys,
    "get_settings": finding.settings,
    "get_sources": Absent(SOURCES, lambda c: c.get_sources()),
    "get_synonym": Absent(SYNONYMS, lambda c: c.get_synonym("products", "s")),
    "get_task": writing.tasks,
    "get_top_user_ids": Absent(CLUSTERS, lambda c: c.get_top_user_ids()),
    "get_user_id": Absent(CLUSTERS, lambda c: c.get_user_id("u")),
    "has_pending_mappings": Absent(CLUSTERS, lambda c: c.has_pending_mappings()),
    "index_exists": writing.whole_indices,
    "list_api_keys": keeping.keys,
    "list_clusters": Absent(CLUSTERS, lambda c: c.list_clusters()),
    "list_indices": writing.whole_indices,
    "list_user_ids": Absent(CLUSTERS, lambda c: c.list_user_ids()),
    "multiple_batch": writing.batches,
    "operation_index": writing.whole_indices,
    "partial_update_object": writing.one_object_at_a_time,
    "partial_update_objects": writing.objects_in_chunks,
    "partial_update_objects_with_transformation": keeping.transformations,
    "remove_user_id": Absent(CLUSTERS, lambda c: c.remove_user_id("u")),
    "replace_all_objects": writing.all_objects_replaced,
    "replace_all_objects_with_transformation": keeping.transformations,
    "replace_sources": Absent(SOURCES, lambda c: c.replace_sources([{"source": "10.0.0.1/32"}])),
    "restore_api_key": keeping.keys,
    "save_object": writing.one_object_at_a_time,
    "save_objects": writing.objects_in_chunks,
    "save_objects_with_transformation": keeping.transformations,
    "save_rule": finding.rules,
    "save_rules": finding.rules,
    "save_synonym": Absent(SYNONYMS, lambda c: c.save_synonym("products", "s", SYNONYM)),
    "save_synonyms": Absent(SYNONYMS, lambda c: c.save_synonyms("products", [SYNONYM])),
    "search": finding.searches,
    "search_dictionary_entries": Absent(
        DICTIONARIES, lambda c: c.search_dictionary_entries("stopwords", {"query": "a"})
    ),
    "search_for_facet_values": finding.facet_values,
    "search_rules": finding.rules,
    "search_single_index": finding.searches,
    "search_synonyms": Absent(SYNONYMS, lambda c: c.search_synonyms("products", {"query": "a"})),
    "search_user_ids": Absent(CLUSTERS, lambda c: c.search_user_ids({"query": "a"})),
    "set_client_api_key": keeping.the_clients_themselves,
    "set_dictionary_settings": Absent(
        DICTIONARIES, lambda c: c.set_dictionary_settings({"disableStandardEntries": {"plurals": {"fr": True}}})
    ),
    "set_settings": finding.settings,
    "set_transformation_options": keeping.transformations,
    "update_api_key": keeping.keys,
    "wait_for_api_key": keeping.keys,
    "wait_for_app_task": writing.tasks,
    "wait_for_task": writing.tasks,
}

OWN: dict[str, Scenario | Absent] = dict.fromkeys(
    ("add_user_agent", "close", "create_with_config", "set_client_api_key"), keeping.the_clients_themselves
)
BY_HAND = ("custom_delete", "custom_get", "custom_post", "custom_put")

METHODS: dict[Api, dict[str, Scenario | Absent]] = {
    "search": SEARCH,
    "recommend": {
        **OWN,
        **dict.fromkeys((*BY_HAND, "get_recommendations"), serving.recommendations),
        "batch_recommend_rules": Absent(RECOMMEND_RULES, lambda c: c.batch_recommend_rules(*MODEL, [RULE])),
        "delete_recommend_rule": Absent(RECOMMEND_RULES, lambda c: c.delete_recommend_rule(*MODEL, "r")),
        "get_recommend_rule": Absent(RECOMMEND_RULES, lambda c: c.get_recommend_rule(*MODEL, "r")),
        "get_recommend_status": Absent(RECOMMEND_RULES, lambda c: c.get_recommend_status(*MODEL, 1)),
        "search_recommend_rules": Absent(RECOMMEND_RULES, lambda c: c.search_recommend_rules(*MODEL, {"query": "a"})),
    },
    "insights": {**OWN, **dict.fromkeys((*BY_HAND, "delete_user_token", "push_events"), serving.events)},
    "personalization": {
        **OWN,
        **dict.fromkeys(
            (
                *BY_HAND,
                "delete_user_profile",
                "get_personalization_strategy",
                "get_user_token_profile",
                "set_personalization_strategy",
            ),
            serving.profiles,
        ),
    },
}

SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario  # type: ignore[attr-defined]
    for methods in METHODS.values()
    for scenario in methods.values()
    if not isinstance(scenario, Absent)
}


def promised(scenario: Scenario) -> set[tuple[Api, str]]:
    """The methods that the table says a scenario plays."""
    return {(api, name) for api, methods in METHODS.items() for name, plays in methods.items() if plays is scenario}
