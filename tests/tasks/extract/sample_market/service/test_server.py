"""Serving in the process: starting, stopping, counting, and changing it while it runs."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import httpx
import pytest

from tasks.errors import ConfigurationError
from tasks.extract.sample_market import Faults, Served, SimulatedMarket, serve
from tests.tasks.extract.sample_market.conftest import AS_OF

WEEK = {"api_token": "demo", "fmt": "json", "from": "2024-06-24"}


@pytest.fixture
def own() -> Iterator[Served]:
    """A server that a test may change."""
    with serve(SimulatedMarket(5, seed=7, as_of=AS_OF)) as served:
        yield served


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def test_it_ends_with_its_block(market: SimulatedMarket) -> None:
    before = threads()
    with serve(market) as served:
        assert served.url.startswith("http://127.0.0.1:")
        assert served.url.endswith("/api")
        assert httpx.get(f"{served.url}/eod/AAPL.US", params=WEEK).status_code == 200
        assert len(threads() - before) == 1

    assert threads() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/eod/AAPL.US", params=WEEK)


def test_it_ends_though_a_client_waits_and_another_keeps_its_connection(market: SimulatedMarket) -> None:
    before = threads()
    with ThreadPoolExecutor() as pool, httpx.Client(params=WEEK, timeout=30) as client:
        with serve(market, faults=Faults(hang=1)) as served:
            assert client.get(f"{served.url}/internal-user").status_code == 200
            waiting = pool.submit(httpx.get, f"{served.url}/eod/AAPL.US", params=WEEK, timeout=30)
            while not served.requests.by_path["/api/eod/AAPL.US"]:
                client.get(f"{served.url}/internal-user")

        assert isinstance(waiting.exception(timeout=5), httpx.TransportError)
    assert threads() == before


def test_an_error_in_the_block_ends_it_too(market: SimulatedMarket) -> None:
    before = threads()
    with pytest.raises(ZeroDivisionError), serve(market):
        raise ZeroDivisionError

    assert threads() == before


def test_many_markets_side_by_side(market: SimulatedMarket) -> None:
    with serve(market) as one, serve(SimulatedMarket(5, seed=8, as_of=AS_OF)) as other:
        answers = [httpx.get(f"{served.url}/eod/AAPL.US", params=WEEK).json() for served in (one, other)]

    assert answers[0] != answers[1]


def test_a_taken_port_is_told(own: Served, market: SimulatedMarket) -> None:
    port = int(own.url.split(":")[2].split("/")[0])

    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1, port {port}"), serve(market, port=port):
        pass


def test_it_says_nothing_in_the_log(market: SimulatedMarket, caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults(reset=0.3, cut_off=0.3, hang=0.1)
    with caplog.at_level(logging.DEBUG), serve(market, faults=faults) as served:
        for _ in range(20):
            try:
                httpx.get(f"{served.url}/eod/AAPL.US", params=WEEK, timeout=0.2)
            except httpx.TransportError:
                continue

    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "starlette"))] == []


def test_it_counts_what_was_asked(own: Served) -> None:
    for path in ("eod/AAPL.US", "eod/AAPL.US", "eod/NOPE.US", "internal-user"):
        httpx.get(f"{own.url}/{path}", params=WEEK)
    httpx.get(f"{own.url}/eod/AAPL.US")

    assert own.requests.total == 5
    assert own.requests.by_status == Counter({200: 3, 404: 1, 401: 1})
    assert own.requests.by_path["/api/eod/AAPL.US"] == 3
    own.faults = Faults(server_error=1)
    httpx.get(f"{own.url}/eod/AAPL.US", params=WEEK)
    assert own.requests.by_fault == Counter({"server_error": 1})
    own.requests.clear()
    assert own.requests.total == 0


def test_requests_at_once_get_what_they_get_alone(own: Served) -> None:
    codes = own.market.codes("US") * 20
    with httpx.Client(params=WEEK, timeout=30) as client, ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda code: client.get(f"{own.url}/eod/{code}.US").json(), codes))
        alone = [client.get(f"{own.url}/eod/{code}.US").json() for code in codes[:5]]

    assert together == alone * 20


def test_faults_are_changed_over_http(own: Served) -> None:
    url = f"{own.admin_url}/faults"

    changed = httpx.post(url, json={"server_error": 1}).json()
    assert (changed["server_error"], own.faults) == (1, Faults(server_error=1))
    assert httpx.get(f"{own.url}/eod/AAPL.US", params=WEEK).status_code == 500
    httpx.post(url, json={"slow_seconds": 0.5})
    assert own.faults == Faults(server_error=1, slow_seconds=0.5)
    assert httpx.get(url).json()["slow_seconds"] == 0.5
    assert httpx.delete(url).json() == Faults().model_dump(mode="json")
    assert httpx.get(f"{own.url}/eod/AAPL.US", params=WEEK).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"sevrer_error": 1}', "sevrer_error: Extra inputs are not permitted"),
        ('{"reset": 7}', "The rate of reset is 7"),
        ("[1]", "Send a JSON object"),
        ("reset=1", "Expecting value"),
    ],
)
def test_faults_that_make_no_sense_change_nothing(own: Served, body: str, message: str) -> None:
    own.faults = Faults(slow=0.1)

    answer = httpx.post(f"{own.admin_url}/faults", content=body)

    assert answer.status_code == 422
    assert message in answer.json()["error"]
    assert own.faults == Faults(slow=0.1)


def test_the_dialect_is_changed_over_http(own: Served) -> None:
    httpx.post(f"{own.admin_url}/dialect", json={"bad_token": 403})

    assert httpx.get(f"{own.url}/eod/AAPL.US").status_code == 403
    assert httpx.post(f"{own.admin_url}/dialect", json={"bad_token": 500}).status_code == 422


def test_the_day_is_changed_over_http(own: Served) -> None:
    url = f"{own.admin_url}/market"

    assert httpx.get(url).json() == {"as_of": "2024-06-28"}
    assert httpx.post(url, json={"as_of": "2024-06-25"}).json() == {"as_of": "2024-06-25"}
    assert own.market.as_of == date(2024, 6, 25)
    bars = httpx.get(f"{own.url}/eod/AAPL.US", params=WEEK).json()
    assert [bar["date"] for bar in bars] == ["2024-06-24", "2024-06-25"]
    assert httpx.post(url, json={"as_of": "soon"}).status_code == 422


def test_the_counts_are_asked_for_over_http(own: Served) -> None:
    own.faults = Faults(server_error=1)
    httpx.get(f"{own.url}/eod/AAPL.US", params=WEEK)

    assert httpx.get(f"{own.admin_url}/requests").json() == {
        "total": 1,
        "by_status": {"500": 1},
        "by_path": {"/api/eod/AAPL.US": 1},
        "by_fault": {"server_error": 1},
    }
    assert httpx.delete(f"{own.admin_url}/requests").json()["total"] == 0


def test_other_tokens_do_not_open_an_open_market(own: Served) -> None:
    assert own.accounts.of("demo") is not None
    assert httpx.get(f"{own.url}/eod/AAPL.US", params=WEEK | {"api_token": "x"}).status_code == 401
