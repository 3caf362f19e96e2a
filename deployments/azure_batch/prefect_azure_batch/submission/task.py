"""From the configuration of a flow run to the Batch task that executes it. Nothing is asked of the service here."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from prefect_azure_batch.configuration.environment import without_secrets
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.configuration.variable_types import Registry, Upload
from prefect_azure_batch.service.errors import ConfigurationError

if TYPE_CHECKING:
    from azure.batch import models

DEFAULT_LAUNCHER = "python -m batch_launcher"


def build_task(task: str, run: UUID, configuration: AzureBatchJobConfiguration) -> "models.BatchTaskCreateOptions":
    """Raises ConfigurationError when a secret would be written in clear, or stands in the job variables so."""
    from azure.batch import models  # noqa: PLC0415 - importing the SDK takes long

    if configuration.refusal:
        raise ConfigurationError(configuration.refusal)
    settings = environment_of(configuration)
    limit = configuration.wall_clock_limit
    return models.BatchTaskCreateOptions(
        id=task,
        display_name=(configuration.name or str(run))[:1024],
        command_line=command_line(configuration),
        container_settings=_container(configuration),
        environment_settings=[models.EnvironmentSetting(name=name, value=settings[name]) for name in sorted(settings)],
        constraints=models.BatchTaskConstraints(
            max_wall_clock_time=timedelta(seconds=limit) if limit else None,
            retention_time=timedelta(seconds=configuration.retention),
            max_task_retry_count=configuration.batch_retries,
        ),
        required_slots=configuration.required_slots,
        user_identity=_user(configuration.user),
        output_files=[_output_file(upload, task) for upload in configuration.uploads] or None,
    )


def command_line(configuration: AzureBatchJobConfiguration) -> str:
    """The command, after the launcher where the image has none; Batch runs it without a shell."""
    launcher = configuration.launcher
    if launcher is None:
        launcher = "" if configuration.image else DEFAULT_LAUNCHER
    return f"{launcher} {configuration.command or 'prefect flow-run execute'}".strip()


def environment_of(configuration: AzureBatchJobConfiguration) -> dict[str, str]:
    """Raises ConfigurationError when a secret would be written in clear."""
    ours = {
        "AZURE_BATCH_ON_REQUEUE": configuration.on_requeue,
        "AZURE_BATCH_LABELS": json.dumps(configuration.labels, sort_keys=True),
        # By the heartbeats the launcher can tell that another execution of the run is alive.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    allowed, known = configuration.allow_plaintext_secrets, configuration.secret_values
    return ours | without_secrets(configuration.env, configuration.secrets, known, allow_plaintext=allowed)


def container_options(configuration: AzureBatchJobConfiguration) -> str:
    """Those that `docker create` gets. What is left of a container fills the node's disk: Azure/Batch#189."""
    pairs = [
        ("--cpus", f"{configuration.cpu:g}" if configuration.cpu else None),
        ("--memory", configuration.memory),
        ("--shm-size", configuration.shm_size),
        *(("--volume", mount) for mount in configuration.mounts),
    ]
    options = [f"{option} {value}" for option, value in pairs if value]
    return " ".join(["--rm", *options, configuration.container_options or ""]).strip()


def _container(configuration: AzureBatchJobConfiguration) -> "models.BatchTaskContainerSettings | None":
    from azure.batch import models  # noqa: PLC0415

    if not configuration.image:
        return None
    return models.BatchTaskContainerSettings(
        image_name=configuration.image,
        container_run_options=container_options(configuration),
        registry=registry_reference(configuration.registry) if configuration.registry else None,
        working_directory=configuration.working_directory,
    )


def registry_reference(registry: Registry) -> "models.ContainerRegistryReference":
    """How a node signs in where images are pulled from."""
    from azure.batch import models  # noqa: PLC0415

    if registry.identity:
        identity = models.BatchNodeIdentityReference(resource_id=registry.identity)
        return models.ContainerRegistryReference(registry_server=registry.server, identity_reference=identity)
    password = registry.password.get_secret_value() if registry.password else None
    return models.ContainerRegistryReference(
        registry_server=registry.server, username=registry.username, password=password
    )


def _user(user: str) -> "models.UserIdentity":
    from azure.batch import models  # noqa: PLC0415

    scope, _, admin = user.partition("-")
    return models.UserIdentity(
        auto_user=models.AutoUserSpecification(scope=scope, elevation_level="admin" if admin else "nonadmin")
    )


def _output_file(upload: Upload, task: str) -> "models.OutputFile":
    from azure.batch import models  # noqa: PLC0415

    identity = models.BatchNodeIdentityReference(resource_id=upload.identity) if upload.identity else None
    return models.OutputFile(
        file_pattern=upload.pattern,
        destination=models.OutputFileDestination(
            container=models.OutputFileBlobContainerDestination(
                container_url=upload.container_url.get_secret_value(), path=task, identity_reference=identity
            )
        ),
        upload_options=models.OutputFileUploadConfiguration(upload_condition=upload.condition),
    )
