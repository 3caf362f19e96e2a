"""The page at `/`, looked at in Chromium while the account behind it changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_emulator.running_emulator import Emulator, running_emulator
from tests.deployments.batch_emulator.resources import await_true, make_job, make_pool, make_task
from tests.servers.chromium import Browser, Tab, browser, chromium

__all__ = ["browser", "chromium"]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with running_emulator(speed=0, executor="simulated") as running:
        yield running


def text(tab: Tab, selector: str) -> str:
    found: str = tab.evaluate(f"document.querySelector({selector!r}).innerText")
    return found


def shows(tab: Tab, selector: str, words: str) -> None:
    tab.until(f"document.querySelector({selector!r})?.innerText.includes({words!r})")


def is_quiet(tab: Tab, emulator: Emulator) -> None:
    """No error, no warning, and nothing asked of anybody but the emulator."""
    assert tab.complaints == []
    assert {url.split("/emulator/")[0].rstrip("/") for url in tab.requests} == {emulator.endpoint}


def test_an_empty_account_says_so(emulator: Emulator, browser: Browser) -> None:
    with browser.open(f"{emulator.endpoint}/") as tab:
        shows(tab, "main", "No pool yet.")
        shows(tab, "main", "No job yet.")
        shows(tab, "#clock", "standing still")
        assert text(tab, "#account") == emulator.account
        is_quiet(tab, emulator)


def test_it_follows_pools_nodes_jobs_and_tasks(emulator: Emulator, browser: Browser, tmp_path: Path) -> None:
    with emulator.client() as client, browser.open(f"{emulator.endpoint}/") as tab:
        shows(tab, "main", "No pool yet.")
        make_pool(client, nodes=2, spot=1)
        shows(tab, ".pool", "p1")
        shows(tab, ".pool .facts", "resizing")
        emulator.advance_until(lambda: len([n for n in client.list_nodes("p1") if n.state == "idle"]) == 3)
        shows(tab, ".pool .counts", "3 idle")
        assert tab.evaluate("document.querySelectorAll('.nodes li[data-look=good]').length") == 3
        assert tab.evaluate("document.querySelectorAll('.nodes li.spot').length") == 1

        make_job(client)
        make_task(client, "good", "simulate --seconds 60")
        make_task(client, "bad", "simulate --seconds 60 --exit-code 137")
        shows(tab, ".job .counts", "2 active")
        tab.click(".job summary")
        emulator.advance_until(lambda: all(task.state == "running" for task in client.list_tasks("j1")))
        shows(tab, ".job .counts", "2 running")
        tab.until("document.querySelectorAll('tr[data-look=running]').length === 2")
        emulator.advance_until(lambda: all(task.state == "completed" for task in client.list_tasks("j1")))
        shows(tab, ".job .counts", "1 failed, 1 succeeded")
        shows(tab, "tr[data-look=bad]", "FailureExitCode")
        assert "137" in text(tab, "tr[data-look=bad]")
        assert "good" in text(tab, "tr[data-look=good]")
        assert tab.evaluate("document.querySelector('.job').open")  # it stayed open through all that
        tab.screenshot(tmp_path / "page.png")
        is_quiet(tab, emulator)


def test_text_of_the_account_is_not_markup(emulator: Emulator, browser: Browser) -> None:
    with emulator.client() as client, browser.open(f"{emulator.endpoint}/") as tab:
        make_pool(client)
        make_job(client)
        make_task(client, "t1", "simulate", display_name="<img src=x onerror=alert(1)>")
        shows(tab, ".job", "j1")
        tab.click(".job summary")
        shows(tab, "tbody", "<img src=x onerror=alert(1)>")
        assert tab.evaluate("document.querySelectorAll('img').length") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_narrow_screen_in_both_schemes(
    emulator: Emulator, browser: Browser, tmp_path: Path, *, dark: bool
) -> None:
    with (
        emulator.client() as client,
        browser.open(f"{emulator.endpoint}/", width=390, height=800, dark=dark) as tab,
    ):
        make_pool(client, pool_id="p" * 64, nodes=40)
        emulator.advance("PT1M")
        make_job(client, job_id="j" * 64, pool_id="p" * 64)
        shows(tab, ".job", "j" * 64)
        tab.until("document.querySelectorAll('.nodes li').length === 40")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        tab.screenshot(tmp_path / "page.png")


def test_it_says_when_the_emulator_is_gone(browser: Browser) -> None:
    with running_emulator(speed=0, executor="simulated") as emulator, browser.open(f"{emulator.endpoint}/") as tab:
        shows(tab, "main", "No pool yet.")
        emulator.process.terminate()
        await_true(lambda: emulator.process.poll() is not None)
        shows(tab, "#trouble", "The emulator does not answer")
