"""Runs of deployments, and datasets of the lake, for notebooks and scripts.

run = await start("market-prices/weekly", {"codes": ["AAPL.US"]})
run.url
await run.wait()
(await run.tables())["data-quality"]
dataset("prices").filter(code="AAPL.US").collect()
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from logging import getLevelName
from typing import Any
from uuid import UUID

import polars as pl
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import LogSort
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings

from tasks.datasets import CATALOGUE, Dataset
from tasks.errors import ConfigurationError, FatalError, TransientError
from tasks.lake import configured_lake
from tasks.prefect_api.failures import api_failures_told

_SECONDS_BETWEEN_LOOKS = 1.0
_LOOKS_IN_VAIN = 60  # one after the other, before a wait gives up: the server may be starting anew
_PAGE = 200  # of logs, as many as the server gives at once
_LOG = pl.Schema({"time": pl.Datetime("us", "UTC"), "level": pl.String(), "message": pl.String()})
_READABLE = ("published", "curated")  # what a name without a state means


@dataclass(frozen=True)
class Run:
    """A flow run, wherever it executes. Two of the same id are equal, so it can be found again by `find`."""

    id: UUID
    name: str = field(compare=False)
    url: str = field(compare=False)  # in the Prefect UI

    async def state(self) -> State:
        """The run as it is now. Raises FatalError for one that somebody deleted."""
        async with _client() as client:
            try:
                found = await client.read_flow_run(self.id)
            except ObjectNotFound:
                raise FatalError(f"There is no run {self.name} any longer: somebody deleted it.") from None
        if found.state is None:
            raise FatalError(f"The run {self.name} has no state. Look at {self.url}")
        return found.state

    async def wait(self, at_most: timedelta | None = None) -> State:
        """The state in which it ended well. Raises FatalError when it ended otherwise, and TransientError when it has
        not ended in time; it goes on all the same, and can be waited for again."""
        try:
            async with asyncio.timeout(at_most.total_seconds() if at_most else None):
                state = await self._end()
        except TimeoutError:
            state = await self.state()
            raise TransientError(f"The run {self.name} is {state.name} after {at_most}. See {self.url}") from None
        if state.is_completed():
            return state
        raise FatalError(
            f"The run {self.name} ended as {state.name}: {state.message or 'no reason was told'}. What it logged: "
            f"`await run.logs()`, or {self.url}"
        )

    async def tables(self) -> dict[str, pl.DataFrame]:
        """Its table artifacts and its tasks', by their keys."""
        return {key: _frame(json.loads(str(a.data))) for key, a in (await self._artifacts("table")).items()}

    async def texts(self) -> dict[str, str]:
        """Its Markdown artifacts and its tasks', by their keys."""
        return {key: str(a.data) for key, a in (await self._artifacts("markdown")).items()}

    async def logs(self) -> pl.DataFrame:
        """What it and its tasks logged, oldest first: `time` (UTC), `level`, `message`."""
        wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[self.id]))
        lines: list[tuple[datetime, str, str]] = []
        async with _client() as client:
            while page := await client.read_logs(wanted, _PAGE, len(lines), LogSort.TIMESTAMP_ASC):
                lines += [(log.timestamp, getLevelName(log.level), log.message) for log in page]
        return pl.DataFrame(lines, _LOG, orient="row")

    async def _end(self) -> State:
        in_vain = 0
        while True:
            try:
                state, in_vain = await self.state(), 0
                if state.is_final():
                    return state
            except TransientError:
                in_vain += 1
                if in_vain > _LOOKS_IN_VAIN:
                    raise
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def _artifacts(self, kind: str) -> dict[str, Artifact]:
        """The run's artifacts by key; where several have one key, the last of them."""
        async with _client() as client:
            mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[self.id]))
            found = await client.read_artifacts(artifact_filter=mine)
        found.sort(key=lambda a: str(a.created))
        return {a.key or str(a.id): a for a in found if a.type == kind}


