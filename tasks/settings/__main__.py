"""`python -m tasks.settings` prints what is in force and where each value came from, secrets masked."""

import argparse
import os
import sys
import textwrap

from pydantic import SecretStr

from tasks.errors import EtlError
from tasks.redaction import redact
from tasks.settings import PREFIX, Settings, load_settings, variable


def _main() -> None:
    """Two lines for each setting: its value, which is never cut short, and where it is from. Neither, on an error."""
    argparse.ArgumentParser(
        prog="python -m tasks.settings",
        description="All settings: what is in force, where each value came from, what it is for. Secrets are masked.",
        epilog=f"They are set as variables of the environment: {PREFIX}...",
    ).parse_args()
    try:
        settings, failure = load_settings(), None
    except EtlError as error:
        settings, failure = None, error
    lines: list[str] = []
    for field, info in Settings.model_fields.items():
        value = f" = {_shown(field, getattr(settings, field))}" if settings else ""
        origin = f"[{_origin(settings, field)}] " if settings else ""
        what = textwrap.fill(f"{origin}{info.description}", 80, initial_indent="    ", subsequent_indent="    ")
        lines.append(f"{variable(field)}{value.rstrip()}\n{what}\n")
    sys.stdout.write("".join(lines))
    if failure:
        raise SystemExit(f"\n{failure}")


def _shown(field: str, value: object) -> str:
    if field in ("warehouse_url", "source_database_url") and isinstance(value, SecretStr):
        url, query, _ = value.get_secret_value().partition("?")
        return redact(url) + (f"{query}***" if query else "")
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else redact(str(value))


def _origin(settings: Settings, field: str) -> str:
    if field not in settings.model_fields_set:
        return "default"
    return "environment" if variable(field) in {name.upper() for name in os.environ} else "Key Vault"


_main()
