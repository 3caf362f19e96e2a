"""Checks all that a flow run of a work pool needs, and says what is wrong before a run does."""

from prefect_azure_batch.doctor.examination import examine
from prefect_azure_batch.doctor.finding import Finding, show

__all__ = ["Finding", "examine", "show"]
