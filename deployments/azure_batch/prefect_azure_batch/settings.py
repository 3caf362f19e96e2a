"""How a worker polls, waits and gives up, from the environment: `PREFECT_INTEGRATIONS_AZURE_BATCH_WORKER_*`."""

from prefect.settings.base import PrefectBaseSettings, build_settings_config
from pydantic import Field, PositiveFloat, PositiveInt


class WorkerSettings(PrefectBaseSettings):
    """Seconds are of the worker's clock."""

    model_config = build_settings_config(("integrations", "azure_batch", "worker"))

    poll_seconds: PositiveFloat = Field(default=5, description="Between two looks at a job while its tasks move.")
    idle_poll_seconds: PositiveFloat = Field(default=20, description="Between two looks at a job when nothing moves.")
    whole_list_polls: PositiveInt = Field(
        default=12, description="Every so many polls all tasks in flight are listed, not only those that changed."
    )
    reason_seconds: PositiveFloat = Field(
        default=30, description="Between two looks at a pool to say why a run is waiting for it."
    )
    reconcile_seconds: PositiveFloat = Field(
        default=30, description="Between two searches for runs whose worker is gone, to take them over."
    )
    orphan_seconds: PositiveFloat = Field(
        default=120, description="A run that was being submitted for so long, by a worker that is gone, is taken over."
    )
    bundle_seconds: PositiveFloat = Field(
        default=3600,
        description=(
            "How long a script or a notebook may take to upload what it runs ad hoc, until the run counts as given up."
        ),
    )
    silent_exit_seconds: PositiveFloat = Field(
        default=30, description="How long the last state of a run may come after its task has ended well."
    )
    heartbeat_seconds: PositiveFloat = Field(
        default=540,
        description=(
            "A run that is executed elsewhere than in its task counts as dead after so long without a heartbeat, which"
            " comes every 180 seconds."
        ),
    )
    submission_seconds: PositiveFloat = Field(
        default=1800, description="How long a submission waits for a service that is throttling, busy or full."
    )
    call_seconds: PositiveFloat = Field(
        default=300, description="How long one call to the service, other than a submission, is tried again."
    )
    retry_seconds: PositiveFloat = Field(
        default=0.5, description="Before the first repetition of a call; doubled each time."
    )
    longest_retry_seconds: PositiveFloat = Field(default=60, description="Between two repetitions of a call, at most.")
    collection_seconds: PositiveFloat = Field(
        default=0.2, description="How long a submission waits for others to be sent in the same request."
    )
    submissions_at_once: PositiveInt = Field(
        default=16, description="How many runs are prepared at the same time, with some eight calls to Prefect each."
    )
    tasks_per_job: PositiveInt = Field(default=10_000, description="A job that has so many tasks gets no more.")
    days_per_job: PositiveFloat = Field(default=7, description="A job that is so old gets no more tasks.")
    output_lines: PositiveInt = Field(default=20, description="Last lines of output in the message of a crash.")
    clean_up_seconds: PositiveFloat = Field(
        default=600, description="Between two looks for what is to be removed: ended jobs, old tasks, broken nodes."
    )
    job_retention_days: PositiveFloat = Field(
        default=7, description="A job that ended is deleted after so long, and its tasks with it."
    )
    task_retention_days: PositiveFloat | None = Field(
        default=None, description="A task that ended is deleted after so long. Empty: with its job."
    )
    remove_broken_nodes: bool = Field(
        default=False,
        description="Nodes that are unusable, or whose start task failed, are removed from their pool once reported.",
    )
