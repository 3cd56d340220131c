"""Can the storefront's key, which every visitor holds, read an index that visitors must not see?

Asks with that key itself, since Algolia alone knows what it allows. Must not decide what follows from the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from algosync.algolia.client import ReadClient
from algosync.algolia.target import Target
from algosync.errors import AlgoliaError


@dataclass(frozen=True, slots=True, kw_only=True)
class StorefrontAccess:
    """What the storefront's key may do on an index.

    Attributes:
        verdict: "denied" is the only safe one; "unknown" means that the key proved nothing.
        reason: Why, for people.
    """

    verdict: Literal["denied", "allowed", "unknown"]
    reason: str


def storefront_can_read(target: Target, api_key: str, index: str, product_index: str | None = None) -> StorefrontAccess:
    """Try a search on `index` with the storefront's key.

    Args:
        target: Application and hosts.
        api_key: The key that the storefront's pages hold.
        index: The index that visitors must not see.
        product_index: An index that the storefront does search. A key that is refused there too is mistyped, or is
            bound to the shop's web address, and its refusal elsewhere proves nothing.

    Raises:
        AlgoliaUnavailableError: No answer.
        AlgoliaError: Neither allowed nor denied.
    """
    with ReadClient(target, api_key) as client:
        if _may_search(client, index):
            return StorefrontAccess(verdict="allowed", reason=f"the storefront's key can search {index!r}")
        if product_index is not None and not _may_search(client, product_index):
            return StorefrontAccess(
                verdict="unknown",
                reason=f"the storefront's key is refused on {product_index!r} too, so it is not the key in use,"
                " or works only from the shop's own pages",
            )
    return StorefrontAccess(verdict="denied", reason=f"the storefront's key is refused on {index!r}")


def _may_search(client: ReadClient, index: str) -> bool:
    try:
        client.search(index, {"query": "", "hitsPerPage": 0})
    except AlgoliaError as error:
        if error.status == 404:  # the key was accepted, the index is yet to come
            return True
        if error.status in (401, 403):
            return False
        raise
    return True
