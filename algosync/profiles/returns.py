"""Purchases net of returns: a negative quantity takes from its order, never from a view.

Owns the matching of returns to purchases. It changes quantities, not prices.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

_PRODUCT = ["person", "object"]
_LINE = [*_PRODUCT, "order_id"]


def net_of_returns(events: ir.Table) -> ir.Table:
    """Drop returns and what they took back; add `net_quantity` (float64, units kept; 1 where none was given).

    A return that names its order takes from that person's purchases of the product in that order, and from nothing
    where there are none. One without an order takes from the person's purchases of the product as a whole. What is
    taken back is spread over the matching purchases in proportion to their units, whenever they happened, so that a
    return reduces the amounts of its purchase on the day of that purchase. Purchases without units left are gone.

    Args:
        events: Identified events (`identity.usable`).
    """
    sells = (events.kind == "purchase").fill_null(False)
    units = events.quantity.fill_null(1)
    kept = events.filter(ibis.ifelse(sells, units > 0, units >= 0)).mutate(
        net_quantity=lambda t: t.quantity.fill_null(1).cast("float64")
    )
    back = events.filter((events.quantity < 0) & events.object.notnull())
    touched = back.select(*_PRODUCT).distinct().mutate(kind=ibis.literal("purchase"))
    bought = kept.semi_join(touched, [*_PRODUCT, "kind"])
    rest = kept.anti_join(touched, [*_PRODUCT, "kind"])
    left = _taken(bought, back.filter(back.order_id.notnull()), _LINE)
    left = _taken(left, back.filter(back.order_id.isnull()), _PRODUCT)
    return rest.union(left.filter(left.net_quantity > 0).select(rest.columns))


def unmatched_returns(events: ir.Table) -> ir.Table:
    """Returns that match no purchase and so count nothing, as (person, order_id, object, units)."""
    back = events.filter(events.quantity < 0)
    sold = events.filter((events.kind == "purchase") & (events.quantity.fill_null(1) > 0))
    named = back.filter(back.order_id.notnull()).anti_join(sold, _LINE)
    whole = back.filter(back.order_id.isnull()).anti_join(sold, _PRODUCT)
    lost = named.union(whole)
    return lost.select("person", "order_id", "object", units=-lost.quantity)


def _taken(bought: ir.Table, back: ir.Table, keys: list[str]) -> ir.Table:
    """Purchases with `net_quantity` less their share of the units that came back under the same keys."""
    returned = back.group_by(keys).agg(back_=-back.quantity.sum())
    rows = bought.left_join(returned, keys).select(*bought.columns, "back_")
    units = rows.net_quantity.sum().over(group_by=keys)
    rows = rows.mutate(units_=units)
    left = rows.net_quantity * ibis.greatest(rows.units_ - rows.back_, 0) / rows.units_.nullif(0)
    kept = ibis.ifelse(rows.back_.isnull(), rows.net_quantity, left.fill_null(0.0))
    return rows.mutate(net_quantity=kept).drop("back_", "units_")
