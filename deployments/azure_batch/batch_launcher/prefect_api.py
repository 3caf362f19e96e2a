"""A flow run, as Prefect's REST API tells it: https://docs.prefect.io/v3/api-ref/rest-api"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import httpx

from batch_launcher.api_calls import ApiCalls
from batch_launcher.attempts import present_attempt

_WARNING = 30  # the level of a log


@dataclass(frozen=True)
class FlowRun:
    """`since` is when it came into its state and `now` when this was read, both by the server's clock: a node's may be
    wrong. `retries_in_process`: the process that executes it waits for its next try. `suspended`: nothing executes it,
    and when it is resumed a worker submits it again."""

    state_type: str
    state_name: str
    since: datetime
    now: datetime
    retries_in_process: bool
    suspended: bool
    labels: Mapping[str, Any]


class FlowRunApi:
    """Whatever is asked may raise Refusal with API_UNAVAILABLE or API_REFUSED."""

    def __init__(self, calls: ApiCalls, flow_run_id: UUID) -> None:
        self._calls = calls
        self._id = str(flow_run_id)

    def read(self) -> FlowRun:
        answer = self._calls.ask("GET", f"/flow_runs/{self._id}")
        found = answer.json()
        state = found["state"] or {"type": "PENDING", "name": "Pending", "timestamp": found["created"]}
        return FlowRun(
            state_type=state["type"],
            state_name=state["name"],
            since=datetime.fromisoformat(state["timestamp"]),
            now=_server_time(answer),
            retries_in_process=(found.get("empirical_policy") or {}).get("retry_type") == "in_process",
            suspended=bool((state.get("state_details") or {}).get("pause_reschedule")),
            labels=found.get("labels") or {},
        )

    def present_attempt(self) -> int:
        states = self._calls.ask("GET", f"/flow_run_states/?flow_run_id={self._id}").json()
        return present_attempt((state["type"], state["name"]) for state in states)

    def last_heartbeat(self) -> datetime | None:
        """When the server received it."""
        wanted = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{self._id}"]},
            "order": "DESC",
        }
        events = self._calls.ask("POST", "/events/filter", {"filter": wanted, "limit": 1}).json()["events"]
        return datetime.fromisoformat(events[0]["received"]) if events else None

    def set_state(self, state_type: str, message: str) -> None:
        state = {"type": state_type, "name": state_type.title(), "message": message}
        self._calls.ask("POST", f"/flow_runs/{self._id}/set_state", {"state": state})

    def set_label(self, name: str, value: str) -> None:
        self._calls.ask("PATCH", f"/flow_runs/{self._id}/labels", {name: value})

    def log(self, message: str) -> None:
        line = {"name": "batch-launcher", "level": _WARNING, "message": message, "flow_run_id": self._id}
        self._calls.ask("POST", "/logs/", [line | {"timestamp": datetime.now(UTC).isoformat()}])


def _server_time(answer: httpx.Response) -> datetime:
    date = answer.headers.get("Date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
