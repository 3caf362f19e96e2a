"""A plugin, `-p tests.no_skips`: a test that is skipped for what the machine lacks has failed.

For machines on which everything is installed: there nothing that was forgotten goes unnoticed."""

from collections.abc import Generator

import pytest

from tests.beside import BESIDE

# Recorded answers and real prices, which are not everybody's: where they are, no test may say that they are not.
_ALLOWED = {"beside the project"} if not BESIDE.exists() else set[str]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and not any(reason in report.longreprtext for reason in _ALLOWED)
    ):
        report.outcome = "failed"
        report.longrepr = f"It was skipped, and no test may be, here: {report.longreprtext}"
    return report
