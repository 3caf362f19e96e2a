"""The variables of the work pool: each described once, here, and shown in this order in the Prefect UI.

Validation happens before anything is asked of the service, and names the variable.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from prefect.client.orchestration import PrefectClient
from prefect.workers.base import BaseJobConfiguration
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from batch_launcher.reference_syntax import EXAMPLE
from prefect_azure_batch.configuration.blank_values import without_blank
from prefect_azure_batch.configuration.environment import forwarded, resolved_secrets
from prefect_azure_batch.configuration.named_blocks import refusal_of, with_references
from prefect_azure_batch.configuration.pool_specification import PoolSpecification
from prefect_azure_batch.configuration.variable_types import (
    PoolId,
    Registry,
    Seconds,
    Size,
    Upload,
    are_names,
    are_references,
)
from prefect_azure_batch.credentials import AzureBatchCredentials
from prefect_azure_batch.prefect_api.calls import ask_prefect
from prefect_azure_batch.service.errors import ConfigurationError
from prefect_azure_batch.settings import WorkerSettings

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, WorkPool
    from prefect.client.schemas.responses import DeploymentResponse

_OF_CONTAINERS = ("registry", "memory", "cpu", "shm_size", "mounts")


class AzureBatchJobConfiguration(BaseJobConfiguration):
    """A flow run's configuration, and by its schema the variables of the work pool."""

    model_config = ConfigDict(hide_input_in_errors=True)
    # Why no task may be made of it, and what stands in env since Prefect has resolved the name of a Secret block.
    _refusal = PrivateAttr(default="")
    _resolved = PrivateAttr(default_factory=set[str])
    _given = model_validator(mode="before")(without_blank)

    credentials: AzureBatchCredentials | None = Field(
        default=None,
        title="Credentials",
        description="The Batch account, and how to sign in to it: a block, or the name of one. Required.",
    )
    pool_id: PoolId | None = Field(
        default=None, title="Batch Pool", description="The id of the pool whose nodes execute the runs."
    )
    new_pool: PoolSpecification | None = Field(
        default=None,
        title="New Pool",
        description="How to create the pool when there is none of this id. Empty: the pool has to exist.",
    )
    temporary_pool: bool = Field(
        default=False,
        title="Temporary Pool",
        description="Each run has a pool of its own, made from New Pool, which lives as long as the run.",
    )
    image: str | None = Field(
        default=None,
        title="Image",
        description="The container image of the run. Empty: the command runs on the node itself.",
    )
    registry: Registry | None = Field(
        default=None, title="Registry", description="How to sign in where the image is pulled from."
    )
    command: str | None = Field(
        default=None,
        title="Command",
        description="What the task runs. Empty: what starts the flow run, which is nearly always right.",
    )
    launcher: str | None = Field(
        default=None,
        title="Launcher",
        description=(
            "What comes before the command. Empty: nothing with an image, whose entry point is the launcher;"
            " `python -m batch_launcher` without."
        ),
    )
    env: Annotated[dict[str, str | None], AfterValidator(are_names)] = Field(
        default_factory=dict, title="Environment Variables", description="Readable by all who can read the account."
    )
    secrets: Annotated[dict[str, str], AfterValidator(are_references)] = Field(
        default_factory=dict,
        title="Secrets",
        description=(
            f"Environment variables as references to Key Vault, which the launcher resolves on the node: {EXAMPLE}."
        ),
    )
    allow_plaintext_secrets: bool = Field(
        default=False,
        title="Allow Plaintext Secrets",
        description="Lets secrets stand in the task, as the worker's Prefect API key, where others can read them.",
    )
    required_slots: PositiveInt = Field(
        default=1, le=256, title="Task Slots", description="How many of a node's slots the run takes."
    )
    cpu: PositiveFloat | None = Field(default=None, title="CPU", description="Cores that the container may use.")
    memory: Size | None = Field(default=None, title="Memory", description="The container's limit, such as 4g.")
    shm_size: Size | None = Field(default=None, title="Shared Memory", description="Size of /dev/shm, such as 1g.")
    mounts: list[str] = Field(
        default_factory=list, title="Mounts", description="Of the node into the container: SOURCE:TARGET[:ro]."
    )
    container_options: str | None = Field(
        default=None, title="Container Options", description="More options of `docker create`."
    )
    working_directory: Literal["taskWorkingDirectory", "containerImageDefault"] = Field(
        default="containerImageDefault", title="Working Directory", description="Of the container."
    )
    user: Literal["task", "pool", "task-admin", "pool-admin"] = Field(
        default="pool", title="User", description="Made for each task or for the pool; an administrator or not."
    )
    wall_clock_limit: Seconds | None = Field(
        default=None, title="Time Limit (Seconds)", description="The task is ended after so long. Empty: no limit."
    )
    retention: Seconds = Field(
        default=86400, title="Retention (Seconds)", description="How long a task's files stay on its node."
    )
    batch_retries: Annotated[int, Field(ge=-1)] = Field(
        default=0,
        title="Retries by Batch",
        description=(
            "After a non-zero exit of the task; -1: endless. A flow that fails or crashes tells Prefect, and its task"
            " ends well: for that there are Prefect's own retries."
        ),
    )
    on_requeue: Literal["rerun", "crash", "always"] = Field(
        default="rerun",
        title="When Requeued",
        description=(
            "What the launcher does when Batch executes a task a second time, after its node was lost: `rerun` unless"
            " the run is final, cancelled or executing elsewhere; `crash`; or run it `always`."
        ),
    )
    uploads: list[Upload] = Field(
        default_factory=list, title="Uploads", description="Files of the task to keep in blob storage, its output too."
    )
    stream_output: bool = Field(
        default=False, title="Stream Output", description="Shows what the task prints in the run's logs as it runs."
    )
    cancel_grace: NonNegativeInt = Field(
        default=60,
        title="Grace when Cancelled (Seconds)",
        description="How long a running flow has to end by itself before its task is terminated.",
    )
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=0, title="Priority", description="Of the job that the run goes into; higher ones get nodes first."
    )
    name: str | None = Field(
        default=None, title="Name", description="Shown as the task's name in the Azure portal. Default: the run's."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, title="Labels", description="Written into the task's environment, as JSON."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.temporary_pool and self.new_pool is None:
            raise ValueError("temporary_pool needs new_pool, which says what the pool is made of")
        given = [name for name in _OF_CONTAINERS if getattr(self, name)]
        if self.image is None and given:
            raise ValueError(f"{', '.join(given)}: of a container, which needs image")
        if self.user.startswith("task-") and self.image:
            raise ValueError("user: a container's administrator has to be pool-admin")
        if both := sorted(self.secrets.keys() & self.env.keys()):
            raise ValueError(f"{', '.join(both)}: in env and in secrets; remove it from one of them")
        return self

    @classmethod
    async def from_template_and_values(
        cls, base_job_template: dict[str, Any], values: dict[str, Any], client: PrefectClient | None = None
    ) -> Self:
        """What a deployment leaves empty is the work pool's: `prefect deploy` cannot leave out a variable. Blocks and
        Prefect's variables are asked for until Prefect answers: an error of the moment would crash the flow run.

        Raises ConfigurationError by the names of what makes no sense, what Prefect's client raises when it is refused,
        and OutOfTime."""
        given = {name: value for name, value in values.items() if value != ""}
        given = with_references(given, defaults_of(base_job_template))

        async def resolve() -> Self:
            configuration: Self = await super(AzureBatchJobConfiguration, cls).from_template_and_values(
                base_job_template, given, client=client
            )
            return configuration

        try:
            return await ask_prefect("say what the job variables refer to", resolve, WorkerSettings())
        except ValidationError as error:
            raise ConfigurationError("\n".join(_told(error))) from None

    @classmethod
    async def resolve_for_flow_run(
        cls,
        flow_run: "FlowRun",
        *,
        deployment: "DeploymentResponse | None" = None,
        **others: Any,  # noqa: ANN401 - Prefect's own are passed on
    ) -> Self:
        """The same holds for the flow and the deployment. Raises as `from_template_and_values`."""

        async def resolve() -> Self:
            # Of copies: Prefect takes `env` out of the run's variables, so that a second try would miss it.
            copies = copy.deepcopy((flow_run, deployment))
            resolved: Self = await super(AzureBatchJobConfiguration, cls).resolve_for_flow_run(
                copies[0], deployment=copies[1], **others
            )
            return resolved

        return await ask_prefect("say what the run consists of", resolve, WorkerSettings())

    @property
    def refusal(self) -> str:
        """Why no task may be made of it; empty when one may. What is submitted already goes on all the same."""
        return self._refusal

    @property
    def secret_values(self) -> set[str]:
        """What its blocks keep secret, in clear."""
        fields = [value for holder in (self.credentials, self.registry) for _, value in holder or ()]
        return {value.get_secret_value() for value in fields if isinstance(value, SecretStr)} | self._resolved

    def prepare_for_flow_run(
        self,
        flow_run: "FlowRun",
        deployment: "DeploymentResponse | None" = None,
        *args: Any,  # noqa: ANN401 - Prefect's own are passed on
        **kwargs: Any,  # noqa: ANN401 - and these
    ) -> None:
        work_pool: WorkPool | None = kwargs.get("work_pool")
        holders = {"run": flow_run.job_variables}
        holders |= {f"deployment {deployment.name!r}": deployment.job_variables} if deployment else {}
        holders |= {f"work pool {work_pool.name!r}": defaults_of(work_pool.base_job_template)} if work_pool else {}
        self._refusal = next(filter(None, (refusal_of(holder, held) for holder, held in holders.items())), "")
        self._resolved = resolved_secrets(self.env, reversed(holders.values()))
        own = dict(self.env)
        super().prepare_for_flow_run(flow_run, deployment, *args, **kwargs)
        # What Prefect adds, less what has no business on a node; what the user says stands.
        self.env = forwarded(self.env, own)


def defaults_of(template: Mapping[str, Any]) -> dict[str, Any]:
    """Of the variables of a work pool, by its base job template."""
    properties = template.get("variables", {}).get("properties", {})
    return {name: field["default"] for name, field in properties.items() if field.get("default") is not None}


def _told(error: ValidationError) -> Iterable[str]:
    """Without the input, which may be a secret."""
    for one in error.errors(include_input=False, include_url=False, include_context=False):
        infrastructure, message = ".".join(str(part) for part in one["loc"]), one["msg"].removeprefix("Value error, ")
        yield f"{infrastructure}: {message}" if infrastructure else message
