"""The endpoints of the API: who asks is checked, what is asked for is looked up, what is to go wrong goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tasks.extract.sample_market.dialect import CSV, JSON, Dialect
from tasks.extract.sample_market.faults.damage import spoilt
from tasks.extract.sample_market.faults.faults import OF_RECORDS
from tasks.extract.sample_market.faults.injection import Injection, outside
from tasks.extract.sample_market.faults.revisions import bars_as_served
from tasks.extract.sample_market.market import Market
from tasks.extract.sample_market.service import encoding
from tasks.extract.sample_market.service.accounts import BULK, EOD, USER, Account, Accounts
from tasks.extract.sample_market.service.bulk import Record, bar_record, dividend_records, split_records
from tasks.extract.sample_market.service.query import BulkQuery, EodQuery, Format, RefusedError
from tasks.sessions.trading_days import last_session

CODES_AT_A_TIME = 20  # of a bulk answer, between which others are served


class Service:
    """`market`, `dialect` and the faults of `injection` may be exchanged while it serves."""

    def __init__(self, market: Market, accounts: Accounts, dialect: Dialect, injection: Injection) -> None:
        self.market = market
        self.accounts = accounts
        self.dialect = dialect
        self.injection = injection

    async def eod(self, request: Request) -> Response:
        return await self._guarded(request, EOD, self._eod)

    async def bulk(self, request: Request) -> Response:
        return await self._guarded(request, BULK, self._bulk)

    async def user(self, request: Request) -> Response:
        return await self._guarded(request, USER, self._user)

    async def _guarded(
        self, request: Request, endpoint: str, produce: Callable[[Request, Account], Awaitable[Response]]
    ) -> Response:
        account = self.accounts.of(request.query_params.get("api_token", ""))
        try:
            response = await produce(request, self._admitted(account, endpoint))
        except RefusedError as refused:
            response = self._refusal(refused)
        response.headers["X-RateLimit-Limit"] = str(account.minute_limit if account else 1000)
        response.headers["X-RateLimit-Remaining"] = str(account.minute_remaining if account else 1000)
        return response

    def _refusal(self, refused: RefusedError) -> Response:
        body, media = self.dialect.error(refused.status, refused.message)
        return Response(body, refused.status, refused.headers, media)

    def _admitted(self, account: Account | None, endpoint: str) -> Account:
        if account is None:
            raise RefusedError(self.dialect.bad_token, "Unauthenticated: the api_token is missing or not known.")
        if not account.admit():
            wait = self.dialect.retry_after_header(60, self.accounts.clock())
            raise RefusedError(429, "Too many requests: the limit of this minute is used up.", wait)
        if endpoint not in account.plan.endpoints:
            raise RefusedError(403, f"Forbidden: the {account.plan.name} plan does not have {endpoint}.")
        return account

    async def _eod(self, request: Request, account: Account) -> Response:
        query = EodQuery.of(request)
        if account.plan.codes is not None and query.code not in account.plan.codes:
            raise RefusedError(403, f"Forbidden: the {account.plan.name} plan does not have {query.code}.")
        _afford(account, 1)
        fault = self.injection.due(request, query.code)
        if refusal := self.injection.refusal(fault, self.dialect, self.accounts.clock()):
            account.charge(1 if fault == "not_found" else 0)
            return refusal
        account.charge(1)
        try:
            answer = _response(self._eod_body(query, account, fault), query.fmt)
        except RefusedError as refused:  # an unknown code, whose answer may be lost on the way as well
            answer = self._refusal(refused)
        return self.injection.spoil(fault, answer, request)

    def _eod_body(self, query: EodQuery, account: Account, fault: str | None) -> bytes:
        faults = self.injection.faults
        first, last = max(query.first, account.first_day(self.market.as_of)), query.last
        if fault == "outside_range":
            first, last = outside(first, last)
        bars = bars_as_served(self.market, faults, query.code, first, last)
        if bars is None:
            raise RefusedError(404, "Ticker Not Found.")
        if fault == "empty_list":
            bars = bars.clear()
        bars = encoding.by_period(bars, query.period)
        if query.last_value or fault == "bare_number":
            return encoding.last_value(bars, query.last_value or "close")
        if query.order == "d":
            bars = bars.reverse()
        if fault in OF_RECORDS:
            body = encoding.records_body(spoilt(fault, faults, query.code, bars), query.fmt)
        else:
            body = encoding.bars_body(bars, query.fmt)
        limited = account.plan.history_days is not None and query.fmt == "json"
        return encoding.with_warning(body) if limited else body

    async def _bulk(self, request: Request, account: Account) -> Response:
        query = BulkQuery.of(request)
        cost = 100 + len(query.names)
        _afford(account, cost)
        fault = self.injection.due(request, query.exchange)
        if refusal := self.injection.refusal(fault, self.dialect, self.accounts.clock()):
            return refusal
        listed = self.market.codes(query.exchange)
        if not listed:
            raise RefusedError(404, "Exchange Not Found.")
        account.charge(cost)
        day = query.day or last_session(query.exchange, self.market.as_of)
        records: list[Record] = []
        for number, name in enumerate(query.names or listed):
            records.extend(self._bulk_records(query, name, day))
            if number % CODES_AT_A_TIME == 0:
                await asyncio.sleep(0)
        answer = _response(encoding.records_body(records, query.fmt), query.fmt)
        return self.injection.spoil(fault, answer, request)

    def _bulk_records(self, query: BulkQuery, name: str, day: date) -> Iterable[Record]:
        if query.actions == "splits":
            return split_records(self.market, query.exchange, name, day)
        if query.actions == "dividends":
            return dividend_records(self.market, query.exchange, name, day)
        faults = self.injection.faults
        record = bar_record(self.market, faults, query.exchange, name, day, extended=query.extended)
        return [record] if record else []

    async def _user(self, request: Request, account: Account) -> Response:  # noqa: ARG002 - as the others
        return _response(msgspec.json.encode(account.as_user()), "json")


def _afford(account: Account, calls: int) -> None:
    if not account.affords(calls):
        raise RefusedError(402, "Payment required: the calls of this day are used up. They are reset at midnight GMT.")


def _response(body: bytes, fmt: Format) -> Response:
    return Response(body, media_type=JSON if fmt == "json" else CSV)
