"""The ids of jobs and tasks, which are chosen here, and the identifier by which Prefect knows where a run is.

Batch ids have letters, digits, `-` and `_`, at most 64 of them, and are compared without regard to case.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID

from batch_launcher.attempts import parse_task_id

_SCHEME = "azurebatch"


@dataclass(frozen=True)
class Infrastructure:
    """Where a flow run is: `azurebatch://{host of the account's endpoint}/{job}/{task}`, complete in itself."""

    host: str
    job: str
    task: str

    def __str__(self) -> str:
        return f"{_SCHEME}://{self.host}/{self.job}/{self.task}"

    @classmethod
    def parse(cls, text: str) -> "Infrastructure":
        """ValueError when the text is the identifier of something else."""
        url = urlsplit(text)
        parts = url.path.strip("/").split("/")
        if url.scheme != _SCHEME or not url.netloc or len(parts) != 2:
            raise ValueError(f"{text!r} is not an identifier of the form {_SCHEME}://HOST/JOB/TASK.")
        return cls(url.netloc.lower(), *parts)


def task_id(flow_run: UUID, attempt: int) -> str:
    """The same for each try to submit one attempt, so that trying again makes no second task."""
    return f"{flow_run}-{attempt}"


def job_prefix(work_pool_name: str, work_pool: UUID) -> str:
    """What the ids of all jobs of a work pool, and of no other, begin with. At most 26 characters."""
    slug = re.sub(r"[^a-z0-9]+", "-", work_pool_name.lower()).strip("-")[:16].strip("-") or "pool"
    return f"{slug}-{work_pool.hex[:8]}-"


def shared_job_id(prefix: str, pool: str, priority: int, generation: int) -> str:
    """One long-lived job: a job is tied to its pool and its priority, so both are in its id."""
    digest = sha256(f"{pool.lower()}\n{priority}".encode()).hexdigest()[:8]
    return f"{prefix}{digest}-{generation:05d}"


def generation_of(job: str, first: str) -> int | None:
    """None unless `shared_job_id` made the job with the same prefix, pool and priority as the job `first`."""
    stem, _, number = job.lower().rpartition("-")
    return int(number) if stem == first.lower().rpartition("-")[0] and number.isdigit() else None


def own_job_of(prefix: str, task: str) -> str:
    """A job for the one task of one attempt of one flow run. ValueError when it is no flow run's."""
    parsed = parse_task_id(task)
    if parsed is None:
        raise ValueError(f"{task!r} is not the id of a flow run's task.")
    return f"{prefix}{parsed[0].hex}-{parsed[1]}"


def is_own_job(prefix: str, job: str) -> bool:
    """Whether it was made for one task, and is not shared."""
    return bool(re.fullmatch(r"[0-9a-f]{32}-\d+", job.lower().removeprefix(prefix.lower())))
