"""`python -m tasks.extract.sample_market`: the sample market on a port, until Ctrl-C."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from tasks.errors import ConfigurationError
from tasks.extract.sample_market.csv_folder import CsvFolder
from tasks.extract.sample_market.dialect import Dialect
from tasks.extract.sample_market.faults.faults import LASTING, PASSING, Faults
from tasks.extract.sample_market.market import Market
from tasks.extract.sample_market.service.accounts import OPEN, PLANS, Accounts, Plan
from tasks.extract.sample_market.service.admin import in_words
from tasks.extract.sample_market.service.server import Served, serve
from tasks.extract.sample_market.simulation.instruments import MOST_CODES
from tasks.extract.sample_market.simulation.simulated_market import SimulatedMarket
from tasks.sessions.trading_days import sessions


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        market = _market(options)
        tokens = dict(options.token) or {"demo": OPEN}
        faults = Faults(seed=options.fault_seed, **dict(options.fault), **_set(options, *_FAULT_OPTIONS))
        dialect = Dialect(**_set(options, *_DIALECT_OPTIONS))
        with serve(
            market, host=options.host, port=options.port, accounts=Accounts(tokens), faults=faults, dialect=dialect
        ) as served:
            sys.stdout.write(_greeting(served, options.exchange, next(iter(tokens))))
            sys.stdout.flush()
            _wait()
    except (ConfigurationError, ValidationError) as error:
        sys.stderr.write(f"{in_words(error)}\n")
        return 2
    return 0


_FAULT_OPTIONS = ("slow_seconds", "retry_after_seconds", "damaged_rows")
_DIALECT_OPTIONS = ("error_body", "bad_token", "retry_after")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.extract.sample_market",
        description="Serve the EODHD end-of-day API from this machine: simulated prices, or a folder of real ones.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8099, help="port to listen on, 0 for a free one (default: %(default)s)")
    add(
        "--codes", type=int, default=5000, help=f"how many codes to simulate, up to {MOST_CODES} (default: %(default)s)"
    )
    add("--seed", type=int, default=1, help="of the simulation: another seed, other prices (default: %(default)s)")
    add("--exchange", default="US", help="suffix of the codes, whose holidays are kept (default: %(default)s)")
    add(
        "--as-of",
        type=date.fromisoformat,
        metavar="DATE",
        help="the day it is: nothing later is known (default: today)",
    )
    add("--folder", type=Path, help="serve CODE.csv files of this folder in place of a simulation")
    add("--token", type=_token, action="append", default=[], metavar="TOKEN=PLAN", help=_TOKEN_HELP)
    add(
        "--fault", type=_rate, action="append", default=[], metavar="NAME=RATE", help="turn on a fault; may be repeated"
    )
    add("--fault-seed", type=int, default=0, help="another seed, other requests that fail (default: %(default)s)")
    add("--slow-seconds", type=float, help="how late a slow answer is (default: 2)")
    add("--retry-after-seconds", type=int, help="what an injected 429 or 503 asks for (default: 60)")
    add("--damaged-rows", type=float, help="share of a code's records that its fault spoils (default: 0.2)")
    add("--error-body", choices=["json", "short_json", "html"], help="what an error's body is (default: json)")
    add("--bad-token", type=int, choices=[401, 403], help="status for an unknown token (default: 401)")
    add("--retry-after", choices=["seconds", "date", "none"], help="how a 429 says when (default: seconds)")
    return parser


_TOKEN_HELP = f"let this token in, with the plan {', '.join(PLANS)}; may be repeated (default: demo=open)"

_EPILOG = f"""faults, each with a rate from 0 to 1:
  a retry heals: {", ".join(PASSING[:6])},
    {", ".join(PASSING[6:])}
  a property of the code: {", ".join(LASTING[:6])},
    {", ".join(LASTING[6:11])},
    {", ".join(LASTING[11:])}
  a property of the bar: revised

While it runs, /admin shows and changes it, without a token:
  curl -X POST localhost:8099/admin/faults -d '{{"rate_limited": 0.1, "missing_field": 0.01}}'
  curl -X DELETE localhost:8099/admin/faults
  curl -X POST localhost:8099/admin/market -d '{{"as_of": "2024-06-28"}}'
  curl localhost:8099/admin/requests      (also: /admin/dialect)
"""


def _market(options: argparse.Namespace) -> Market:
    if options.folder:
        return CsvFolder(options.folder, as_of=options.as_of, exchange=options.exchange)
    return SimulatedMarket(options.codes, seed=options.seed, exchange=options.exchange, as_of=options.as_of)


def _greeting(served: Served, exchange: str, token: str) -> str:
    market = served.market
    names = market.codes(exchange)
    week = sessions(exchange, date(market.as_of.year - 1, 1, 1), market.as_of)[-5:]
    query = f"api_token={token}&fmt=json&from={week[0]}&to={week[-1]}"
    return (
        f"{served.url} serves {len(names)} codes of {exchange}, as of {market.as_of}. Ctrl-C ends it.\n\n"
        f"  curl '{served.url}/eod/{names[0]}.{exchange}?{query}'\n"
    )


def _wait() -> None:
    """Returns at Ctrl-C, or a polite kill. Shells start background jobs with SIGINT ignored, so that is set too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        sys.stdout.write("\n")


def _set(options: argparse.Namespace, *names: str) -> dict[str, object]:
    """The options that were given."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _token(text: str) -> tuple[str, Plan]:
    token, _, plan = text.rpartition("=")
    if not token or plan not in PLANS:
        raise argparse.ArgumentTypeError(f"{text!r} is not TOKEN=PLAN with a plan of {', '.join(PLANS)}")
    return token, PLANS[plan]


def _rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    if name not in (*PASSING, *LASTING, "revised"):
        raise argparse.ArgumentTypeError(f"{name!r} is no fault; they are listed below the options of --help")
    try:
        return name, float(rate)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=RATE with a rate from 0 to 1") from None


if __name__ == "__main__":
    sys.exit(main())
