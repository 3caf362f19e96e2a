"""Whenever a run that takes vendor files is killed, starting it again ends as if nothing had happened."""

import random
from pathlib import Path

import pytest

from tests.flows.vendor_file.vendors import Values, Vendors, days, means, wide_csv, wide_xlsx, without_empty
from tests.kills import PATIENCE, kill_at
from tests.servers.azurite import Azurite, azurite

__all__ = ["azurite"]

DATES = days(12)
# A file for each place in the program; one is refused, and one has cells for quarantine.
SERIES: dict[str, Values] = {
    name: {f"{name}{n}": {day: round(n + i * 1.25, 2) for i, day in enumerate(DATES)} for n in range(1, 20)}
    for name in ("a", "b", "c", "d")
}
BAD = "ISIN,31/01/2024,Total\nA,1,2\n"
TEXT = "ISIN,31/01/2024,01/02/2024\nA,1.5,soon\n"


def drop_all(vendors: Vendors) -> None:
    for name in ("a", "b", "c"):
        vendors.drop(f"{name}/file.csv", wide_csv(SERIES[name]))
    rows = [[code, "plc", *of_code.values()] for code, of_code in SERIES["d"].items()]
    vendors.drop("d/file.xlsx", wide_xlsx([["ISIN", "Name", *DATES], *rows]))
    vendors.drop("bad/file.csv", BAD)
    vendors.drop("text/file.csv", TEXT)


def assert_as_undisturbed(vendors: Vendors) -> None:
    expected = {name: without_empty(values) for name, values in SERIES.items()}
    found, found_means = vendors.values(), vendors.values("vendor_measures")
    assert found.pop("text").keys() == found_means.pop("text").keys() == {"A"}
    assert found == expected
    for name, values in SERIES.items():
        for code, of_code in means(values, 5).items():
            assert found_means[name][code] == pytest.approx(of_code, rel=1e-9)
    assert vendors.shelved("failed").keys() == {"bad/file.csv"}
    done = vendors.shelved("done")
    assert done.keys() == {"a/file.csv", "b/file.csv", "c/file.csv", "d/file.xlsx", "text/file.csv"}
    assert vendors.quarantined().select("file", "text").rows() == [("text/file.csv", "soon")]
    # What a dead run has claimed is forgotten after a day.
    assert [path for path in vendors.paths() if not path.startswith(("done/", "failed/", "_claims/"))] == []
    stored, measures = vendors.stored()
    assert stored.height == measures.height == 4 * 19 * len(DATES) + 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("backend", "kills"), [("local", 5), ("azure", 3)])
def test_a_killed_run_started_again_is_as_one_undisturbed(
    request: pytest.FixtureRequest, prefect_api: str, tmp_path: Path, backend: str, kills: int
) -> None:
    """Moments are told by what the run has logged. Claims of the dead end by themselves, which is not waited for."""

    def made(name: str) -> Vendors:
        url = str(tmp_path / name / "lake")
        if backend == "azure":
            server: Azurite = request.getfixturevalue("azurite")
            url = server.empty_lake()
        vendors = Vendors(tmp_path / name, url)
        drop_all(vendors)
        return vendors

    undisturbed, log = made("undisturbed"), tmp_path / "undisturbed.log"
    assert run(undisturbed, prefect_api, log) == 1, log.read_text()  # for the file that is refused
    assert_as_undisturbed(undisturbed)
    lines = log.read_bytes().count(b"\n")
    seed = random.SystemRandom().randrange(1_000_000)
    dice = random.Random(seed)
    killed = 0
    for number in range(kills):
        vendors, log = made(f"killed-{number}"), tmp_path / f"{number}.log"
        # One moment in each stretch of the run, that all of it is met.
        line, seconds = round(2 + (lines * 0.7 - 2) * (number + dice.random()) / kills), dice.uniform(0, 0.1)
        killed += kill_at(vendors.start(prefect_api, log, "--dates-in-mean", "5"), log, line, seconds)
        vendors.lapse()
        again = tmp_path / f"{number}-again.log"
        run(vendors, prefect_api, again)
        try:
            assert_as_undisturbed(vendors)
        except AssertionError as error:
            said = f"Killed {seconds:.3f} s after line {line} of {lines} (seed {seed}):\n{log.read_text()}"
            raise AssertionError(f"{said}\n{again.read_text()}") from error
    assert killed >= kills / 2, "most runs ended before they were killed, so that this shows nothing"


def run(vendors: Vendors, api: str, log: Path) -> int:
    return vendors.start(api, log, "--dates-in-mean", "5").wait(PATIENCE)
