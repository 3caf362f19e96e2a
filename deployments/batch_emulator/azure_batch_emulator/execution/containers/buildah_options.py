"""containerRunOptions are docker's: those that buildah honours, those without effect there; others are refused."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from azure_batch_emulator.execution.containers.container_tool import ToolError, invalid_settings

_WITH_VALUE_BUT_NO_EFFECT = (
    *("--cpus", "--cpu-shares", "--cpu-quota", "--cpu-period", "--memory", "--memory-swap", "--memory-reservation"),
    *("--shm-size", "--network", "--net", "--ipc", "--pid", "--ulimit", "--name", "--hostname", "--pull"),
)


@dataclass(frozen=True)
class Options:
    user: str | None
    entrypoint: str | None
    directory: str | None
    volumes: Sequence[str]
    environment: Sequence[str]
    without_effect: Sequence[str]


def read_options(words: Sequence[str]) -> Options:
    found = _PARSER.parse_args(words)
    return Options(
        user=found.user,
        entrypoint=found.entrypoint,
        directory=found.workdir,
        volumes=tuple(found.volume),
        environment=tuple(found.env),
        without_effect=tuple(option for option in _WITH_VALUE_BUT_NO_EFFECT if getattr(found, _field(option))),
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ToolError(invalid_settings(f"containerRunOptions under buildah: {message}"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-u", "--user")
    parser.add_argument("--entrypoint")
    parser.add_argument("-w", "--workdir")
    parser.add_argument("-v", "--volume", action="append", default=[])
    parser.add_argument("-e", "--env", action="append", default=[])
    parser.add_argument("--init", action="store_true")  # so it is anyway
    for option in _WITH_VALUE_BUT_NO_EFFECT:
        short = ["-m"] if option == "--memory" else []
        parser.add_argument(*short, option, action="append", dest=_field(option))
    return parser


def _field(option: str) -> str:
    return option.strip("-").replace("-", "_")


_PARSER = _parser()
