"""A local server that speaks the EODHD end-of-day API: simulated prices, or a folder of real ones.

It answers as the vendor documents it, with tokens, plans, limits and costs, and on demand with every fault that a
source can have. `python -m tasks.extract.sample_market` starts it from a shell, `serve` in the process.
"""

from tasks.extract.sample_market.csv_folder import CsvFolder
from tasks.extract.sample_market.dialect import Dialect
from tasks.extract.sample_market.faults.faults import Faults
from tasks.extract.sample_market.faults.revisions import revisions
from tasks.extract.sample_market.market import Dividend, Market, Split
from tasks.extract.sample_market.service.accounts import DEMO, FREE, OPEN, PAID, Accounts, Plan
from tasks.extract.sample_market.service.server import Served, serve
from tasks.extract.sample_market.simulation.simulated_market import SimulatedMarket

__all__ = [
    "DEMO",
    "FREE",
    "OPEN",
    "PAID",
    "Accounts",
    "CsvFolder",
    "Dialect",
    "Dividend",
    "Faults",
    "Market",
    "Plan",
    "Served",
    "SimulatedMarket",
    "Split",
    "revisions",
    "serve",
]
