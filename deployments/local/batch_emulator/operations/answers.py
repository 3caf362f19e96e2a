"""Answers that many operations give alike."""

from datetime import datetime

from deployments.local.batch_emulator.call import JsonObject, Reply
from deployments.local.batch_emulator.errors import BatchError
from deployments.local.batch_emulator.times import moment


def shown(resource: JsonObject) -> Reply:
    """The resource itself."""
    return Reply(body=resource, etag=resource.get("eTag"), last_modified=_modified(resource))


def done(resource: JsonObject) -> Reply:
    """No body: that it was changed, and its new ETag."""
    return Reply(etag=resource["eTag"], last_modified=_modified(resource))


def refused(name: str, value: object, reason: str) -> BatchError:
    """A property whose value does not fit the rest of the request or the resource."""
    return BatchError(
        "InvalidPropertyValue", values={"PropertyName": name, "PropertyValue": str(value), "Reason": reason}
    )


def _modified(resource: JsonObject) -> datetime | None:
    return moment(resource["lastModified"]) if "lastModified" in resource else None
