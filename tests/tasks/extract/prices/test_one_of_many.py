"""Any one of many codes is answered with any nastiness: the others come out as they do without it."""

import asyncio
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.codes import as_listed
from tasks.errors import ConfigurationError
from tasks.extract.http import Answer, Http
from tasks.extract.prices.eodhd import Eodhd, read_codes
from tests.tasks.extract.nasties import NASTIES
from tests.tasks.extract.prices.test_shard import limits_of, run
from tests.tasks.extract.scripted import Script, answer, scripted

CODES = [f"C{n}.US" for n in range(6)]
ROOT = Path(__file__).parents[4]


def serving(nasty: bytes | None, place: int) -> Script:
    def script(path: str, _: int) -> bytes:
        number = int(path.rpartition("/C")[2].partition(".")[0])
        if nasty is not None and number == place:
            return nasty
        bar = '{"date":"2024-06-%02d","open":1,"high":1,"low":1,"close":%d,"adjusted_close":1,"volume":1}'
        return answer(200, ("[" + ",".join(bar % (day, number) for day in range(3, 8)) + "]").encode())

    return script


def fetched(nasty: bytes | None, place: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars and outcomes of all codes but that one; its own outcome is asked for too."""
    with scripted(serving(nasty, place)) as server:
        found = run(server.url, CODES, in_flight=3, limits=limits_of(timeout=0.5))
    assert found.stopped_by is None
    assert sorted(found.fetches["code"]) == CODES
    return found.bars.sort("code", "date"), found.fetches.sort("code").drop("fetched_at")


@pytest.mark.parametrize("name", NASTIES)
def test_the_others_come_out_as_without_it(name: str) -> None:
    place = list(NASTIES).index(name) % len(CODES)
    others = pl.col("code") != CODES[place]
    wanted, got = fetched(None, place), fetched(NASTIES[name], place)
    for without, with_it in zip(wanted, got, strict=True):
        assert_frame_equal(with_it.filter(others), without.filter(others))
    outcome, reason = got[1].filter(~others).select(pl.col("outcome").cast(pl.String), "reason").row(0)
    assert outcome == "fetched" or reason, "what is wrong has its reason"


def test_all_of_them_together_take_less_than_a_gigabyte() -> None:
    program = """
import sys
from tests.peak_memory import peak_memory
from tasks.codes import as_listed
from tasks.errors import ConfigurationError
from tasks.extract.http import Answer, Http
from tasks.extract.prices.eodhd import Eodhd, read_codes
from tests.tasks.extract.nasties import NASTIES
from tests.tasks.extract.prices.test_shard import limits_of, run
from tests.tasks.extract.scripted import scripted

nasties = list(NASTIES.values())
with scripted(lambda path, _: nasties[int(path.rpartition("/C")[2].partition(".")[0])]) as server:
    found = run(server.url, [f"C{n}.US" for n in range(len(nasties))], 64, limits=limits_of(timeout=1.0))
sys.stdout.write(f"{found.fetches.height} {peak_memory()}")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    codes, peak = map(int, done.stdout.split())
    assert codes == len(NASTIES)
    assert peak < 1 << 20, f"{peak} KiB"


@pytest.mark.parametrize(
    "odd", ["A B.US", "A%41.US", "A/B.US", "A?B.US", "../x.US", "A\x00B.US", "ÅÄ.US", "L" * 50 + ".US"]
)
def test_a_listed_code_that_no_url_carries_is_asked_for_by_itself(odd: str) -> None:
    codes = as_listed(["C1", odd, "c2"], "US")
    assert codes == sorted({"C1.US", "C2.US", odd})
    with scripted(lambda path, _: serving(None, 0)(path, 0) if "/C" in path else answer(404)) as server:
        found = run(server.url, codes)
    outcomes = dict(found.fetches.select("code", pl.col("outcome").cast(pl.String)).rows())
    assert outcomes == {"C1.US": "fetched", "C2.US": "fetched", odd: "refused" if len(odd) > 40 else "unknown"}


@pytest.mark.parametrize("odd", ['{"code": 7}', '{"code": null}', "{}", "null", "7", "[[]]"])
def test_a_listed_row_that_names_no_code_is_left_out(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    body = f'[{{"code": "A"}}, {odd}, {{"code": "B"}}]'.encode()
    assert read_codes(Answer(200, {}, body)) == ["A", "B"]
    assert "1 of 3 listed rows name no code" in caplog.text


@pytest.mark.parametrize("page", [answer(404, b"<html>Not found</html>"), answer(200, b"<html>Welcome</html>")])
def test_a_url_without_api_is_told_as_what_it_is(page: bytes) -> None:
    told = "whose URL ends with /api. Set ETL_SOURCE_URL to http://127.0.0.1:"
    with scripted(lambda *_: page) as server:
        url = server.url.removesuffix("/api")
        found = run(url, CODES)
        with pytest.raises(ConfigurationError, match=told):
            listed(url)
    assert isinstance(found.stopped_by, ConfigurationError)
    assert told in str(found.stopped_by)


def listed(url: str) -> list[str]:
    async def codes() -> list[str]:
        async with Http(limits_of()) as http:
            return await Eodhd(http, url, "demo").codes("US", date(2024, 6, 3))

    return asyncio.run(codes())
