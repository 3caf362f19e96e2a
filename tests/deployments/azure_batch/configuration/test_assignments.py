"""What a person writes for the variables: by the variables' types, joined where it has to be, refused by name."""

import json

import pytest

from prefect_azure_batch.configuration.assignments import Assignment, assign, from_json, parse
from prefect_azure_batch.configuration.base_job_template import variables_schema
from prefect_azure_batch.service.errors import ConfigurationError

SCHEMA = variables_schema()


@pytest.mark.parametrize(
    ("text", "variable", "key", "value"),
    [
        ("image=example.azurecr.io/etl:1", "image", "", "example.azurecr.io/etl:1"),
        ("memory=2", "memory", "", "2"),  # text, though it looks like a number
        ("required_slots=2", "required_slots", "", 2),
        ("cpu=1.5", "cpu", "", 1.5),
        ("stream_output=true", "stream_output", "", True),
        ("on_requeue=crash", "on_requeue", "", "crash"),
        ("env.URL=https://x/?a=b", "env", "URL", "https://x/?a=b"),
        ("env.COUNT=5", "env", "COUNT", "5"),
        ("new_pool.slots=4", "new_pool", "slots", 4),
        ('new_pool.start_task={"command": "true"}', "new_pool", "start_task", {"command": "true"}),
        ("registry.identity=/subscriptions/x", "registry", "identity", "/subscriptions/x"),
        ('mounts=["/a:/b"]', "mounts", "", ["/a:/b"]),
        ("credentials=a-block", "credentials", "", "a-block"),
        ("image=", "image", "", ""),
    ],
)
def test_values_have_the_types_of_their_variables(text, variable, key, value):
    assert parse(text, SCHEMA) == Assignment(variable, key, value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("image", "NAME=VALUE"), ("imgae=x", "did you mean image"), ("whatever=x", "there are credentials, pool_id")],
)
def test_what_is_no_assignment_is_refused(text, words):
    with pytest.raises(ConfigurationError, match=words):
        parse(text, SCHEMA)


def test_keys_join_and_what_is_empty_goes():
    before = {"image": "old:1", "env": {"A": "1", "B": "2"}, "memory": "4g"}
    changes = [parse(text, SCHEMA) for text in ("env.B=", "env.C=3", "image=new:2", "memory=", "new_pool.vm_size=v")]
    after = assign(before, changes)
    assert after == {"image": "new:2", "env": {"A": "1", "C": "3"}, "new_pool": {"vm_size": "v"}}
    assert before["env"] == {"A": "1", "B": "2"}


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"jobVariables": {"type": "object", "value": v}}])
def test_a_file_may_be_of_variables_or_of_outputs(wrap):
    variables = {"pool_id": "", "image": "x:1", "env": {"A": "1"}, "registry": {"server": "s", "identity": "i"}}
    found = from_json(json.dumps(wrap(variables)), SCHEMA)
    after = assign({"pool_id": "old", "env": {"B": "2"}, "registry": {"server": "r", "username": "u"}}, found)
    assert after == {"image": "x:1", "env": {"B": "2", "A": "1"}, "registry": {"server": "s", "identity": "i"}}


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "an object"), ('{"imgae": 1}', "mean image")])
def test_a_file_that_is_something_else_is_refused(text, words):
    with pytest.raises(ConfigurationError, match=words):
        from_json(text, SCHEMA)
