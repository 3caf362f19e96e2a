"""The work pool's form in Prefect's own UI, in Chromium."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

from prefect_azure_batch import AzureBatchWorker
from prefect_azure_batch.configuration.job_configuration import AzureBatchJobConfiguration
from tests.servers.chromium import Browser, Tab, browser, chromium

__all__ = ["browser", "chromium"]


@pytest.fixture
def work_pool(prefect_api: str) -> str:
    name = f"form-{uuid4().hex[:6]}"
    template = AzureBatchWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=name, type="azure-batch", base_job_template=template))
    return name


def template_of(work_pool: str) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        return client.read_work_pool(work_pool).base_job_template


@contextmanager
def form_of(work_pool: str, prefect_api: str, browser: Browser) -> Iterator[Tab]:
    """The page that edits the work pool, from when it is complete to when what is written is saved."""
    page = f"{prefect_api.removesuffix('/api')}/work-pools/work-pool/{work_pool}"
    with browser.open(f"{page}/edit") as tab:
        tab.until("document.body.innerText.includes('Save') && document.body.innerText.includes('Labels')")
        yield tab
        click(tab, "//button[normalize-space()='Save']")
        tab.until(f"location.href.startsWith({json.dumps(page + '?')})")


def click(tab: Tab, xpath: str) -> None:
    """What the XPath finds first."""
    mark(tab, xpath)
    tab.click("[data-found]")


def write(tab: Tab, below: str, text: str) -> None:
    """Into the first text field below this title."""
    mark(tab, f"//*[normalize-space(text())={json.dumps(below)}]/following::textarea[1]")
    tab.click("[data-found]")
    tab.write(text)


def mark(tab: Tab, xpath: str) -> None:
    find = (
        f"document.evaluate({json.dumps(xpath)}, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue"
    )
    tab.until(find)
    tab.evaluate("document.querySelectorAll('[data-found]').forEach((old) => old.removeAttribute('data-found'))")
    tab.evaluate(f"{find}.setAttribute('data-found', '')")


def test_it_shows_every_variable_in_its_order_and_saves_what_it_shows(
    work_pool: str, prefect_api: str, browser: Browser
) -> None:
    before = template_of(work_pool)
    with form_of(work_pool, prefect_api, browser) as tab:
        shown = tab.evaluate("document.body.innerText").splitlines()
    variables = sorted(before["variables"]["properties"].values(), key=lambda variable: variable["position"])
    wanted = [variable["title"] for variable in variables]
    lines = iter(line.removesuffix(" (Optional)") for line in shown)
    assert [title for title in wanted if title not in lines] == []  # `in` an iterator goes on from the one before
    assert template_of(work_pool) == before


def test_what_is_chosen_in_it_is_a_configuration(work_pool: str, prefect_api: str, browser: Browser) -> None:
    with form_of(work_pool, prefect_api, browser) as tab:
        write(tab, "Batch Pool", "nodes")
        click(tab, "//button[normalize-space()='PoolSpecification']")
        write(tab, "VM Size", "Standard_D2s_v5")
    template = template_of(work_pool)
    configuration = asyncio.run(AzureBatchJobConfiguration.from_template_and_values(template, {}))
    assert configuration.pool_id == "nodes"
    assert configuration.new_pool
    assert (configuration.new_pool.vm_size, configuration.new_pool.formula) == ("Standard_D2s_v5", "pending-tasks")
    assert configuration.new_pool.start_task is None
