"""`@azure_batch(work_pool=...)` on a flow: calling the flow, from a script or a notebook, runs it on a node."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from prefect.flows import Flow, InfrastructureBoundFlow, bind_flow_to_infrastructure

if TYPE_CHECKING:
    from prefect.bundles import BundleLauncher

    from prefect_azure_batch.worker import AzureBatchWorker

P = ParamSpec("P")
R = TypeVar("R")


def azure_batch(
    work_pool: str,
    include_files: Sequence[str] | None = None,
    launcher: "BundleLauncher | None" = None,
    *,
    include_files_base_dir: Path | str | None = None,
    **job_variables: Any,  # noqa: ANN401 - checked by the configuration
) -> Callable[[Flow[P, R]], InfrastructureBoundFlow[P, R]]:
    """Binds a flow to a work pool of the type `azure-batch`, whose storage has been configured for it
    (`prefect-azure-batch storage`).

    Calling the flow waits for its result; `.submit()` gives the task to Azure Batch from here and returns a future;
    `.submit_to_work_pool()` leaves that to a worker of the pool, so that no access to the Batch account is needed here.

    The flow travels as a bundle. It is unpacked by the `python` of the image, or of the node, which has to be of the
    same minor version as this one and has to have what the flow imports; modules beside the script travel with it.
    `launcher` changes that: `{"execution": [...]}`, `{"upload": [...]}`, or a list for both.
    `include_files` are patterns, relative to the flow's file or to `include_files_base_dir`, of files that travel too.
    """
    _check(include_files)

    def bind(flow: Flow[P, R]) -> InfrastructureBoundFlow[P, R]:
        return bind_flow_to_infrastructure(
            flow,
            work_pool=work_pool,
            worker_cls=cast("type[AzureBatchWorker]", _worker),
            job_variables=dict(job_variables),
            # Prefect's own default, `uv run`, would install everything anew here and on the node.
            launcher=launcher or {"upload": [sys.executable], "execution": ["python"]},
            include_files=include_files,
            include_files_base_dir=include_files_base_dir,
        )

    return bind


def _worker(**options: Any) -> "AzureBatchWorker":  # noqa: ANN401
    """In the place of the worker's class, which would travel with the flow: the nodes need not have this package, and
    where Prefect takes it for the user's own code (an editable installation), the class would travel in pieces."""
    from prefect_azure_batch.worker import AzureBatchWorker  # noqa: PLC0415

    return AzureBatchWorker(**options)


# cloudpickle sends what a main module defines by value.
_worker.__module__ = "__main__"


def _check(include_files: Sequence[str] | None) -> None:
    """When the flow is decorated, not when it runs."""
    if isinstance(include_files, str):
        raise TypeError(f"include_files has to be a list of patterns: [{include_files!r}]")
    for pattern in include_files or ():
        if not str(pattern).strip():
            raise ValueError(f"include_files: {pattern!r} is not a pattern of files, such as '*.sql'")
