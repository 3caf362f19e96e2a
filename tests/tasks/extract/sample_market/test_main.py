"""The command, as a process of its own."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tasks.extract.sample_market.__main__ import main
from tasks.extract.sample_market.faults.faults import LASTING, PASSING

COMMAND = [sys.executable, "-m", "tasks.extract.sample_market"]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the greeting it printed."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, "".join(process.stdout.readline() for _ in range(3))
        finally:
            process.kill()


def example(greeting: str) -> str:
    found = re.search(r"curl '(.*)'", greeting)
    assert found, greeting
    return found[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_greets_with_an_example_and_ends_when_told(number: signal.Signals) -> None:
    with started("--codes", "12", "--as-of", "2024-06-28") as (process, greeting):
        assert "/api serves 12 codes of US, as of 2024-06-28" in greeting
        days = [bar["date"] for bar in httpx.get(example(greeting)).json()]
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert days == ["2024-06-24", "2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28"]
    assert (process.returncode, out, err) == (0, "\n", "")


def test_it_serves_a_folder_with_tokens_and_faults(tmp_path: Path) -> None:
    (tmp_path / "XY.csv").write_text("Date,Open,High,Low,Close,Volume,Adj Close\n2024-06-28,1,2,1,2,10,2\n")
    options = "--token k-1=paid --token f=free --fault empty_list=1 --error-body html --retry-after none"
    with started("--folder", str(tmp_path), *shlex.split(options)) as (_, greeting):
        url = example(greeting)
        answer = httpx.get(url)
        assert "XY.US?api_token=k-1&" in url
        assert (answer.status_code, answer.text) == (200, "[]")
        refused = httpx.get(url.replace("k-1", "demo"))
        assert (refused.status_code, refused.headers["content-type"]) == (401, "text/html; charset=UTF-8")


def test_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    text = capsys.readouterr().out
    for word in ("--as-of", "--folder", *PASSING, *LASTING, "revised", "/admin/faults"):
        assert word in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--fault sevrer_error=1", "'sevrer_error' is no fault"),
        ("--fault reset=2", "The rate of reset is 2.0"),
        ("--fault reset", "'reset' is not NAME=RATE"),
        ("--token abc=gold", "'abc=gold' is not TOKEN=PLAN with a plan of paid, free, demo, open"),
        ("--codes 0", "A sample market of 0 codes cannot be made"),
        ("--folder nowhere", "There is no CSV file in nowhere"),
        ("--codes 1 --host 192.0.2.1", "cannot listen on 192.0.2.1"),
        ("--retry-after-seconds -1", "retry_after_seconds: Input should be greater than or equal to 0"),
        ("--as-of 1999-12-31", "The sample market begins on 2000-01-03"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], options: str, message: str
) -> None:
    try:
        code: object = main(options.split())
    except SystemExit as end:
        code = end.code

    assert code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
