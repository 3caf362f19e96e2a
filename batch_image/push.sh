#!/usr/bin/env bash
# Pushes the image that build.sh has built, if any. Sign in before, such as by `az acr login --name REGISTRY`.
set -euo pipefail
[ -n "${ETL_IMAGE:-}" ] || exit 0
tool="$(command -v docker || command -v podman)" || {
  echo "ETL_IMAGE is set, but neither docker nor podman is here to push it. Install one, or unset it." >&2
  exit 1
}
"$tool" push --quiet "$ETL_IMAGE" >&2
