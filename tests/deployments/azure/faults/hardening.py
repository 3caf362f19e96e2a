"""Faults of settings: each that is wanted, gone."""

from collections.abc import Mapping

from tests.deployments.azure.checks import hardening
from tests.deployments.azure.faults import Fault
from tests.deployments.azure.faults.changes import put

FAULTS: Mapping[str, Fault] = {
    **{
        f"{kind.rpartition('/')[2]} without {path}": (
            hardening.settings_are_hard,
            put(kind, f"properties/{path}", None),
            f"{path} is None, not {wanted}",
        )
        for kind, paths in hardening.WANTED.items()
        for path, wanted in paths.items()
    },
    "Batch keys": (
        hardening.settings_are_hard,
        put("/batchAccounts", "properties/allowedAuthenticationModes", ["AAD", "SharedKey"]),
        "allowedAuthenticationModes is ['AAD', 'SharedKey'], not ['AAD']",
    ),
    "a database that somebody else administers": (
        hardening.operators_administer_the_database,
        put("/servers", "properties/administrators/sid", "00000000-0000-0000-0000-000000000000"),
        "is administered by ('00000000-0000-0000-0000-000000000000'",
    ),
}
