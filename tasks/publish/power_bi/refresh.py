"""Refreshes a semantic model of Power BI: starts, waits, and cancels when the caller is cancelled.

The enhanced refresh of the REST API, which answers at once and tells why a refresh failed:
https://learn.microsoft.com/power-bi/connect-data/asynchronous-refresh
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy, UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from tasks.errors import AuthenticationError, ConfigurationError, EtlError, FatalError, TransientError
from tasks.redaction import redact

_SCOPE = "https://analysis.windows.net/powerbi/api/.default"
_UNDER_WAY = frozenset({"unknown", "notstarted", "inprogress"})
_RUNNING = "refreshinprogress"  # in the code of a refused start
_TIME_TO_CANCEL = 10.0  # seconds that a cancelled caller is held up


@dataclass(frozen=True)
class Model:
    """A semantic model, which the API calls a dataset, and the workspace it is in. Both are GUIDs."""

    workspace: str
    dataset: str

    def __str__(self) -> str:
        return f"semantic model {self.dataset} of workspace {self.workspace}"


@dataclass(frozen=True)
class Waits:
    """Seconds."""

    between_looks: float = 10.0
    at_most: float = 3 * 3600.0


class PowerBi:
    """An asynchronous context manager around one connection. `url`: of the REST API, `https://HOST/v1.0/myorg`."""

    def __init__(self, url: str, credential: AsyncTokenCredential, waits: Waits | None = None) -> None:
        self._waits = waits or Waits()
        self._is_local = url.startswith("http://127.0.0.1:")
        policies = [
            UserAgentPolicy("prefect-on-azure-batch"),
            AsyncRetryPolicy(retry_total=5, retry_backoff_factor=self._waits.between_looks / 20),
            AsyncBearerTokenCredentialPolicy(credential, _SCOPE),
        ]
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            url.rstrip("/"), policies=policies
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def refresh(self, model: Model) -> str:
        """Refreshes the model with what is in its sources now. Returns the id of the refresh.

        One that is under way has read some tables already, so it is waited for first. A caller that is cancelled
        cancels the refresh. Raises FatalError with the service's reason for one that failed, TransientError for one
        that does not end, AuthenticationError, and ConfigurationError for a model that is not there."""
        until = time.monotonic() + self._waits.at_most
        started = await self._start(model, until)
        try:
            await self._await_end(model, started, until)
        except BaseException:
            # What ended the wait is what the caller has to know, not that it could not be cancelled.
            with suppress(EtlError, TimeoutError):
                await asyncio.wait_for(self._cancel(model, started), _TIME_TO_CANCEL)
            raise
        return started

    async def _start(self, model: Model, until: float) -> str:
        while True:
            body = {"type": "full", "commitMode": "transactional", "notifyOption": "NoNotification"}
            response = await self._send("POST", _path(model), body)
            if response.status_code == 202:
                return response.headers.get("x-ms-request-id") or response.headers["location"].rpartition("/")[2]
            if _RUNNING not in _code(response).lower():
                raise _refusal(model, response)
            await self._pause(model, until)

    async def _await_end(self, model: Model, refresh: str, until: float) -> None:
        while True:
            response = await self._send("GET", f"{_path(model)}/{refresh}")
            if response.status_code not in (200, 202):
                raise _refusal(model, response)
            found = response.json()
            status = str(found.get("extendedStatus") or found.get("status"))
            if status.lower() == "completed":
                return
            if status.lower() not in _UNDER_WAY:
                raise FatalError(f"Power BI failed to refresh the {model}: {status}. {_reason(found)}")
            await self._pause(model, until)

    async def _cancel(self, model: Model, refresh: str) -> None:
        """Asks for its end. The service refuses where a refresh has ended already: that is well."""
        await self._send("DELETE", f"{_path(model)}/{refresh}")

    async def _pause(self, model: Model, until: float) -> None:
        if time.monotonic() > until:
            raise TransientError(
                f"Power BI has not ended its refresh of the {model} within {self._waits.at_most:.0f} s. Look at the "
                "refresh history of the model; a refresh that this run began was cancelled."
            )
        await asyncio.sleep(self._waits.between_looks)

    async def _send(self, method: str, path: str, body: Mapping[str, str] | None = None) -> AsyncHttpResponse:
        try:
            request = HttpRequest(method, self._client.format_url(path), json=body)
            # A token goes over plain HTTP to this machine alone.
            response = await self._client.send_request(request, enforce_https=not self._is_local)
        except ClientAuthenticationError as error:
            raise AuthenticationError(
                f"No access token for Power BI could be had: {_first_line(error)} Give this machine a managed "
                "identity, or set ETL_POWER_BI_TENANT_ID, ETL_POWER_BI_CLIENT_ID and ETL_POWER_BI_CLIENT_SECRET."
            ) from None
        except AzureError as error:
            raise TransientError(f"Power BI could not be reached: {_first_line(error)}") from None
        return response


def _path(model: Model) -> str:
    return f"/groups/{model.workspace}/datasets/{model.dataset}/refreshes"


def _refusal(model: Model, response: AsyncHttpResponse) -> EtlError:
    said = redact(f"{response.status_code} {_code(response)} {_message(response)}".strip())
    if response.status_code in (401, 403):
        return AuthenticationError(
            f"Power BI refused the {model}: {said}. Make the identity a contributor of the workspace, and let the "
            "tenant's setting 'Service principals can call Fabric public APIs' include it."
        )
    if response.status_code == 404:
        return ConfigurationError(
            f"Power BI has no {model}: {said}. Check ETL_POWER_BI_WORKSPACE and ETL_POWER_BI_DATASET, which are in the "
            "address of the model's page."
        )
    if response.status_code == 429 or response.status_code >= 500:
        return TransientError(f"Power BI did not start to refresh the {model}: {said}. Try again later.")
    return FatalError(f"Power BI refused to refresh the {model}: {said}.")


def _code(response: AsyncHttpResponse) -> str:
    return str(_error(response).get("code", ""))


def _message(response: AsyncHttpResponse) -> str:
    return str(_error(response).get("message", ""))[:500]


def _error(response: AsyncHttpResponse) -> Mapping[str, Any]:
    try:
        error = response.json().get("error", {})
    except (ValueError, AttributeError):
        return {"message": redact(" ".join(response.text().split()))}
    return error if isinstance(error, Mapping) else {}


def _reason(found: Mapping[str, Any]) -> str:
    """The messages of a refresh that failed, without repeats."""
    said = [f"{m.get('code', '')} {m.get('message', '')}".strip() for m in found.get("messages") or ()]
    text = "; ".join(dict.fromkeys(said)) or str(found.get("serviceExceptionJson") or "The service gives no reason.")
    return redact(text)[:2000]


def _first_line(error: Exception) -> str:
    return (redact(str(error)).splitlines() or [type(error).__name__])[0]
