"""What a user writes: flows for nodes, in a script of their own. Run by test_decorator with a work pool's name."""

import json
import os
import sys
import time
from pathlib import Path

import beside  # type: ignore[import-not-found]  # written there by the test, and unknown to the nodes
from prefect import flow

from prefect_azure_batch import azure_batch

POOL, GO = sys.argv[1], Path(sys.argv[2])


@azure_batch(work_pool=POOL, include_files=["words.txt"], env={"WORD": "node"})
@flow
def called(x: int, y: int) -> dict[str, object]:
    return {
        "sum": beside.plus(x, y),
        "word": os.environ["WORD"],
        "task": os.environ["AZ_BATCH_TASK_ID"],
        "file": Path("words.txt").read_text().strip(),
    }


@azure_batch(work_pool=POOL)
@flow
def waits() -> str:
    """Returns when it is told to go on, so that whoever waits for it does not."""
    end = time.monotonic() + 120
    while not GO.exists() and time.monotonic() < end:
        time.sleep(0.1)
    return "went on" if GO.exists() else "was never told"


@azure_batch(work_pool=POOL, pool_id="empty")
@flow
def never() -> None:
    """Its pool has no node."""


if __name__ == "__main__":
    submitted = waits.submit()
    handed = waits.submit_to_work_pool()
    waiting = never.submit()
    result = called(1, 2)
    GO.touch()
    told = {
        "called": result,
        "submitted": submitted.result(timeout=120),
        "handed": handed.result(timeout=120),
        "waiting": str(waiting.flow_run_id),
    }
    sys.stdout.write(json.dumps(told) + "\n")
