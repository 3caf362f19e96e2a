"""The SDK signs, the emulator verifies; whatever is changed afterwards is refused."""

import base64
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from azure.batch._patch import BatchSharedKeyAuthPolicy
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest

from azure_batch_emulator.protocol.authentication import (
    Authentication,
    SignedRequest,
    accept_any,
    accept_audience,
    refuse_all,
)
from azure_batch_emulator.protocol.errors import BatchError

KEY = base64.b64encode(b"a key for the tests").decode()
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACCOUNT = Authentication("tests", KEY, refuse_all)
REQUESTS = [
    ("GET", "/pools?api-version=2025-06-01&$filter=startswith(id,'a b')&$select=id,state", None),
    ("GET", "/jobs/j/tasks?api-version=2025-06-01&maxresults=3&$skiptoken=", None),
    ("POST", "/jobs?timeOut=30&api-version=2025-06-01", {"id": "j"}),
    ("POST", "/pools/p/stopresize?api-version=2025-06-01", None),
    ("DELETE", "/jobs/j/tasks/t/files/wd%2Fa.txt?api-version=2025-06-01&recursive=true", None),
]


def signed_by_the_sdk(method: str, url: str, body: object, *, key: str = KEY, moment: datetime = NOW) -> SignedRequest:
    request = HttpRequest(method, f"http://127.0.0.1:1{url}", json=body)
    request.headers["ocp-date"] = format_datetime(moment, usegmt=True)
    request.headers["If-Match"] = '"0x1"'
    policy = BatchSharedKeyAuthPolicy(AzureNamedKeyCredential("tests", key))
    policy.on_request(PipelineRequest(request, PipelineContext(None)))
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest(method, parts.path, tuple(parse_qsl(parts.query, keep_blank_values=True)), headers)


def refusal(account: Authentication, request: SignedRequest, now: datetime = NOW) -> str:
    with pytest.raises(BatchError) as caught:
        account.verify(request, now)
    assert (caught.value.code, caught.value.status) == ("AuthenticationFailed", 403)
    return caught.value.values["AuthenticationErrorDetail"]


@pytest.mark.parametrize(("method", "url", "body"), REQUESTS)
def test_what_the_sdk_signs_is_accepted(method, url, body) -> None:
    ACCOUNT.verify(signed_by_the_sdk(method, url, body), NOW)


@pytest.mark.parametrize("change", ["method", "path", "query", "if-match", "ocp-date", "content-type"])
def test_a_changed_request_is_refused(change) -> None:
    request = signed_by_the_sdk("POST", "/jobs?api-version=2025-06-01", {"id": "j"})
    changed = {
        "method": dataclasses.replace(request, method="PUT"),
        "path": dataclasses.replace(request, raw_path="/pools"),
        "query": dataclasses.replace(request, query=(*request.query, ("timeOut", "5"))),
        "if-match": dataclasses.replace(request, headers={**request.headers, "if-match": "*"}),
        "ocp-date": dataclasses.replace(
            request, headers={**request.headers, "ocp-date": format_datetime(NOW + timedelta(seconds=1), usegmt=True)}
        ),
        "content-type": dataclasses.replace(request, headers={**request.headers, "content-type": "text/plain"}),
    }[change]
    assert "MAC signature" in refusal(ACCOUNT, changed)


def test_another_key_and_another_account_are_refused() -> None:
    other = base64.b64encode(b"another key").decode()
    assert "MAC signature" in refusal(ACCOUNT, signed_by_the_sdk("GET", "/pools?api-version=1", None, key=other))
    elsewhere = Authentication("elsewhere", KEY, refuse_all)
    assert "'tests'" in refusal(elsewhere, signed_by_the_sdk("GET", "/pools?api-version=1", None))


@pytest.mark.parametrize("age", [timedelta(minutes=16), -timedelta(minutes=16)])
def test_a_date_too_far_from_now_is_refused(age) -> None:
    request = signed_by_the_sdk("GET", "/pools?api-version=1", None, moment=NOW - age)
    assert "15 minutes" in refusal(ACCOUNT, request)


def test_an_account_may_refuse_shared_keys() -> None:
    account = Authentication("tests", None, accept_any)
    detail = refusal(account, signed_by_the_sdk("GET", "/pools?api-version=1", None))
    assert detail == "The specified type of authentication SharedKey is not allowed for this account."


def test_no_header_and_no_known_scheme_are_refused() -> None:
    assert "missing" in refusal(ACCOUNT, SignedRequest("GET", "/pools", (), {}))
    assert "missing" in refusal(ACCOUNT, SignedRequest("GET", "/pools", (), {"authorization": "Basic eDp5"}))


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"aud": "https://batch.core.windows.net/", "exp": NOW.timestamp() + 60}, None),
        ({"aud": "https://batch.core.windows.net", "exp": NOW.timestamp() + 60}, "wrong audience"),
        ({"aud": "https://batch.core.windows.net/", "exp": NOW.timestamp() - 60}, "expiry"),
        ({"aud": "https://batch.core.windows.net/"}, "expiry"),
        ("not json", "not a JSON Web Token"),
    ],
)
def test_bearer_tokens_are_checked_by_audience_and_expiry(claims, problem) -> None:
    text = claims if isinstance(claims, str) else json.dumps(claims)
    token = f"e30.{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}.sig"
    account = Authentication("tests", KEY, accept_audience)
    request = SignedRequest("GET", "/pools", (), {"authorization": f"Bearer {token}"})
    if problem is None:
        account.verify(request, NOW)
    else:
        assert problem in refusal(account, request)
