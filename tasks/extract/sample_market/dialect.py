"""How this source words its refusals, where the documents of the vendor disagree."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from html import escape
from http import HTTPStatus
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field


class Dialect(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    error_body: Literal["json", "short_json", "html"] = Field(default="json", description="What an error's body is.")
    bad_token: Literal[401, 403] = Field(default=401, description="The status for a token that is not known.")
    retry_after: Literal["seconds", "date", "none"] = Field(default="seconds", description="How a 429 says when.")

    def error(self, status: int, message: str) -> tuple[bytes, str]:
        """Body and media type."""
        phrase = HTTPStatus(status).phrase
        if self.error_body == "json":
            return msgspec.json.encode({"status": status, "error": phrase, "message": message}), JSON
        if self.error_body == "short_json":
            return msgspec.json.encode({"error": message, "code": status}), JSON
        return html_page(f"{status} {phrase}", message), HTML

    def retry_after_header(self, seconds: int, now: datetime) -> dict[str, str]:
        if self.retry_after == "none":
            return {}
        moment = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
        return {"Retry-After": str(seconds) if self.retry_after == "seconds" else moment}


JSON = "application/json"
HTML = "text/html; charset=UTF-8"
CSV = "text/csv; charset=UTF-8"


def html_page(title: str, text: str) -> bytes:
    head = f"<html><head><title>{title}</title></head>"
    return f"{head}<body><center><h1>{title}</h1></center><p>{escape(text)}</p></body></html>".encode()
