"""No secret survives in the text of an error, and text without one stays as it is."""

import json
import pickle
import string
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import AuthenticationError, EtlError, FatalError, QuotaExhausted, TransientError
from tasks.extract.prices.eodhd import UnreadableError
from tasks.redaction import redact

HEAD, TAIL = "Zq7", "Xj9"  # neither end of a secret may be left over
PRINTABLE = string.ascii_letters + string.digits + string.punctuation
TOKEN_NAMES = ("api_token", "access_token", "accessToken", "ETL_SOURCE_TOKEN", "apikey", "api-key", "client_secret")
NAMES = (*TOKEN_NAMES, "password", "Pwd")


def secrets(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=2, max_size=20).map(lambda middle: f"{HEAD}{middle}{TAIL}")


def hidden(text: str) -> bool:
    shown = redact(text)
    return "***" in shown and HEAD not in shown and TAIL not in shown


@given(st.sampled_from(NAMES), secrets(PRINTABLE + " "))
def test_a_secret_in_a_query_string_is_hidden(name: str, secret: str) -> None:
    query = urlencode({"from": "2024-01-01", name: secret, "fmt": "json"})

    assert hidden(f"GET https://example.com/api/eod/AAPL.US?{query} failed")
    assert hidden(quote(f"https://example.com/?{query}"))


@given(st.sampled_from(NAMES), secrets(PRINTABLE + " äß\n\\\"'"))
def test_a_secret_in_json_or_in_a_printed_dictionary_is_hidden(name: str, secret: str) -> None:
    assert hidden(json.dumps({"user": "ann", name: secret, "fmt": "json"}))
    assert hidden(json.dumps([{name: secret}], separators=(",", ":")))
    assert hidden(repr({"user": "ann", name: secret}))


@given(secrets(string.ascii_letters + string.digits + "._~+/=-"), st.sampled_from(["Bearer", "bearer", "BEARER"]))
def test_a_bearer_token_is_hidden(token: str, scheme: str) -> None:
    assert hidden(f"Authorization: {scheme} {token}")
    assert hidden(f"refused {scheme} {token}, try another")
    assert hidden(json.dumps({"headers": {"authorization": f"{scheme} {token}"}}))


@given(secrets(PRINTABLE), st.sampled_from(["user", "user@server", ""]))
def test_a_password_in_a_url_is_hidden_whatever_is_in_it(password: str, user: str) -> None:
    url = f"postgresql://{user}:{password}@db.example.com:5432/prices"

    assert hidden(f"could not connect to {url}: timeout")
    assert redact(url).endswith("***@db.example.com:5432/prices")


@given(secrets(string.ascii_letters + string.digits + "+/="))
def test_keys_of_a_storage_account_are_hidden(key: str) -> None:
    connection = f"DefaultEndpointsProtocol=https;AccountName=lake;AccountKey={key};EndpointSuffix=core.windows.net"

    assert hidden(connection)
    assert redact(connection).endswith("AccountKey=***;EndpointSuffix=core.windows.net")
    assert hidden(
        f"BlobEndpoint=https://lake.blob.core.windows.net;SharedAccessSignature=sv=2024&sig={quote(key)}&se=1"
    )
    assert hidden(f"https://lake.blob.core.windows.net/raw/x?sv=2024&sig={quote(key)}&sp=r")
    assert hidden(f"Authorization: SharedKey lake:{key}")


@given(secrets(PRINTABLE + " "))
def test_a_password_in_the_braces_of_odbc_is_hidden(password: str) -> None:
    assert hidden(f"Driver=ODBC;Server=db;Uid=etl;Pwd={{{password.replace('}', '}}')}}};Encrypt=yes")


@pytest.mark.parametrize(
    "text",
    [
        "GET http://127.0.0.1:8000/api/eod/AAPL.US was answered 503, asks to wait 60 s",
        "The token is refused. Set ETL_SOURCE_TOKEN to one whose plan covers this endpoint.",
        "sqlite:///folder/warehouse.sqlite could not be opened; ann@example.com knows why",
        'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"',
        "3 tokens of bearer bonds; design: signed, key: AAPL.US, password unchanged",
        "they differ in [('close', Float64), ('keys', String)]",
        "",
    ],
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("pattern", ["a", "token=", "://:", "pwd={", "'token':'", "token  ", "bearer ", " "])
def test_long_text_takes_no_longer_than_its_length_warrants(pattern: str) -> None:
    assert (
        len(redact(pattern * (400_000 // len(pattern)))) <= 600_000
    )  # quadratic time would end at the test's time limit


def test_a_message_is_redacted_when_it_is_made() -> None:
    error = AuthenticationError("refused https://example.com/?api_token=abcdef")

    assert str(error) == "refused https://example.com/?api_token=***"
    assert "abcdef" not in repr(error)


def test_errors_survive_the_way_to_another_process() -> None:
    slow = pickle.loads(pickle.dumps(TransientError("busy", retry_after=5.0)))
    odd = pickle.loads(pickle.dumps(UnreadableError("not JSON", b"<html>")))

    assert (str(slow), slow.retry_after) == ("busy", 5.0)
    assert (str(odd), odd.body) == ("not JSON", b"<html>")


def test_what_the_caller_can_do_tells_the_errors_apart() -> None:
    assert issubclass(QuotaExhausted, FatalError)
    assert not issubclass(TransientError, FatalError)
    assert all(issubclass(e, EtlError) for e in (TransientError, FatalError))
