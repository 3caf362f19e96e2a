"""`$filter`: which clauses are understood, what they choose, and which are refused."""

import json

import pytest

from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.odata.filter_properties import FILTERS
from azure_batch_emulator.protocol.odata.predicates import parse_filter
from tests.beside import BESIDE

TABLE = BESIDE / "azure_batch" / "odata_filters.json"
TASKS = [
    {"id": "alpha-1", "state": "active", "lastModified": "2026-03-02T10:00:00Z", "executionInfo": {}},
    {
        "id": "Alpha-2",
        "state": "completed",
        "lastModified": "2026-03-02T10:00:00.25Z",
        "executionInfo": {"exitCode": 0, "result": "success", "endTime": "2026-03-02T10:00:00.1234567Z"},
    },
    {
        "id": "beta's",
        "state": "completed",
        "lastModified": "2026-03-02T11:00:00Z",
        "executionInfo": {"exitCode": 137, "result": "failure", "endTime": "2026-03-02T10:30:00Z"},
    },
]


@pytest.mark.parametrize(
    ("clause", "chosen"),
    [
        ("state eq 'completed'", [1, 2]),
        ("state eq 'COMPLETED'", [1, 2]),
        ("state ne 'completed'", [0]),
        ("startswith(id,'alpha-')", [0, 1]),
        ("startswith(id, 'beta''s')", [2]),
        ("id ge 'alpha-2'", [1, 2]),
        ("executionInfo/exitCode ne 0", [0, 2]),
        ("executionInfo/exitCode gt 0 and executionInfo/result eq 'failure'", [2]),
        ("state eq 'active' or executionInfo/exitCode eq 137", [0, 2]),
        ("state eq 'completed' and (id eq 'alpha-2' or id eq 'alpha-1')", [1]),
        ("state eq 'active' and id eq 'x' or id eq 'Alpha-2'", [1]),
        ("executionInfo/endTime gt DateTime'2026-03-02T10:00:00.1234566Z'", [1, 2]),
        ("executionInfo/endTime le datetime'2026-03-02T10:00:00.1234567Z'", [1]),
        ("executionInfo/endTime lt DateTime'2026-03-02T12:00:00+01:30'", [1]),
        ("lastModifiedTime gt DateTime'2026-03-02T10:00:00Z'", [1, 2]),
        ("lastModifiedTime eq DateTime'2026-03-02T10:00:00.250Z'", [1]),
    ],
)
def test_what_a_filter_chooses(clause, chosen) -> None:
    holds = parse_filter(clause, "tasks")
    assert [index for index, task in enumerate(TASKS) if holds(task)] == chosen


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ("lastModified gt DateTime'2026-03-02T10:00:00Z'", "'lastModified' cannot be filtered on"),
        ("State eq 'active'", "'State' cannot be filtered on"),
        ("commandLine eq 'x'", "'commandLine' cannot be filtered on"),
        ("state gt 'active'", "'gt' is not supported"),
        ("state like 'active'", "'like' is not supported"),
        ("startswith(state,'a')", "'startswith' is not supported"),
        ("not state eq 'active'", "'not' cannot be filtered on"),
        ("executionInfo/exitCode eq '0'", "is not a Int literal"),
        ("stateTransitionTime gt '2026-03-02'", "is not a DateTime literal"),
        ("stateTransitionTime gt DateTime'soon'", "not an ISO 8601 time"),
        ("state eq", "ends too early"),
        ("state eq 'active' id eq 'x'", "unexpected 'id'"),
        ("(state eq 'active'", "ends too early"),
        ("state eq 'active", "not valid at"),
    ],
)
def test_a_bad_filter_is_refused_with_the_reason(clause, reason) -> None:
    with pytest.raises(BatchError) as caught:
        parse_filter(clause, "tasks")
    assert (caught.value.code, caught.value.status) == ("InvalidQueryParameterValue", 400)
    assert caught.value.values["QueryParameterName"] == "$filter"
    assert reason in caught.value.values["Reason"]


def test_booleans_and_single_property_lists() -> None:
    assert parse_filter("enableAutoScale eq true", "pools")({"enableAutoScale": True})
    assert not parse_filter("poolId eq 'a'", "nodecounts")({"poolId": "b"})
    with pytest.raises(BatchError, match="InvalidQueryParameterValue"):
        parse_filter("poolId ne 'a'", "nodecounts")


def test_the_lists_of_properties_are_the_documented_ones() -> None:
    if not TABLE.exists():
        pytest.skip("the documented table is not beside the project")
    documented = json.loads(TABLE.read_text())
    for kind, properties in documented.items():
        if not isinstance(properties, dict) or kind == "jobpreparationandreleasetaskstatus":
            continue
        ours = {name: (known.kind, set(known.operators)) for name, known in FILTERS[kind].items()}
        assert ours == {name: (rule["type"], set(rule["ops"])) for name, rule in properties.items()}, kind
