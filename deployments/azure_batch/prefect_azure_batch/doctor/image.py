"""The image of the runs: whether its name makes sense, fits the registry, and somebody answers there."""

import re
from dataclasses import dataclass

import httpx

from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from prefect_azure_batch.doctor.finding import Finding, failed, passed, skipped, warning

# https://pkg.go.dev/github.com/distribution/reference: [domain/]path[:tag][@digest]
_REFERENCE = re.compile(
    r"^(?:(?P<server>(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost|[A-Za-z0-9-]+(?=:\d))(?::\d+)?)/)?"
    r"(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)
_HUB = "registry-1.docker.io"
_LOCAL = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$")


@dataclass(frozen=True)
class Reference:
    server: str
    path: str
    version: str  # the tag or the digest, or empty


def parse_reference(image: str) -> Reference | None:
    """None for what no registry would take."""
    match = _REFERENCE.match(image)
    if match is None:
        return None
    return Reference(match["server"] or _HUB, match["path"], match["digest"] or match["tag"] or "")


async def look_at(configuration: AzureBatchJobConfiguration) -> list[Finding]:
    if not configuration.image:
        return [skipped("Image", "None: the command runs on the node itself.")]
    reference = parse_reference(configuration.image)
    if reference is None:
        advice = "set image=REGISTRY/NAME:TAG, all in lower case but the tag"
        return [failed("Image", f"{configuration.image} is not the name of an image.", advice)]
    return [_image(configuration.image, reference), await _registry(configuration, reference)]


def _image(image: str, reference: Reference) -> Finding:
    if reference.version in {"", "latest"}:
        found = f"{image} is another image tomorrow, and nodes keep the one that they have."
        return warning("Image", found, "Name a tag that is never moved, such as a date or a commit.")
    return passed("Image", image)


async def _registry(configuration: AzureBatchJobConfiguration, reference: Reference) -> Finding:
    check, registry = "Registry", configuration.registry
    if registry and _host(registry.server) != reference.server.lower():
        found = f"The image is in {reference.server}, and registry signs in to {_host(registry.server)}."
        return failed(check, found, f"set registry.server={reference.server}, or correct the image")
    trouble = await _trouble(reference.server)
    if trouble:
        advice = "Check the name of the registry. If only nodes reach it, over a private network, this may be well."
        return failed(check, f"{reference.server} does not answer as a registry does: {trouble}", advice)
    if registry is None and reference.server.endswith(".azurecr.io"):
        advice = "set registry.server=... registry.identity=RESOURCE_ID, of an identity of the pool with AcrPull"
        return warning(check, f"{reference.server} answers; runs do not sign in to it.", advice)
    by = "by identity" if registry and registry.identity else "by password" if registry else "without signing in"
    return passed(check, f"{reference.server} answers; nodes pull {by}.")


async def _trouble(server: str) -> str | None:
    """Every registry answers `/v2/`, be it that one has to sign in."""
    scheme = "http" if _LOCAL.match(server) else "https"
    try:
        async with httpx.AsyncClient(timeout=15) as client:
            answer = await client.get(f"{scheme}://{server}/v2/")
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return None if answer.status_code in {200, 401} else f"status {answer.status_code}"


def _host(server: str) -> str:
    return server.removeprefix("https://").removeprefix("http://").rstrip("/").lower()
