"""Conditional requests: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from azure_batch_emulator.protocol.errors import BatchError

CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def is_conditional(headers: Mapping[str, str]) -> bool:
    """Whether a request carries any condition."""
    return any(headers.get(name) for name in CONDITIONS)


def check_conditions(headers: Mapping[str, str], etag: str | None, modified: datetime | None, *, reading: bool) -> None:
    """Raises: BatchError ConditionNotMet with 304 (an unchanged resource is read) or 412 (any other)."""
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted and not _names(wanted, etag):
        raise BatchError("ConditionNotMet")
    unmodified_since = _moment(headers, "if-unmodified-since")
    if unmodified_since and modified and modified.replace(microsecond=0) > unmodified_since:
        raise BatchError("ConditionNotMet")
    modified_since = _moment(headers, "if-modified-since")
    unchanged = modified_since and modified and modified.replace(microsecond=0) <= modified_since
    if (unwanted and _names(unwanted, etag)) or unchanged:
        raise BatchError("ConditionNotMet", status=304 if reading else 412)


def _names(header: str, etag: str | None) -> bool:
    # The SDK quotes entity tags, the service does not: both are the same tag.
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return etag is not None and ("*" in tags or etag.strip('"') in tags)


def _moment(headers: Mapping[str, str], name: str) -> datetime | None:
    text = headers.get(name)
    if not text:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise BatchError("InvalidHeaderValue", values={"HeaderName": name, "HeaderValue": text}) from None
