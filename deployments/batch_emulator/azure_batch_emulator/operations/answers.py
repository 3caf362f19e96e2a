"""Answers that many operations give alike."""

from datetime import datetime

from azure_batch_emulator.engine.state import State
from azure_batch_emulator.protocol.call import JsonObject, Reply
from azure_batch_emulator.protocol.times import moment


def shown(resource: JsonObject) -> Reply:
    """The resource itself."""
    return Reply(body=resource, etag=resource.get("eTag"), last_modified=_modified(resource))


def done(resource: JsonObject) -> Reply:
    """No body: that it was changed, and its new ETag."""
    return Reply(etag=resource["eTag"], last_modified=_modified(resource))


def touched(account: State, resource: JsonObject) -> Reply:
    """The same, for who has changed the resource: the ETag is new."""
    account.touch(resource)
    return done(resource)


def _modified(resource: JsonObject) -> datetime | None:
    return moment(resource["lastModified"]) if "lastModified" in resource else None
