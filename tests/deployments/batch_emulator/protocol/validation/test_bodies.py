"""Bodies against the SDK's models: what is accepted, in which form, and what is refused with which code."""

import json

import pytest

from azure_batch_emulator.protocol.errors import BatchError
from azure_batch_emulator.protocol.routes import ROUTES
from azure_batch_emulator.protocol.validation.bodies import model_properties, validated, validated_tasks
from tests.beside import BESIDE

DATA = BESIDE / "azure_batch"
POOL = {"id": "p", "vmSize": "standard_d2_v2"}
TASK = {"id": "t", "commandLine": "true"}


def refused(model: str, body: object) -> BatchError:
    with pytest.raises(BatchError) as caught:
        validated(model, body)
    assert caught.value.status == 400
    return caught.value


def test_the_body_comes_in_the_services_form() -> None:
    body = {
        **POOL,
        "resizeTimeout": "PT06M00S",
        "displayName": None,
        "taskSchedulingPolicy": {"nodeFillType": "Pack"},
    }
    assert validated("BatchPoolCreateOptions", body) == {
        **POOL,
        "resizeTimeout": "PT6M",
        "taskSchedulingPolicy": {"nodeFillType": "pack"},
    }


@pytest.mark.parametrize(
    ("change", "code", "detail"),
    [
        ({"id": None}, "MissingRequiredProperty", {"PropertyName": "id", "PropertyPath": "id"}),
        ({"colour": "red"}, "InvalidRequestBody", {}),
        ({"targetDedicatedNodes": "3"}, "InvalidRequestBody", {}),
        ({"targetDedicatedNodes": True}, "InvalidRequestBody", {}),
        ({"enableAutoScale": 1}, "InvalidRequestBody", {}),
        ({"metadata": {"name": "a"}}, "InvalidRequestBody", {}),
        ({"resizeTimeout": "15 minutes"}, "InvalidRequestBody", {}),
        ({"resizeTimeout": "PT4M"}, "InvalidPropertyValue", {"PropertyName": "resizeTimeout", "PropertyValue": "PT4M"}),
        ({"targetDedicatedNodes": -1}, "InvalidPropertyValue", {"PropertyName": "targetDedicatedNodes"}),
        ({"id": "with space"}, "InvalidPropertyValue", {"PropertyName": "id", "PropertyValue": "with space"}),
        ({"id": "x" * 65}, "InvalidPropertyValue", {"PropertyName": "id"}),
        ({"startTask": {"commandLine": ""}}, "InvalidPropertyValue", {"PropertyName": "commandLine"}),
        (
            {"taskSchedulingPolicy": {"nodeFillType": "heap"}},
            "InvalidPropertyValue",
            {"PropertyName": "nodeFillType", "PropertyValue": "heap"},
        ),
        (
            {"startTask": {"waitForSuccess": True}},
            "MissingRequiredProperty",
            {"PropertyName": "commandLine", "PropertyPath": "startTask.commandLine"},
        ),
    ],
)
def test_what_is_wrong_is_named(change, code, detail) -> None:
    error = refused("BatchPoolCreateOptions", {**POOL, **change})
    assert error.code == code
    assert detail.items() <= error.values.items()


def test_properties_that_only_the_service_sets_are_refused() -> None:
    assert "'state'" in refused("BatchJob", {"poolInfo": {"poolId": "p"}, "state": "active"}).values["Reason"]


def test_a_collection_is_judged_task_by_task() -> None:
    body, rejected = validated_tasks({"value": [TASK, {**TASK, "requiredSlots": 0}, {"id": "u"}]})
    assert len(body["value"]) == 3
    assert {index: error.code for index, error in rejected.items()} == {
        1: "InvalidPropertyValue",
        2: "MissingRequiredProperty",
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MissingRequiredProperty"),
        ({"value": "x"}, "InvalidRequestBody"),
        ({"value": [{**TASK, "x": 1}]}, "InvalidRequestBody"),
        ({"value": [TASK] * 101}, "InvalidPropertyValue"),
    ],
)
def test_a_collection_that_is_none(body, code) -> None:
    with pytest.raises(BatchError) as caught:
        validated_tasks(body)
    assert caught.value.code == code


def test_an_id_of_another_service_may_be_anything() -> None:
    body = {"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/e"}
    assert validated("DiskEncryptionSetParameters", body) == body


def test_models_and_routes_are_the_published_ones() -> None:
    if not DATA.exists():
        pytest.skip("the published models are not beside the project")
    published = json.loads((DATA / "models.json").read_text())["models"]
    for name, properties in published.items():
        assert model_properties(name) == set(properties), name
    routes = json.loads((DATA / "routes.json").read_text())["routes"]
    ours = {(route.operation, route.method, route.path, route.status, frozenset(route.query)) for route in ROUTES}
    assert ours == {
        (
            route["sdk_method"],
            route["method"],
            route["path"],
            min(route["success"]),
            frozenset(route["query"]) - {"api-version", "timeOut"},
        )
        for route in routes
    }
