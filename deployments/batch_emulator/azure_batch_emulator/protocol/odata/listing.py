"""Lists of resources: filtered, trimmed by `$select`, cut into pages joined by `odata.nextLink`."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from itertools import islice
from urllib.parse import quote

from azure_batch_emulator.protocol.call import Call, JsonObject, Listing
from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.odata.predicates import invalid_query, parse_filter
from azure_batch_emulator.protocol.routes import Route
from azure_batch_emulator.protocol.validation.bodies import model_properties
from azure_batch_emulator.protocol.validation.secret_properties import without_secrets

PAGE_SIZE = 1000
_SORTED = frozenset({"pools", "jobs", "jobschedules", "tasks", "nodes"})
"""The service keeps these in the order of their ids."""
_KEYS = ("id", "name", "poolId", "nodeId")


def page(call: Call, route: Route, listing: Listing) -> JsonObject:
    """`value` with up to `maxresults` items and, when there are more, `odata.nextLink`.

    Raises: BatchError for parameters that the service refuses.
    """
    items: Iterable[JsonObject] = listing.items
    if listing.kind in _SORTED:
        items = sorted(items, key=_id)
    if "$filter" in call.query:
        holds = parse_filter(call.query["$filter"], listing.kind)
        items = (item for item in items if holds(item))
    size = page_size(call.query)
    skipped = _skipped(call.query)
    if skipped:
        items = _after(list(items), *skipped)
    chosen = list(islice(items, size + 1))
    body: JsonObject = {"value": [without_secrets(trimmed(call, route, item)) for item in chosen[:size]]}
    if len(chosen) > size:
        position = (skipped[0] if skipped else 0) + size
        body["odata.nextLink"] = _next_link(call, route, position, chosen[size - 1])
    return body


def trimmed(call: Call, route: Route, item: JsonObject) -> JsonObject:
    """What `$select` and `$expand` leave of a resource. Statistics are there only when asked for."""
    names = _selected(call.query, route)
    expanded = _expanded(call.query)
    if names is not None:
        return {name: value for name, value in item.items() if name in names or name in expanded}
    if "stats" in item and "stats" not in expanded:
        return {name: value for name, value in item.items() if name != "stats"}
    return item


def page_size(query: Mapping[str, str]) -> int:
    """`maxresults`, 1 to 1000. Raises: BatchError OutOfRangeQueryParameterValue, InvalidQueryParameterValue."""
    text = query.get("maxresults")
    if text is None:
        return PAGE_SIZE
    if not text.lstrip("-").isdigit():
        raise invalid_query("maxresults", text, "It must be an integer")
    if not 1 <= int(text) <= PAGE_SIZE:
        raise BatchError(
            "OutOfRangeQueryParameterValue",
            values={
                "QueryParameterName": "maxresults",
                "QueryParameterValue": text,
                "MinimumAllowed": "1",
                "MaximumAllowed": str(PAGE_SIZE),
            },
        )
    return int(text)


def _selected(query: Mapping[str, str], route: Route) -> frozenset[str] | None:
    text = query.get("$select")
    if not text or route.model is None:
        return None
    names = frozenset(name.strip() for name in text.split(","))
    unknown = sorted(names - model_properties(route.model))
    if unknown:
        raise invalid_query("$select", text, f"The type '{route.model}' has no property '{unknown[0]}'")
    return names


def _expanded(query: Mapping[str, str]) -> frozenset[str]:
    text = query.get("$expand", "")
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if names - {"stats"}:
        raise invalid_query("$expand", text, "Only 'stats' can be expanded")
    return names


def _next_link(call: Call, route: Route, position: int, last: JsonObject) -> str:
    path = route.path
    for name, value in call.path.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    token = base64.urlsafe_b64encode(f"{position}:{_key(last)}".encode()).decode().rstrip("=")
    kept = [(name, value) for name, value in call.query.items() if name != "$skiptoken"]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in [*kept, ("$skiptoken", token)])
    return f"{call.base_url}{path}?{query}"


def _skipped(query: Mapping[str, str]) -> tuple[int, str] | None:
    token = query.get("$skiptoken")
    if not token:
        return None
    try:
        position, _, key = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().partition(":")
        return int(position), key
    except (ValueError, binascii.Error):
        raise invalid_query("$skiptoken", token, "It was not made by this service") from None


def _after(items: list[JsonObject], position: int, key: str) -> list[JsonObject]:
    # The list may have changed since the last page: its last item is where the next one begins.
    if position <= len(items) and position and _key(items[position - 1]) == key:
        return items[position:]
    for index, item in enumerate(items):
        if _key(item) == key:
            return items[index + 1 :]
    return items[position:]


def _id(item: JsonObject) -> str:
    return str(item["id"]).lower()


def _key(item: JsonObject) -> str:
    return "/".join(str(item[name]) for name in _KEYS if name in item)
