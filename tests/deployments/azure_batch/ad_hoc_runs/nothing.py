"""A flow for `.submit()`, alone: Prefect parses its module, and all local modules that this one imports. That of the
tests takes long, and Python 3.11 does not always come to its end when threads of others run meanwhile."""

from prefect import flow


@flow
def nothing() -> None: ...
