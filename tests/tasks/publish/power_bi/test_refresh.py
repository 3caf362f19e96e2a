"""A refresh of Power BI, against a server that behaves like it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from azure.core.credentials import AccessToken
from prefect import flow

from tasks.errors import AuthenticationError, ConfigurationError, FatalError, TransientError
from tasks.publish import refresh_power_bi
from tasks.publish.power_bi.refresh import Model, PowerBi, Waits
from tests.deadline import until
from tests.tasks.publish.power_bi.server import TOKEN, Service, serve_power_bi
from tests.tasks.vault import TOKEN as MACHINE
from tests.tasks.vault import Vault, serve_vault


class Credential:
    """Stands for a service principal that has its token already."""

    def __init__(self, token: str = TOKEN) -> None:
        self._token = token

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        assert scopes == ("https://analysis.windows.net/powerbi/api/.default",)
        return AccessToken(self._token, 2**40)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with serve_power_bi(Service()) as found:
        yield found


def refresh(service: Service, model: Model | None = None, token: str = TOKEN, at_most: float = 20) -> str:
    async def run() -> str:
        async with PowerBi(service.url, Credential(token), Waits(0.01, at_most)) as power_bi:
            return await power_bi.refresh(model or Model(service.workspace, service.dataset))

    return asyncio.run(run())


def test_it_is_started_and_waited_for(service: Service) -> None:
    name = refresh(service)
    assert service.asked == ["POST /", *[f"GET /{name}"] * 3]
    assert service.cancelled == []


def test_one_that_is_under_way_is_waited_for_first(service: Service) -> None:
    service.busy = 2
    refresh(service)
    assert service.asked[:3] == ["POST /"] * 3
    assert len(service.refreshes) == 1


def test_the_service_s_reason_is_told_once(service: Service) -> None:
    service.end = "Failed"
    said = {"code": "0xC11C0020", "message": "The column 'close' was not found; password=hunter2", "type": "Error"}
    service.messages = [said, said]
    with pytest.raises(FatalError, match=r"Failed\. 0xC11C0020 The column 'close' was not found; password=\*\*\*$"):
        refresh(service)


@pytest.mark.parametrize("end", ["TimedOut", "Disabled", "Cancelled"])
def test_other_ends_fail_too(service: Service, end: str) -> None:
    service.end = end
    with pytest.raises(FatalError, match=f"{end}. The service gives no reason"):
        refresh(service)


def test_what_passes_is_tried_again(service: Service) -> None:
    service.refuse = [503, 429, 500]
    assert refresh(service)


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (401, AuthenticationError, "contributor of the workspace"),
        (403, AuthenticationError, "contributor of the workspace"),
        (400, FatalError, "400 Code400 said so"),
        (409, FatalError, "409 Code409 said so"),
    ],
)
def test_a_refusal_says_what_to_do(service: Service, status: int, kind: type[Exception], advice: str) -> None:
    service.refuse = [status] * 10
    with pytest.raises(kind, match=advice):
        refresh(service)


def test_a_wrong_token_is_refused(service: Service) -> None:
    with pytest.raises(AuthenticationError, match="Power BI refused the semantic model") as caught:
        refresh(service, token="some-other-token")
    assert "some-other-token" not in str(caught.value)


def test_a_model_that_is_not_there_is_named(service: Service) -> None:
    with pytest.raises(ConfigurationError, match=r"no semantic model nowhere of workspace w.*ETL_POWER_BI_DATASET"):
        refresh(service, Model("w", "nowhere"))


def test_one_that_does_not_end_is_cancelled(service: Service) -> None:
    service.looks = 10**9
    with pytest.raises(TransientError, match="was cancelled"):
        refresh(service, at_most=0.1)
    assert service.cancelled == list(service.refreshes)


def test_a_reason_is_told_though_the_service_is_gone_when_it_is_cancelled(service: Service) -> None:
    service.end = "Failed"
    service.refuse_to_cancel = True
    with pytest.raises(FatalError, match=r"Failed\. The service gives no reason"):
        refresh(service)


def test_it_is_cancelled_with_its_caller(service: Service) -> None:
    service.looks = 10**9

    async def run() -> None:
        async with PowerBi(service.url, Credential(), Waits(0.01, 60)) as power_bi:
            going = asyncio.create_task(power_bi.refresh(Model(service.workspace, service.dataset)))
            await asyncio.to_thread(until, lambda: len(service.asked) > 3, 10)
            going.cancel()
            await going

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert service.cancelled == list(service.refreshes)


def test_a_service_that_is_away_is_told(service: Service) -> None:
    service.url = "http://127.0.0.1:9/v1.0/myorg"
    with pytest.raises(TransientError, match="Power BI could not be reached"):
        refresh(service)


@flow
async def a_flow() -> str | None:
    return await refresh_power_bi()


def test_the_flow_s_task_uses_this_machine_s_identity(
    service: Service, prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_vault(Vault({}), tmp_path) as machine:
        for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
            monkeypatch.setenv(name, machine.environment[name])
        service.token = MACHINE
        service.looks = 0
        monkeypatch.setenv("ETL_POWER_BI_URL", service.url)
        monkeypatch.setenv("ETL_POWER_BI_WORKSPACE", service.workspace)
        monkeypatch.setenv("ETL_POWER_BI_DATASET", service.dataset)
        assert asyncio.run(a_flow()) in service.refreshes


def test_without_settings_there_is_no_refresh(prefect_api: str) -> None:
    assert asyncio.run(a_flow()) is None


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"ETL_POWER_BI_WORKSPACE": "w"}, "only one of them is set"),
        (
            {"ETL_POWER_BI_WORKSPACE": "w", "ETL_POWER_BI_DATASET": "d", "ETL_POWER_BI_CLIENT_SECRET": "s3cret-value"},
            "not whose it is",
        ),
    ],
)
def test_half_of_what_is_needed_is_named(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], advice: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=advice) as caught:
        asyncio.run(a_flow())
    assert "s3cret" not in str(caught.value)
