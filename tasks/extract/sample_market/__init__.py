"""A local server that speaks the EODHD end-of-day API: simulated prices, or a folder of real ones.

Skeleton for readers, while the modules are written (the names and signatures below are what will be importable from here):

    market = SimulatedMarket(size=5000, seed=1, as_of=date(2024, 6, 28))   # as_of: None is today, UTC; settable: market.as_of = date(...)
    market.codes("US")                    -> list[str], without suffix: all that were ever listed by as_of
    market.codes("US", date(2024, 6, 3))  -> those with a bar on that day
    market.bars("AAPL.US", first, last)   -> pl.DataFrame(date, open, high, low, close, adjusted_close, volume) | None (unknown code)
    CsvFolder(Path("prices"), as_of=None) is a market too.

    with serve(market, host="127.0.0.1", port=0, accounts=Accounts.open(), faults=Faults(), dialect=Dialect()) as served:
        served.url                  # "http://127.0.0.1:43211/api"
        served.requests.total       # int; .by_status: Counter[int]; .by_path: Counter[str], e.g. "/api/eod/AAPL.US"
        served.faults = Faults(rate_limited=0.1, dialect...)   # may be changed while it runs
        served.market, served.accounts

    Accounts({"a-token": PAID, "other": FREE, "demo": DEMO}, clock=utc_now)   # Accounts.open(): token demo, everything, no limit
    Plan(name, daily_limit, minute_limit, history_days, codes, endpoints)
    Dialect(error_body="json" | "html" | "short_json", bad_token=401 | 403, retry_after="seconds" | "date" | "none")

    Faults(seed=0, ...rates 0..1...)
      a retry heals them (seed + request + attempt; at most one per request, so the rates sum to 1 or less):
        rate_limited (429), server_error (500), bad_gateway (502, HTML), unavailable (503 with Retry-After),
        unavailable_silent (503 without), reset (connection reset), cut_off (body shorter than Content-Length),
        slow (after slow_seconds), hang (never), html_page (200, HTML), broken_json (200, complete but invalid)
      a property of the code (seed + code; at most one per code):
        unauthorized (401), quota_used_up (402), forbidden (403), not_found (404), empty_list, bare_number,
        missing_field, null_number, text_number, duplicate_records, conflicting_records, negative_price, high_below_low, outside_range
      of the row: revised (a share of bars gets another close and volume; served as consistent bars)
      parameters: slow_seconds=2.0, retry_after_seconds=60, damaged_rows=0.2 (share of the rows of a damaged code),
        lasting=("server_error", ...) passing faults that are to be decided per code instead: no retry heals them
      faults.passing(request, attempt) -> str | None; faults.of_code(code) -> str | None;
      faults.damaged(code, dates) / faults.revised_rows(code, dates) -> pl.Series of bool
    revisions(market, faults, code, first, last) -> pl.DataFrame of the rows that `revised` changes, as served
"""
