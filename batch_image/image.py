"""Builds and pushes the image that ETL_IMAGE names, by docker or podman; without ETL_IMAGE it does nothing.

  python batch_image/image.py build   prints the image's name: `prefect deploy` makes it the image of the deployment
  python batch_image/image.py push    after signing in, such as by `az acr login --name REGISTRY`

Where nothing is built, runs execute in the image of their work pool. For nodes of Arm: ETL_IMAGE_PLATFORM=linux/arm64.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(verb: str) -> None:
    """Raises SystemExit with the exit code of docker or podman when it fails."""
    image = os.environ.get("ETL_IMAGE")
    if not image:
        return
    tool = shutil.which("docker") or shutil.which("podman")
    if not tool:
        sys.exit(f"ETL_IMAGE is set, but neither docker nor podman is here to {verb} it. Install one, or unset it.")
    # The nodes of Batch are x64, whatever this machine is: what a Mac builds for itself would not start on them.
    platform = os.environ.get("ETL_IMAGE_PLATFORM") or "linux/amd64"
    words = {
        "build": ["--platform", platform, "-f", "batch_image/Dockerfile", "-t", image, "."],
        "push": [image],
    }[verb]
    root = Path(__file__).parents[1]
    done = subprocess.run([tool, verb, "--quiet", *words], cwd=root, stdout=sys.stderr, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    if verb == "build":
        sys.stdout.write(image)


if __name__ == "__main__":
    if sys.argv[1:] not in (["build"], ["push"]):
        sys.exit(__doc__)
    main(sys.argv[1])