async def start(deployment: str, parameters: Mapping[str, Any] | None = None, **job_variables: Any) -> Run:  # noqa: ANN401
    """A new run of a deployment, `FLOW/NAME`, which is not waited for. Job variables are those of its work pool.

    Raises ConfigurationError when there is no such deployment, its flow does not take these parameters, or no Prefect
    API is configured; TransientError when that does not answer."""
    wanted = dict(parameters or {})
    async with _client() as client:
        found = await _deployment(client, deployment)
        known = list((found.parameter_openapi_schema or {}).get("properties", {}))
        if unknown := [name for name in wanted if name not in known]:
            raise ConfigurationError(
                f"{deployment} has no parameter {' nor '.join(unknown)}. It has: {', '.join(known) or 'none'}."
            )
        try:
            run = await arun_deployment(found.id, client, wanted, timeout=0, job_variables=job_variables or None)
        except PrefectHTTPStatusError as error:
            raise ConfigurationError(f"{deployment} was not started. {_reason(error)}") from None
    return _run(run)


async def find(run: UUID | str) -> Run:
    """A run by its id, such as one that was started before the notebook was closed.

    Raises ConfigurationError when there is none."""
    async with _client() as client:
        try:
            return _run(await client.read_flow_run(UUID(str(run))))
        except (ObjectNotFound, ValueError):
            raise ConfigurationError(
                f"There is no run {run}. Its id is the end of its URL in the Prefect UI."
            ) from None


def dataset(name: str) -> pl.LazyFrame:
    """The current rows of a dataset, lazily: `prices`, or with its state, `quarantine/prices`. None yet: no rows.

    Raises ConfigurationError for a name that is not in the catalogue."""
    lake, found = configured_lake(), _dataset(name)
    return lake.read(found, lake.partitions(found))


@asynccontextmanager
async def _client() -> AsyncIterator[PrefectClient]:
    if not get_current_settings().api.url:
        # Prefect would start a server for this process alone, which knows no deployment.
        raise ConfigurationError(
            "PREFECT_API_URL is not set. Set it to your Prefect server's API: `python -m deployments.local` starts "
            "one here, and tells what to set."
        )
    with api_failures_told():
        async with get_client() as client:
            yield client


def _run(run: FlowRun) -> Run:
    settings = get_current_settings()
    return Run(run.id, run.name, f"{settings.ui_url or settings.api.url}/runs/flow-run/{run.id}")


async def _deployment(client: PrefectClient, name: str) -> DeploymentResponse:
    try:
        return await client.read_deployment_by_name(name)
    except (ObjectNotFound, ValueError):  # ValueError: not of the form FLOW/NAME
        flows = {flow.id: flow.name for flow in await client.read_flows()}
        known = sorted(f"{flows.get(d.flow_id, '?')}/{d.name}" for d in await client.read_deployments())
        raise ConfigurationError(f"There is no deployment {name!r}. There are: {', '.join(known) or 'none'}.") from None


def _reason(error: PrefectHTTPStatusError) -> str:
    try:
        return str(error.response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered {error.response.status_code}."


def _dataset(name: str) -> Dataset:
    state, _, short = name.rpartition("/")
    states = [state] if state else _READABLE
    found = [d for wanted in states for d in CATALOGUE if (d.state, d.name) == (wanted, short)]
    if not found:
        known = ", ".join(d.name if d.state in _READABLE else f"{d.state}/{d.name}" for d in CATALOGUE)
        raise ConfigurationError(f"There is no dataset {name!r} in the catalogue. There are: {known}.")
    return found[0]


def _frame(table: Any) -> pl.DataFrame:  # noqa: ANN401 - any of the shapes that Prefect takes
    """A list of rows, as dictionaries or as lists, or a dictionary of columns."""
    return pl.DataFrame(table, infer_schema_length=None, strict=False, orient="row" if _has_lists(table) else None)


def _has_lists(table: Any) -> bool:  # noqa: ANN401
    return isinstance(table, list) and bool(table) and isinstance(table[0], list)
