"""What has to hold of the template: each check returns what is wrong, in sentences, or nothing."""

from collections.abc import Callable, Sequence

from tests.deployments.azure.arm.deployment import Deployment

Check = Callable[[Deployment], Sequence[str]]
