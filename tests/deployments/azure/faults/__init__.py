"""One change to the template each, the check that has to see it, and words of what it then says."""

from tests.deployments.azure.checks import Check
from tests.deployments.azure.faults.changes import Change

Fault = tuple[Check, Change, str]
