"""What `prefect-azure-batch` does: sets a work pool up, and says what is wrong with one."""

import argparse
import sys
from pathlib import Path

from prefect.client.orchestration import get_client
from rich.console import Console

from prefect_azure_batch.configuration.assignments import from_json, parse
from prefect_azure_batch.configuration.base_job_template import variables_schema
from prefect_azure_batch.configuration.defaults import set_defaults
from prefect_azure_batch.configuration.job_configuration import defaults_of
from prefect_azure_batch.doctor import examine, show
from prefect_azure_batch.storage import configure_storage


async def set_variables(options: argparse.Namespace, console: Console) -> int:
    schema = variables_schema()
    assignments = from_json(_read(options.json), schema) if options.json else []
    assignments += [parse(text, schema) for text in options.assignments]
    async with get_client() as client:
        template = await set_defaults(client, options.pool, assignments, create=options.create)
    names = dict.fromkeys(one.variable for one in assignments)
    given = defaults_of(template)
    console.print(f"Work pool {options.pool} is up to date. Its defaults are set:", markup=False)
    console.print(", ".join(name for name in names if name in given) or "none", markup=False)
    return 0


async def storage(options: argparse.Namespace, console: Console) -> int:
    async with get_client() as client:
        await configure_storage(client, options.pool, options.container, options.credentials_block, uv=options.uv)
    console.print(f"Ad hoc runs of work pool {options.pool} go through the container {options.container}.")
    return 0


async def doctor(options: argparse.Namespace, console: Console) -> int:
    findings = await examine(options.pool)
    show(findings, console)
    return 1 if any(finding.result == "failed" for finding in findings) else 0


def _read(path: str) -> str:
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
