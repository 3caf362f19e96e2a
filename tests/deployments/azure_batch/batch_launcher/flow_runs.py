"""Flow runs on a real server, brought into the states in which the launcher may find them."""

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.servers.patient import Patient


class FlowRuns:
    def __init__(self, api: str, auth: tuple[str, str] | None = None) -> None:
        self.api = api
        self._client = httpx.Client(base_url=api, auth=auth, timeout=60, transport=Patient())
        token = self._client.get("/csrf-token", params={"client": "tests"})
        if token.is_success:  # else the server has no such protection
            self._client.headers.update({"Prefect-Csrf-Token": token.json()["token"], "Prefect-Csrf-Client": "tests"})
        self._flow = self.post("/flows/", {"name": "requeued"})["id"]

    def create(self, state: str, **state_details: Any) -> str:
        """The id of a run that came into this state without any worker."""
        run = str(self.post("/flow_runs/", {"flow_id": self._flow, "name": f"r-{uuid.uuid4()}"})["id"])
        wanted = {"type": state, "name": state.title(), "state_details": state_details}
        self.post(f"/flow_runs/{run}/set_state", {"state": wanted, "force": True})
        return run

    def read(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get(f"/flow_runs/{run}").raise_for_status().json()
        return found

    def state(self, run: str) -> tuple[str, str]:
        state = self.read(run)["state"]
        return state["type"], state["message"]

    def set_state(self, run: str, state: str) -> None:
        self.post(f"/flow_runs/{run}/set_state", {"state": {"type": state, "name": state.title()}, "force": True})

    def set_retries(self, run: str, retries: int, delay_seconds: int) -> None:
        policy = {"retries": retries, "retry_delay": delay_seconds}
        self._client.patch(f"/flow_runs/{run}", json={"empirical_policy": policy}).raise_for_status()

    def label(self, run: str, **labels: str) -> None:
        wanted = {name.replace("__", ".").replace("_", "-"): value for name, value in labels.items()}
        self._client.patch(f"/flow_runs/{run}/labels", json=wanted).raise_for_status()

    def heartbeat(self, run: str) -> None:
        """What the process that executes the run sends."""
        event = {
            "occurred": datetime.now(UTC).isoformat(),
            "event": "prefect.flow-run.heartbeat",
            "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
            "id": str(uuid.uuid4()),
        }
        self._client.post("/events", json=[event]).raise_for_status()

    def logs(self, run: str) -> list[str]:
        return [log["message"] for log in self.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})]

    def post(self, path: str, body: object) -> Any:
        return self._client.post(path, json=body).raise_for_status().json()
