"""The environment of a task: what the node's agent sets, what the task asked for, and nothing of the emulator's own.

https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from azure_batch_emulator.execution.executor import Launch

_PREPARATION = "jobpreparation"  # the directory of a preparation task that was given no id


@dataclass(frozen=True)
class AccountFacts:
    """What a task is told of its account."""

    name: str
    url: str


def agent_environment(launch: Launch, account: AccountFacts) -> dict[str, str]:
    """The AZ_BATCH_ variables. Job and task are not named to a start task, which belongs to none."""
    root, directory = launch.node_root, launch.directory
    variables = {
        "AZ_BATCH_ACCOUNT_NAME": account.name,
        "AZ_BATCH_ACCOUNT_URL": f"{account.url}/",
        "AZ_BATCH_POOL_ID": launch.pool_id,
        "AZ_BATCH_NODE_ID": launch.node_id,
        "AZ_BATCH_NODE_IS_DEDICATED": "true" if launch.node_id.endswith("_d") else "false",
        "AZ_BATCH_NODE_ROOT_DIR": str(root),
        "AZ_BATCH_NODE_SHARED_DIR": str(root / "shared"),
        "AZ_BATCH_NODE_STARTUP_DIR": str(root / "startup"),
        "AZ_BATCH_NODE_MOUNTS_DIR": str(root / "fsmounts"),
        "AZ_BATCH_TASK_DIR": str(directory),
        "AZ_BATCH_TASK_WORKING_DIR": str(directory / "wd"),
        "AZ_BATCH_CERTIFICATES_DIR": str(directory / "certs"),
        "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES": str(shutil.disk_usage(root).free // 100),
    }
    if launch.kind != "start":
        preparation = directory.parent / _PREPARATION
        variables |= {
            "AZ_BATCH_JOB_ID": launch.job_id,
            "AZ_BATCH_TASK_ID": launch.task_id,
            "AZ_BATCH_JOB_PREP_DIR": str(preparation),
            "AZ_BATCH_JOB_PREP_WORKING_DIR": str(preparation / "wd"),
        }
    return variables


def process_environment(launch: Launch, account: AccountFacts) -> dict[str, str]:
    """For a process of this machine. `python` is the one that runs the emulator; HOME is the working directory, as for
    the service's auto-users, so that no setting of the developer's own home reaches a task.
    """
    here = os.environ
    # LD_PRELOAD: who moves this machine's clock, as faketime does, moves that of its nodes too.
    own = {name: here[name] for name in ("LANG", "LC_ALL", "TZ", "LD_PRELOAD") if name in here}
    path = os.pathsep.join([str(Path(sys.executable).parent), here.get("PATH", os.defpath)])
    return {
        **own,
        "PATH": path,
        "HOME": str(launch.directory / "wd"),
        **launch.environment,
        **agent_environment(launch, account),
    }


def make_directories(launch: Launch) -> None:
    """The layout of a node around the task's own directory, with fresh stdout.txt and stderr.txt."""
    for folder in (launch.node_root / "shared", launch.node_root / "startup", launch.directory / "wd"):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("stdout.txt", "stderr.txt"):
        (launch.directory / name).write_bytes(b"")
