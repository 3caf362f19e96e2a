"""The template of a work pool: complete, and as the server and its UI want it."""

import json
import re

from prefect_azure_batch.configuration.base_job_template import base_job_template


def test_every_variable_has_a_title_and_a_description_of_its_own():
    schema = base_job_template()["variables"]
    fields = [*schema["properties"].items()]
    for name in ("PoolSpecification", "StartTask", "Registry", "Upload"):
        fields += schema["definitions"][name]["properties"].items()
    for name, field in fields:
        assert field.get("title"), name
        assert field.get("description"), name
    assert list(schema["properties"])[:3] == ["credentials", "pool_id", "new_pool"]


def test_the_template_uses_what_it_declares():
    template = base_job_template()
    assert template["job_configuration"] == {name: f"{{{{ {name} }}}}" for name in template["job_configuration"]}
    assert template["job_configuration"].keys() == template["variables"]["properties"].keys()
    json.dumps(template)


def test_the_server_takes_an_empty_string_where_there_is_a_pattern():
    schema = base_job_template()["variables"]["properties"]
    patterns = [kind["pattern"] for field in schema.values() for kind in field.get("anyOf", []) if "pattern" in kind]
    assert len(patterns) == 3
    assert all(re.search(pattern, "") for pattern in patterns)


def test_the_form_goes_by_position():
    """A server on PostgreSQL does not keep the order of keys."""
    schema = base_job_template()["variables"]["properties"]
    assert [field["position"] for field in schema.values()] == list(range(len(schema)))
