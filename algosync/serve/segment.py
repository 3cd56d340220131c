"""Segment's webhook: track calls of its e-commerce specification become events of Insights.

Only what Segment signed is read. Calls that say nothing of products are counted and answered 200, so that Segment does
not send them again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from algosync.errors import AlgosyncError
from algosync.events.insights import BODY_MAX, CONSENTS, VIA, Event, Refusal, check
from algosync.events.transforms import safe
from algosync.serve.collect import insights_answer, read_body, refusal_of, unbounded
from algosync.stores.inbox import Inbox

_OBJECTS_MAX: Final = 20
_TRACKED: Final = {
    "product viewed": ("view", None),
    "product clicked": ("click", None),
    "product added": ("conversion", "addToCart"),
    "order completed": ("conversion", "purchase"),
    "product list viewed": ("view", None),
}
_LIST: Final = "product list viewed"
_UNSEEN: Final = re.compile(r"[^\x20-\x7e]")
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What Segment's calls leave open.

    Attributes:
        secret: By which Segment signs.
        index: The index that the events are counted for.
        list_facet: The attribute whose value a product list names by its category; None leaves lists out.
    """

    secret: str = field(repr=False)
    index: str
    list_facet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What the handler works with.

    Attributes:
        segment: How to read the calls.
        inbox: Where the events go.
        now: The clock.
        counts: How many calls became events, and how many of which kind did not.
        room: Asks for room for so many events at a moment; raises RequestError where there is none.
    """

    segment: Segment
    inbox: Inbox
    now: Callable[[], datetime]
    counts: Counter[str] = field(default_factory=Counter)
    room: Callable[[int, datetime], None] = unbounded


def routes(webhook: Webhook) -> list[Route]:
    """The route of the webhook."""

    async def serve(request: Request) -> Response:
        return await post_segment(webhook, request)

    return [Route("/v1/segment", serve, methods=["POST"])]


async def post_segment(webhook: Webhook, request: Request) -> Response:
    """POST /v1/segment: one call, or several as a list or as `{"batch": […]}`."""
    try:
        body = await read_body(request, BODY_MAX)
        if not is_signed(body, request.headers.get("x-signature", ""), webhook.segment.secret):
            return insights_answer(401, "Invalid signature")
        try:
            calls = _calls(orjson.loads(body))
        except orjson.JSONDecodeError:
            return insights_answer(400, "Invalid payload")
        now = webhook.now()
        events = [event for call in calls for event in _events(webhook, call, now)]
        if events:
            await run_in_threadpool(_take, webhook, events, now)
    except AlgosyncError as error:
        return refusal_of(error)
    return insights_answer(200, "OK")


def _take(webhook: Webhook, events: list[Event], now: datetime) -> None:
    webhook.room(len(events), now)
    webhook.inbox.append(events, now)


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether a signature is the HMAC-SHA1 of a body, in hexadecimal digits; compared in constant time."""
    made = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    return hmac.compare_digest(made.encode(), signature.strip().lower().encode())


def events_of(call: Mapping[str, Any], segment: Segment) -> list[Event]:
    """The events of a call, not judged yet; none where it is no track call about products, or lacks what is needed."""
    name = call.get("event")
    if call.get("type") != "track" or not isinstance(name, str) or name.strip().lower() not in _TRACKED:
        return []
    folded = name.strip().lower()
    said = call.get("properties")
    properties: Mapping[str, Any] = said if isinstance(said, dict) else {}
    common = _common(call, folded, name, segment)
    if common is None:
        return []
    if folded == _LIST:
        return _list_viewed(common, properties, segment)
    goods = [item for item in _goods(properties) if _id(item)]
    return list(_parts(common, goods, properties))


def _events(webhook: Webhook, call: Mapping[str, Any], now: datetime) -> list[Event]:
    made = events_of(call, webhook.segment)
    found = check({"events": made}, int(now.timestamp() * 1000)) if made else []
    if isinstance(found, Refusal):
        webhook.counts["refused"] += 1
        _logger.warning("a call of Segment's is no good event", reason=found.message)
        return []
    webhook.counts["taken" if found else "left out"] += 1
    return [{**event, VIA: "segment"} for event in found]


def _calls(content: Any) -> list[Mapping[str, Any]]:
    batch = content.get("batch", [content]) if isinstance(content, dict) else content
    return [call for call in batch if isinstance(call, dict)] if isinstance(batch, list) else []


def _common(call: Mapping[str, Any], folded: str, name: str, segment: Segment) -> Event | None:
    """What every event of a call has; None where nobody is named."""
    anonymous, user = (_text(call.get(field_)) for field_ in ("anonymousId", "userId"))
    token = anonymous or user
    if token is None:
        return None
    kind, subtype = _TRACKED[folded]
    made = {
        "eventType": kind,
        "eventSubtype": subtype,
        "eventName": _UNSEEN.sub("?", name.strip())[:64],
        "index": segment.index,
        "userToken": safe(token),
        "authenticatedUserToken": None if user is None else safe(user),
        "timestamp": _millis(call.get("timestamp")),
        "eventID": _digest(call.get("messageId")),
        "consent": _consent(call),
    }
    return {key: value for key, value in made.items() if value is not None}


def _list_viewed(common: Event, properties: Mapping[str, Any], segment: Segment) -> list[Event]:
    category = _text(properties.get("category"))
    if segment.list_facet is None or category is None:
        return []
    return [{**common, "filters": [f"{segment.list_facet}:{quote(category, safe='')}"]}]


def _goods(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    products = properties.get("products")
    if isinstance(products, list):
        return [item for item in products if isinstance(item, dict)]
    return [properties]


def _parts(common: Event, goods: list[Mapping[str, Any]], properties: Mapping[str, Any]) -> Iterator[Event]:
    """Events of at most as many products as one may have; an order's parts keep its id."""
    order = _text(properties.get("order_id"))
    for start in range(0, len(goods), _OBJECTS_MAX):
        part = goods[start : start + _OBJECTS_MAX]
        event = {**common, "objectIDs": [_id(item) for item in part]}
        if start and "eventID" in common:
            event["eventID"] = f"{common['eventID']}-{start}"
        if order is not None and common.get("eventSubtype") == "purchase":
            event["orderID"] = order[:128]
        yield {**event, **_money(common, part, properties)}


def _money(common: Event, part: list[Mapping[str, Any]], properties: Mapping[str, Any]) -> Event:
    """Prices and quantities, where Insights takes them: in conversions, and prices with a currency."""
    if common["eventType"] != "conversion":
        return {}
    currency = properties.get("currency")
    known = isinstance(currency, str) and re.fullmatch("[A-Za-z]{3}", currency) is not None
    data = [_good(item, priced=known) for item in part]
    if not any(data):
        return {}
    return {"objectData": data, **({"currency": currency} if known else {})}


def _good(item: Mapping[str, Any], *, priced: bool) -> Event:
    price, quantity = _number(item.get("price")), _number(item.get("quantity"))
    made: Event = {"price": price} if priced and price is not None else {}
    if quantity is not None and quantity == int(quantity):
        made["quantity"] = int(quantity)
    return made


def _id(item: Mapping[str, Any]) -> str | None:
    return _text(item.get("product_id")) or _text(item.get("sku"))


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None


def _millis(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return int(moment.timestamp() * 1000) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _digest(message_id: Any) -> str | None:
    text = _text(message_id)
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:32]


def _consent(call: Mapping[str, Any]) -> str | None:
    """What the shop says of consent in the call's context, in our words."""
    context = call.get("context")
    said = context.get("algosync_consent") if isinstance(context, dict) else None
    return said if said in CONSENTS else None
