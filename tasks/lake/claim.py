"""Claims: for as long as a run renews its claim to something, no other run takes that.

A claim is a small file that is swapped by compare-and-swap, and holds until a time that its holder moves on. Who dies
stops moving it. A claim saves double work; what is done under it must come out right without it too, because a holder
that was only slow may come back."""

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.errors import EtlError
from tasks.lake.store import Store

_FORGOTTEN = timedelta(days=1)
_log = logging.getLogger(__name__)


class _Claim(BaseModel):
    model_config = ConfigDict(frozen=True)

    what: str
    run: str
    token: str  # of this claim alone
    until: AwareDatetime


class Claims:
    """All in one folder of the store. Times are by the clocks of the machines, which must agree to some seconds."""

    def __init__(self, store: Store, folder: str, lease: timedelta, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._folder = folder
        self._lease = lease
        self._clock = clock

    @contextmanager
    def held(self, what: str, run: str) -> Iterator[bool]:
        """Whether the claim is this run's until the context ends; if not, it is another run's."""
        path = f"{self._folder}/{hashlib.sha256(what.encode()).hexdigest()[:20]}.json"
        token = secrets.token_hex(8)
        mine = _Claim(what=what, run=run, token=token, until=self._clock())
        if not self._won(path, mine):
            yield False
            return
        try:
            with self._renewed(path, mine):
                yield True
        finally:
            self._release(path, mine)

    def forget_old(self) -> None:
        """Removes claims of runs that died long ago."""
        for entry in list(self._store.entries(f"{self._folder}/")):
            if self._clock() - entry.modified > _FORGOTTEN:
                self._store.delete(entry.path)

    def _won(self, path: str, mine: _Claim) -> bool:
        stored = self._store.read(path)
        held = _Claim.model_validate_json(stored.data) if stored else None
        # A run that was started again, as Prefect and Azure Batch do, does not wait for itself.
        if held and held.run != mine.run and held.until > self._clock():
            return False
        return self._store.swap(path, self._extended(mine), stored.etag if stored else None)

    def _renew(self, path: str, mine: _Claim) -> bool:
        """False: the claim is not this run's any more."""
        stored = self._store.read(path)
        if stored is None or _Claim.model_validate_json(stored.data).token != mine.token:
            return False
        return self._store.swap(path, self._extended(mine), stored.etag)

    def _release(self, path: str, mine: _Claim) -> None:
        if self._renew(path, mine):  # else it is another run's by now
            self._store.delete(path)

    def _extended(self, mine: _Claim) -> bytes:
        return mine.model_copy(update={"until": self._clock() + self._lease}).model_dump_json().encode()

    @contextmanager
    def _renewed(self, path: str, mine: _Claim) -> Iterator[None]:
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(self._lease.total_seconds() / 4):
                try:
                    if not self._renew(path, mine):
                        _log.warning("The claim to %s was lost: another run takes it too", mine.what)
                        return
                except EtlError as error:
                    _log.warning("The claim to %s could not be renewed: %s", mine.what, error)

        thread = threading.Thread(target=renew, name="lake-claim", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
