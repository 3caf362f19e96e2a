"""Calls of Prefect's REST API that outlast a server which restarts or is busy.

With httpx alone: Prefect's own client takes a second to import, on every node for every task.
"""

import base64
import json
import ssl
import sys
import time
import uuid
from collections.abc import Callable, Mapping

import httpx

from batch_launcher.exit_codes import ExitCode, Refusal

_LONGEST_WAIT = 15.0  # seconds between tries
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


def connect(environment: Mapping[str, str]) -> httpx.Client:
    """A client with the credentials and certificates that Prefect takes from the same variables.

    Raises Refusal with CONFIGURATION."""
    url = environment.get("PREFECT_API_URL", "").rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Refusal(
            ExitCode.CONFIGURATION,
            f"PREFECT_API_URL is '{url}', and Prefect cannot be asked about the flow run. Set it to the address of the "
            "API, such as http://HOST:4200/api, in the environment of the worker or the work pool.",
        )
    try:
        headers = json.loads(environment.get("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}")
        return httpx.Client(base_url=url, headers=headers | _authorization(environment), verify=_trust(environment))
    except (ValueError, TypeError, OSError) as error:
        raise Refusal(
            ExitCode.CONFIGURATION,
            f"PREFECT_CLIENT_CUSTOM_HEADERS or PREFECT_API_SSL_CERT_FILE makes no sense: {type(error).__name__}. The "
            "first is a JSON object of strings, the second the path of a PEM file in the image.",
        ) from None


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    if login := environment.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    if key := environment.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    return {}


def _trust(environment: Mapping[str, str]) -> ssl.SSLContext | bool:
    if environment.get("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "").lower() in ("1", "true", "yes", "on"):
        return False
    if file := environment.get("PREFECT_API_SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    return True


class ApiCalls:
    def __init__(
        self,
        client: httpx.Client,
        patience: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience`: seconds for which an API that cannot be reached is asked again."""
        self._client = client
        self._patience = patience
        self._sleep = sleep
        self._clock = clock

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """A successful answer. Raises Refusal with API_UNAVAILABLE or API_REFUSED."""
        deadline = self._clock() + self._patience
        wait = 0.5
        while True:
            answer, wish = self._try(method, path, body)
            if isinstance(answer, httpx.Response):
                return answer
            wait = min(wait * 2, _LONGEST_WAIT)
            pause = max(wait, wish)
            if self._clock() + pause > deadline:
                raise Refusal(
                    ExitCode.API_UNAVAILABLE,
                    f"Prefect's API at {self._client.base_url} could not be reached for {self._patience:g} seconds: "
                    f"{answer}. Check PREFECT_API_URL and the node's network; AZURE_BATCH_API_PATIENCE is the seconds.",
                )
            sys.stderr.write(f"batch-launcher: Prefect's API: {answer}; asked again in {pause:g} seconds\n")
            self._sleep(pause)

    def _try(self, method: str, path: str, body: object) -> tuple[httpx.Response | str, float]:
        """The answer; or why there is none, and for how many seconds the server wants to be left alone."""
        try:
            answer = self._client.request(method, path, json=body)
            if answer.status_code == 403 and "CSRF" in answer.text and self._fetch_csrf_token():
                answer = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            return f"{type(error).__name__}: {error}", 0.0
        if answer.status_code in _BUSY:
            wish = answer.headers.get("Retry-After", "")
            return f"status {answer.status_code}", float(wish) if wish.isdigit() else 0.0
        if not answer.is_success:
            raise Refusal(ExitCode.API_REFUSED, _refused(method, answer))
        return answer, 0.0

    def _fetch_csrf_token(self) -> bool:
        name = str(uuid.uuid4())
        answer = self._client.get("/csrf-token", params={"client": name})
        if answer.is_success:
            self._client.headers.update({"Prefect-Csrf-Token": answer.json()["token"], "Prefect-Csrf-Client": name})
        return answer.is_success


def _refused(method: str, answer: httpx.Response) -> str:
    what = f"Prefect's API refused {method} {answer.request.url} with status {answer.status_code}."
    if answer.status_code in (401, 403):
        return f"{what} Give PREFECT_API_KEY or PREFECT_API_AUTH_STRING that it accepts, among the pool's `secrets`."
    if answer.status_code == 404:
        return f"{what} The flow run was deleted, or PREFECT_API_URL is of another server or workspace."
    return f"{what} Is the server's release one that the image's Prefect can talk to?"
