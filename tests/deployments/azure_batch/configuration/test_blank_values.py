"""What is left empty, in a form or a file."""

from prefect_azure_batch.configuration.base_job_template import base_job_template
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration


def test_an_empty_string_means_that_nothing_is_given():
    """As the UI's form and `image: "{{ image.stdout }}"` give it; an environment variable may well be empty."""
    schema = base_job_template()["variables"]["properties"]
    found = AzureBatchJobConfiguration(**dict.fromkeys(schema, ""))
    assert found == AzureBatchJobConfiguration()
    inner = AzureBatchJobConfiguration(
        image="x",
        env={"EMPTY": ""},
        registry={"server": "s", "identity": "i", "username": "", "password": ""},
        new_pool={"vm_size": "v", "subnet": "", "slots": ""},
    )
    assert inner.env == {"EMPTY": ""}
    assert inner.registry
    assert inner.new_pool
    assert (inner.registry.username, inner.new_pool.subnet, inner.new_pool.slots) == (None, None, 1)
