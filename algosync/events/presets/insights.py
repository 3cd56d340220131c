"""Algolia's own event schema, as one event or one Insights body `{"events": […]}` per line or array element.

An event of several objectIDs becomes one row for each, with its own position and objectData; an event of filters
stays one row. The objects of a purchase share its user and timestamp, which name its order.
"""

from __future__ import annotations

from algosync.events.mapping import EventMapping
from algosync.events.sources.explode import Explode

MAPPING = EventMapping(
    explode=(
        Explode(columns=("events",), spread=True),
        Explode(columns=("objectIDs", "positions", "objectData")),
    ),
    columns={
        "timestamp": "timestamp",
        "user_token": "userToken",
        "authenticated_user_token": "authenticatedUserToken",
        "event_type": "eventType",
        "event_subtype": "eventSubtype",
        "event_name": "eventName",
        "object_id": "objectIDs",
        "facet_filters": "filters",
        "price": "objectData.price",
        "quantity": "objectData.quantity",
        "discount": "objectData.discount",
        "currency": "currency",
        "query_id": ("objectData.queryID", "queryID"),
        "position": "positions",
        "index": "index",
    },
    optional=frozenset(
        {
            "authenticated_user_token",
            "event_subtype",
            "event_name",
            "object_id",
            "facet_filters",
            "price",
            "quantity",
            "discount",
            "currency",
            "query_id",
            "position",
            "index",
        }
    ),
    order_from=("user_token", "timestamp"),
    filters_encoded=True,
)
