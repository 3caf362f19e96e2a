"""The variables of the work pool: each described once, here, and shown in this order in the Prefect UI.

Validation happens before anything is asked of the service, and names the variable.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from prefect.client.orchestration import PrefectClient
from prefect.workers.base import BaseJobConfiguration
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from deployments.azure_batch.credentials import AzureBatchCredentials
from deployments.azure_batch.environment import forwarded
from deployments.azure_batch.errors import ConfigurationError
from deployments.azure_batch.given import without_empty
from deployments.azure_batch.pool_specification import PoolSpecification
from deployments.azure_batch.variables import PoolId, Registry, Seconds, Size, Upload, are_names, are_references

_OF_CONTAINERS = ("registry", "gpus", "memory", "cpu", "shm_size", "mounts")


class AzureBatchJobConfiguration(BaseJobConfiguration):
    """A flow run's configuration, and by its schema the variables of the work pool."""

    model_config = ConfigDict(hide_input_in_errors=True)
    _given = model_validator(mode="before")(without_empty)

    credentials: AzureBatchCredentials | None = Field(
        default=None, title="Credentials", description="The Batch account, and how to sign in to it. Required."
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
            " `python -m batch_image.launcher` without."
        ),
    )
    env: Annotated[dict[str, str | None], AfterValidator(are_names)] = Field(
        default_factory=dict, title="Environment Variables", description="Readable by all who can read the account."
    )
    secrets: Annotated[dict[str, str], AfterValidator(are_references)] = Field(
        default_factory=dict,
        title="Secrets",
        description=(
            "Environment variables as references to Key Vault, which the launcher resolves on the node:"
            " @Microsoft.KeyVault(SecretUri=https://VAULT.vault.azure.net/secrets/NAME)."
        ),
    )
    allow_plaintext_secrets: bool = Field(
        default=False,
        title="Allow Plaintext Secrets",
        description="Lets the worker write its Prefect API key into the task, where others can read it.",
    )
    required_slots: PositiveInt = Field(
        default=1, le=256, title="Task Slots", description="How many of a node's slots the run takes."
    )
    cpu: PositiveFloat | None = Field(default=None, title="CPU", description="Cores that the container may use.")
    memory: Size | None = Field(default=None, title="Memory", description="The container's limit, such as 4g.")
    shm_size: Size | None = Field(default=None, title="Shared Memory", description="Size of /dev/shm, such as 1g.")
    gpus: str | None = Field(
        default=None, title="GPUs", description="`all`, or how many, of the node's GPUs the container gets."
    )
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
        """What a deployment leaves empty is the work pool's: `prefect deploy` cannot leave out a variable.

        Raises ConfigurationError by the names of what makes no sense."""
        given = {name: value for name, value in values.items() if value != ""}
        try:
            configuration: Self = await super().from_template_and_values(base_job_template, given, client=client)
        except ValidationError as error:
            raise ConfigurationError("\n".join(_told(error))) from None
        return configuration

    def prepare_for_flow_run(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Prefect's own are passed on
        own = dict(self.env)
        super().prepare_for_flow_run(*args, **kwargs)
        # What Prefect adds, less what has no business on a node; what the user says stands.
        self.env = forwarded(self.env, own)


def _told(error: ValidationError) -> Iterable[str]:
    """Without the input, which may be a secret."""
    for one in error.errors(include_input=False, include_url=False, include_context=False):
        place, message = ".".join(str(part) for part in one["loc"]), one["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message


def variables_schema() -> dict[str, Any]:
    """The schema of the configuration as the Prefect server and its UI want the variables' one."""
    schema = AzureBatchJobConfiguration.model_json_schema(ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    # As they are written above: Prefect's own, which are inherited, would come first. The UI goes by the position, for
    # a server on PostgreSQL does not keep the order.
    names = AzureBatchJobConfiguration.__annotations__
    schema["properties"] = {name: schema["properties"][name] | {"position": n} for n, name in enumerate(names)}
    schema.pop("title", None)
    schema.pop("description", None)
    for described in (schema, *schema["definitions"].values()):
        _show_nothing_first(described["properties"])
    return schema


def _show_nothing_first(properties: dict[str, Any]) -> None:
    """Objects that need not be given. The UI shows the first alternative, and would not save a form in which an object
    lacks what it requires."""
    for name, described in properties.items():
        if name != "credentials" and any("$ref" in kind for kind in described.get("anyOf", ())):
            described["anyOf"].sort(key=lambda kind: "$ref" in kind)
