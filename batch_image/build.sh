#!/usr/bin/env bash
# Builds the image that ETL_IMAGE names, and prints its name: `prefect deploy` makes it the image of the deployment.
# Without ETL_IMAGE nothing is built, and runs execute in the image of their work pool.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -n "${ETL_IMAGE:-}" ] || exit 0
tool="$(command -v docker || command -v podman)" || {
  echo "ETL_IMAGE is set, but neither docker nor podman is here to build it. Install one, or unset it." >&2
  exit 1
}
"$tool" build --quiet -f batch_image/Dockerfile -t "$ETL_IMAGE" . >&2
printf '%s' "$ETL_IMAGE"
