"""Puts a version of the project onto Azure: the first one, and each that follows.

    python -m deployments.azure.release --group etl --tag 2

1. The image is built and pushed, unless the registry has one of that tag: a tag never means two images.
2. The template is deployed once more, as it was the last time but for the image, which it names by its digest: nodes of
   a new pool have it before a run asks for it, the worker starts from it, and runs go on in the old pool.
3. The work pool gets the new pool and image as its defaults, and all of `prefect.yaml` is deployed. Deployments name no
   image of their own: theirs is the work pool's.
4. The doctor compares what the deployments, the work pool and the nodes say.

It may be called again with the same tag, and goes on where it ended. Needs Azure CLI, signed in, docker or podman, and
PREFECT_API_URL with what that Prefect asks for.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
_TEMPLATE = Path(__file__).with_name("main.json")
_BLOCK = "azure"
_OF_THE_IMAGE = {"imageTag", "imageDigest", "poolName", "makePool"}


class ReleaseError(Exception):
    """What keeps the version from being released, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the doctor finds nothing wrong. What fails is told, and leaves what runs as it is."""
    options = _parser().parse_args(arguments)
    try:
        before = _az("deployment", "group", "show", "-g", options.group, "-n", options.name, "--query", "properties")
        digest = _pushed_image(_outputs(before)["registry"], _parameters(before).get("imageName", "etl"), options.tag)
        _say(f"Deploying the template with {digest}")
        after = _deployed(options, {**_parameters(before), "imageTag": options.tag, "imageDigest": digest})
        return _to_prefect(_outputs(after), _parameters(after).get("workPool", "azure-batch"))
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _pushed_image(registry: str, name: str, tag: str) -> str:
    """Its digest in the registry."""
    registry_name = registry.partition(".")[0]
    show = ["acr", "repository", "show", "-n", registry_name, "--image", f"{name}:{tag}", "--query", "digest"]
    if digest := _az(*show, may_fail=True):
        _say(f"{registry}/{name}:{tag} is in the registry: it is not built again")
        return str(digest)
    _az("acr", "login", "--name", registry_name, text=True)
    environment = {"ETL_IMAGE": f"{registry}/{name}:{tag}"}
    for verb in ("build", "push"):
        _say(f"Image: {verb} {registry}/{name}:{tag}")
        _run([sys.executable, "batch_image/image.py", verb], environment, output=subprocess.DEVNULL)
    return str(_az(*show))


def _deployed(options: argparse.Namespace, parameters: dict[str, Any]) -> dict[str, Any]:
    given = json.dumps({name: {"value": value} for name, value in parameters.items()})
    create = ["deployment", "group", "create", "-g", options.group, "-n", options.name]
    properties: dict[str, Any] = _az(
        *create, "--template-file", str(_TEMPLATE), "--parameters", given, "--query", "properties"
    )
    return properties


def _to_prefect(outputs: dict[str, Any], work_pool: str) -> int:
    _save_credentials(outputs["batchEndpoint"])
    command = [sys.executable, "-m", "prefect_azure_batch"]
    variables = ["--create", "--json", "-", f"credentials={_BLOCK}"]
    _run([*command, "set", "--pool", work_pool, *variables], given=json.dumps(outputs["jobVariables"]))
    # The work pool names the image: one that a deployment named would stay when the next is released.
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    _run([*prefect, "deploy", "--all"], {"ETL_WORK_POOL": work_pool, "ETL_IMAGE": ""})
    return subprocess.run([*command, "doctor", "--pool", work_pool], cwd=PROJECT, check=False).returncode  # noqa: S603


def _save_credentials(endpoint: str) -> None:
    # Imported here: importing Prefect takes long.
    import httpx  # noqa: PLC0415

    from prefect_azure_batch import AzureBatchCredentials  # noqa: PLC0415

    try:
        AzureBatchCredentials(endpoint=endpoint).save(_BLOCK, overwrite=True)
    except (httpx.HTTPError, RuntimeError, ValueError) as error:  # no answer, a refusal, no such endpoint
        raise ReleaseError(f"Prefect did not take the block {_BLOCK}: {error}. See PREFECT_API_URL.") from error


def _outputs(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: one["value"] for name, one in properties["outputs"].items()}


def _parameters(properties: dict[str, Any]) -> dict[str, Any]:
    """Those of the last time, but for what follows from the image. Azure tells no secret; the template leaves those."""
    declared = json.loads(_TEMPLATE.read_text(encoding="utf-8"))["parameters"].keys() - _OF_THE_IMAGE
    told = {name: one.get("value") for name, one in properties["parameters"].items()}
    return {name: value for name, value in told.items() if name in declared and value is not None}


def _az(*words: str, may_fail: bool = False, text: bool = False) -> Any:  # noqa: ANN401 - JSON
    """What it says, read as JSON; None where it fails and may. Raises ReleaseError with its last words."""
    program = shutil.which("az")
    if program is None:
        raise ReleaseError("Azure CLI (az) is not on PATH. Install it and sign in by `az login`.")
    command = [program, *words, *([] if text else ["-o", "json"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        if may_fail and "not found" in done.stderr.lower():
            return None
        raise ReleaseError(f"`az {' '.join(words[:3])}` failed:\n{done.stderr.strip()[-2000:]}")
    return None if text else json.loads(done.stdout)


def _run(
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    given: str | None = None,
    output: int | None = None,
) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, **(environment or {})}
    done = subprocess.run(command, cwd=PROJECT, env=variables, input=given, stdout=output, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ReleaseError(
            f"`{' '.join(command[1:4])}` failed with {done.returncode}; its words are above. Once that is mended, give "
            "the same command again."
        )


def _say(text: str) -> None:
    sys.stdout.write(f"{text} ...\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.azure.release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--group", required=True, help="the resource group that the template was deployed to")
    parser.add_argument("--tag", required=True, help="of the image: a new one for each version")
    parser.add_argument("--name", default="etl", help="of the deployment of the template (default: etl)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
