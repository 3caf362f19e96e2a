"""What a pool is made of that the worker creates: a variable of the work pool, and what `pools` works from."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from prefect_azure_batch.configuration.blank_values import without_blank


class StartTask(BaseModel):
    """What each node runs before its first task."""

    model_config = ConfigDict(extra="forbid")
    _given = model_validator(mode="before")(without_blank)

    command: str = Field(title="Command", description="Run by `/bin/sh -c` as an administrator of the node.")
    wait: bool = Field(default=True, title="Wait", description="No task is given to a node before it has succeeded.")
    retries: NonNegativeInt = Field(default=1, title="Retries", description="On a node where the command fails.")


class PoolSpecification(BaseModel):
    """A pool that is created when no pool of its id exists, or for one run."""

    model_config = ConfigDict(extra="forbid")
    _given = model_validator(mode="before")(without_blank)

    vm_size: str = Field(title="VM Size", description="Such as Standard_D2s_v5.")
    publisher: str = Field(default="microsoft-dsvm", title="Image Publisher", description="Of the nodes' image.")
    offer: str = Field(default="ubuntu-hpc", title="Image Offer", description="Of the nodes' image.")
    sku: str = Field(default="2404", title="Image SKU", description="Of the nodes' image.")
    node_agent: str = Field(
        default="batch.node.ubuntu 24.04", title="Node Agent", description="The agent SKU that fits the image."
    )
    containers: bool = Field(default=True, title="Containers", description="Nodes that can run container images.")
    prefetch: list[str] = Field(
        default_factory=list, title="Prefetched Images", description="Pulled when a node starts, before its first task."
    )
    slots: PositiveInt = Field(
        default=1, le=256, title="Task Slots per Node", description="At most four per core; fixed at creation."
    )
    formula: Literal["fixed", "pending-tasks", "working-hours", "spot-with-floor"] = Field(
        default="pending-tasks",
        title="Scaling",
        description="`fixed`: so many nodes as below. Others follow the tasks that wait, up to these, down to zero.",
    )
    nodes: NonNegativeInt = Field(default=1, title="Dedicated Nodes", description="At most, or exactly when fixed.")
    spot_nodes: NonNegativeInt = Field(
        default=0, title="Spot Nodes", description="At most, or exactly when fixed. Azure may take them at any time."
    )
    subnet: str | None = Field(
        default=None, title="Subnet", description="The resource id of the subnet that the nodes join."
    )
    start_task: StartTask | None = Field(
        default=None, title="Start Task", description="What each node runs before its first task."
    )
