"""The columns of REES46's public data sets: a row is one product viewed, put into the cart, taken out or bought.

`remove_from_cart` passes as it is, so that `clean` turns it away with its reason: it speaks neither for a product nor
undoes a purchase, and a negative quantity means a return. A shop that wants it otherwise maps the value.
"""

from __future__ import annotations

from algosync.events.mapping import EventMapping

MAPPING = EventMapping(
    columns={
        "timestamp": "event_time",
        "event_type": "event_type",
        "object_id": "product_id",
        "price": "price",
        "user_token": "user_id",
        "session_id": "user_session",
    },
    constants={"currency": "USD"},
    values={"event_type": {"cart": "add_to_cart"}},
    product={
        "brand": "brand",
        "category_code": "category_code",
        "category_id": "category_id",
        "price": "price",
    },
    optional=frozenset(
        {"price", "session_id", "product.brand", "product.category_code", "product.category_id", "product.price"}
    ),
    # The lines of an order share the session; the data name no orders.
    order_from=("session_id",),
)
