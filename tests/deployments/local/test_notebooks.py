"""The notebooks of `flows/notebooks`, as they are, against production on this machine."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from polars.testing import assert_frame_equal

from tasks.extract.sample_market import SimulatedMarket
from tests.deployments.local.stack import Stack

NOTEBOOKS = Path(__file__).parents[3] / "flows" / "notebooks"
FIRST, LAST = date(2023, 7, 1), date(2024, 6, 28)
CODES = ("AAPL.US", "TSLA.US")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_keeps_no_outputs(path: Path) -> None:
    cells = [cell for cell in read(path.stem).cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_a_backfill(backfilled: list[dict[str, Any]], stack: Stack) -> None:
    market = SimulatedMarket(size=500)
    wanted = [
        {
            "code": code,
            "year": year,
            "sessions": bars.height,
            "first": str(bars["date"][0]),
            "last": str(bars["date"][-1]),
        }
        for code in CODES
        for year, span in ((2023, (FIRST, date(2023, 12, 31))), (2024, (date(2024, 1, 1), LAST)))
        if (bars := market.bars(code, *span)) is not None
    ]
    assert backfilled == wanted


def test_a_flow_of_the_notebook_runs_on_a_node(
    backfilled: object, stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (found,) = run("ad_hoc_flow", stack, monkeypatch, tmp_path, "moves.to_dicts()")
    expected = largest_moves(5)
    assert_frame_equal(pl.DataFrame(found).with_columns(pl.col("date").str.to_date()), expected)


def test_the_lake_is_explored(
    backfilled: object, stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    overview, weeks, price, returns = run(
        "explore_lake",
        stack,
        monkeypatch,
        tmp_path,
        "overview.to_dicts()",
        "measures.height",
        "price_chart.to_dict()",
        "return_chart.to_dict()",
    )
    assert sorted(row["code"] for row in overview) == sorted(CODES)
    assert all(row["sessions"] == 250 for row in overview)
    assert weeks == 2 * 52
    assert len(rows_of(price)) == 2 * weeks
    assert len(rows_of(returns)) == weeks - 2  # the first week has none


@pytest.fixture(scope="module")
def backfilled(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """By the notebook."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        before = stack.flow_runs("market-prices/window")
        (stored,) = run("backfill", stack, monkeypatch, tmp_path_factory.mktemp("jupyter"), "stored.to_dicts()")
        new = stack.flow_runs("market-prices/window").items() - before.items()
        assert [state for _, state in new] == ["COMPLETED", "COMPLETED"]
    return list(stored)


def run(name: str, stack: Stack, monkeypatch: pytest.MonkeyPatch, home: Path, *expressions: str) -> list[Any]:
    """What the expressions are after all cells, by JSON."""
    for variable, value in {**stack.environment(), "HOME": str(home)}.items():
        monkeypatch.setenv(variable, value)
    notebook = read(name)
    asked = "\n".join(f"print(_json.dumps({expression}, default=str))" for expression in expressions)
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json as _json\n{asked}"))  # type: ignore[no-untyped-call]
    NotebookClient(
        notebook, timeout=400, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}
    ).execute()
    return [json.loads(line) for line in notebook.cells[-1].outputs[0].text.splitlines()]


def read(name: str) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def rows_of(chart: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = chart["datasets"].values()
    return list(rows)


def largest_moves(count: int) -> pl.DataFrame:
    """Reckoned from the market itself."""
    market = SimulatedMarket(size=500)
    frames = [
        bars.select(pl.lit(code).alias("code"), "date", move=pl.col("adjusted_close").pct_change())
        for code in CODES
        if (bars := market.bars(code, FIRST, LAST)) is not None
    ]
    return pl.concat(frames).drop_nulls().top_k(count, by=pl.col("move").abs()).sort("date")
