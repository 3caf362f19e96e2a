"""What a lake in Blob Storage says when it may not, or cannot, be opened: what is wrong, what to do, and no secret."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from pydantic import SecretStr

from tasks.errors import AuthenticationError, ConfigurationError, EtlError
from tasks.lake import Lake, LakeCredentials
from tasks.lake.azure.account import find_account
from tasks.lake.azure.store import AzureStore
from tests.servers.azurite import Azurite, StorageAccount
from tests.servers.fault_proxy import fault_proxy, refusal
from tests.tasks.lake.azure.lakes import SHORT, lake_in, store_in
from tests.tasks.lake.examples import READINGS, change, readings

OTHER_KEY = base64.b64encode(b"another account's key" * 3).decode()
UNSIGNED = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly."


def refused(url: str, key: str, name: str = "lake") -> EtlError:
    """What opening a lake ends with. The error is the same wherever a run first needs it."""
    errors: list[EtlError] = []
    actions: list[Callable[[Lake], object]] = [
        lambda lake: lake.current(READINGS, "year=2024"),
        lambda lake: lake.store.swap("raw/p", b"1", None),
        lambda lake: lake.partitions(READINGS),
    ]
    for action in actions:
        with pytest.raises(EtlError) as caught:
            action(lake_in(StorageAccount(url, name, key)))
        errors.append(caught.value)
        assert key not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert len({type(e) for e in errors}) == 1
    return errors[0]


def test_a_wrong_key(azurite: Azurite) -> None:
    error = refused(azurite.account().url, OTHER_KEY)

    assert isinstance(error, AuthenticationError)
    assert "The key is wrong" in str(error)
    assert "ETL_LAKE_ACCOUNT_KEY" in str(error)


def test_a_missing_account_of_azurite(azurite: Azurite) -> None:
    error = refused(f"{azurite.url}/nobody", OTHER_KEY)

    assert isinstance(error, ConfigurationError)
    assert "There is no such storage account. Check ETL_LAKE_URL" in str(error)


def test_an_account_whose_name_is_not_known_to_dns() -> None:
    error = refused("https://nobody.invalid", OTHER_KEY)

    assert isinstance(error, ConfigurationError)
    assert "https://nobody.invalid: the host's name is not known. Check ETL_LAKE_URL" in str(error)


def test_an_address_at_which_nothing_listens() -> None:
    error = refused("http://127.0.0.1:9/lake", OTHER_KEY)

    assert isinstance(error, ConfigurationError)
    assert "nothing listens there. Check ETL_LAKE_URL" in str(error)


def test_a_service_that_goes_away_is_not_a_wrong_setting(azurite: Azurite) -> None:
    account = azurite.account()
    with fault_proxy(account.url, lambda _: None) as proxy:
        store = store_in(account, proxy.url)
        store.read("raw/p")

    with pytest.raises(EtlError, match="nothing listens there") as caught:
        store.read("raw/p")
    assert not isinstance(caught.value, ConfigurationError)


def test_a_request_that_is_too_old_by_the_services_clock(azurite: Azurite) -> None:
    detail = {"AuthenticationErrorDetail": "Request date header too old: 'Fri, 04 Oct 2019 18:02:12 GMT'"}
    answer = refusal(403, "AuthenticationFailed", UNSIGNED, **detail)
    account = azurite.account()
    with fault_proxy(account.url, lambda _: answer) as proxy:
        error = refused(proxy.url, account.key)

    assert isinstance(error, AuthenticationError)
    assert "clock is wrong: Request date header too old: 'Fri, 04 Oct 2019 18:02:12 GMT'" in str(error)
    assert "timedatectl" in str(error)


@pytest.mark.parametrize(("minutes", "where"), [(-180.5, "ahead of"), (180.5, "behind")])
def test_a_clock_that_is_off_when_the_service_does_not_say_so(azurite: Azurite, minutes: float, where: str) -> None:
    theirs = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    answer = refusal(403, "AuthenticationFailed", UNSIGNED, date=theirs)
    account = azurite.account()
    with fault_proxy(account.url, lambda _: answer) as proxy:
        error = refused(proxy.url, account.key)

    assert isinstance(error, AuthenticationError)
    assert re.search(rf"clock is 3:00:\d\d {where} the service's", str(error))


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AuthorizationPermissionMismatch", "Storage Blob Data Contributor"),
        ("KeyBasedAuthenticationNotPermitted", "takes no keys"),
        ("AuthorizationFailure", "firewall"),
        ("AccountIsDisabled", "disabled"),
        ("SomethingNew", "The service says: You may not."),
    ],
)
def test_other_refusals_say_what_to_do(azurite: Azurite, code: str, advice: str) -> None:
    answer, account = refusal(403, code, "You may not"), azurite.account()
    with fault_proxy(account.url, lambda _: answer) as proxy:
        error = refused(proxy.url, account.key)

    assert isinstance(error, AuthenticationError)
    assert f"403 {code}" in str(error)
    assert advice in str(error)


def test_a_service_that_does_not_know_the_version_of_the_sdk(azurite: Azurite) -> None:
    answer = refusal(400, "InvalidHeaderValue", "The API version 2026-04-06 is not supported by Azurite.")
    account = azurite.account()
    with fault_proxy(account.url, lambda _: answer) as proxy:
        error = refused(proxy.url, account.key)

    assert isinstance(error, ConfigurationError)
    assert "--skipApiVersionCheck" in str(error)


def test_a_signature_opens_the_lake_and_stays_out_of_messages(azurite: Azurite) -> None:
    account = azurite.account()
    signature = generate_account_sas(
        account.name,
        account.key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    text = f"BlobEndpoint={account.url};SharedAccessSignature={signature}"
    credentials = LakeCredentials(connection_string=SecretStr(text))
    lake = lake_in(account)
    lake.store = AzureStore(find_account(account.url, credentials), SHORT)
    lake.update(READINGS, "year=2024", lambda _: change(readings(1.0)), "run")
    assert lake.read(READINGS, lake.partitions(READINGS)).collect().height == 1

    with fault_proxy(account.url, lambda _: refusal(403, "AuthenticationFailed", UNSIGNED)) as proxy:
        store = AzureStore(find_account(proxy.url, credentials), SHORT)
        with pytest.raises(AuthenticationError) as refused:
            store.read("raw/p")
    with pytest.raises(EtlError) as gone:
        store.read("raw/p")
    for error in (refused.value, gone.value):
        assert "sig=" not in f"{error} {error.__cause__} {error.__context__}"
