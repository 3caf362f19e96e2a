#!/usr/bin/env bash
# Pushes the image that build.sh has built, if any. Sign in before, such as by `az acr login --name REGISTRY`.
set -euo pipefail
[ -n "${ETL_IMAGE:-}" ] || exit 0
"$(command -v docker || command -v podman)" push --quiet "$ETL_IMAGE" >&2
