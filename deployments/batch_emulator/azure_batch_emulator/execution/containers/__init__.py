"""Tasks in containers of docker, podman and buildah."""
