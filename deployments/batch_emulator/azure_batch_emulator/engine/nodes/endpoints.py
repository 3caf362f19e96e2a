"""Through which ports of the pool's address a node is reached: the pool's own NAT pools, then the one for logins."""

from collections.abc import Iterator

from azure_batch_emulator.engine.tasks.launches import is_windows
from azure_batch_emulator.protocol.call import JsonObject

_LOGIN_PORT = 50000


def endpoints(pool: JsonObject, number: int) -> list[JsonObject]:
    """The inbound endpoints of the pool's node of this number; nothing listens there."""
    configured = (pool.get("networkConfiguration") or {}).get("endpointConfiguration") or {}
    return list(_endpoints(configured.get("inboundNATPools") or [], pool, number))


def has_ipv6(pool: JsonObject) -> bool:
    addresses = (pool.get("networkConfiguration") or {}).get("publicIPAddressConfiguration") or {}
    return "ipv6" in [family.lower() for family in addresses.get("ipFamilies") or []]


def _endpoints(pools: list[JsonObject], pool: JsonObject, number: int) -> Iterator[JsonObject]:
    for each in pools:
        port = each["frontendPortRangeStart"] + number
        yield _endpoint(f"{each['name']}.{number}", each["protocol"], port, each["backendPort"])
    yield _endpoint(f"SSHRule.{number}", "tcp", _LOGIN_PORT + number, 3389 if is_windows(pool) else 22)


def _endpoint(name: str, protocol: str, frontend: int, backend: int) -> JsonObject:
    return {
        "name": name,
        "protocol": protocol,
        "publicIPAddress": "127.0.0.1",
        "publicFQDN": "localhost",
        "frontendPort": frontend,
        "backendPort": backend,
    }
