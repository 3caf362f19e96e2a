"""A plugin, `-p tests.no_skips`: a test that is skipped for what the machine lacks has failed.

For machines on which everything is installed: there nothing that was forgotten goes unnoticed."""

from collections.abc import Generator

import pytest

_ALLOWED = "beside the project"  # recorded answers and real prices, which are not everybody's


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _ALLOWED not in report.longreprtext:
        report.outcome = "failed"
        report.longrepr = f"It was skipped, and no test may be, here: {report.longreprtext}"
    return report
