"""End-of-day closes in Azurite, for the benchmarks of the lake: ours, and what the SDK alone does with them."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import dataframely as dy
import numpy as np
import polars as pl
from azure.storage.blob import BlobServiceClient
from pydantic import SecretStr

from tasks.datasets import Dataset
from tasks.lake import Change, Lake, LakeCredentials, SnapshotRef, open_lake, parquet
from tests.servers.azurite import client, running_azurite

AT_ONCE = 4  # transfers of the SDK
PEERS = "peers"  # their container


class Close(dy.Schema):
    date = dy.Date()
    code = dy.String()
    close = dy.Float64()


CLOSES = Dataset("closes", "published", Close, sort=("date", "code"), period="date")


@dataclass(frozen=True)
class Size:
    codes: int
    dates: int
    recent: int  # dates


SIZE = Size(codes=5_000, dates=2_000, recent=50)
TINY = Size(codes=20, dates=10, recent=2)


@dataclass(frozen=True)
class Blobs:
    """A running Azurite with an empty lake, and the rows that go into it. `made` numbers what is written."""

    lake: Lake
    client: BlobServiceClient
    rows: pl.DataFrame
    made: Iterator[int]

    def publish(self) -> SnapshotRef:
        written = self.lake.update(CLOSES, f"run={next(self.made)}", lambda _: Change([self.rows], ()), "benchmark")
        assert written
        return written

    def encoded(self) -> list[bytes]:
        """The same files as ours, in memory."""
        files = []
        for piece in self.rows.iter_slices(parquet.ROWS_PER_FILE):
            file = io.BytesIO()
            parquet.write(piece, file)
            files.append(file.getvalue())
        return files

    def upload(self, files: Sequence[bytes]) -> list[str]:
        """Their names in the peers' container."""
        names = [f"{next(self.made)}.parquet" for _ in files]
        for name, data in zip(names, files, strict=True):
            self.client.get_blob_client(PEERS, name).upload_blob(data, max_concurrency=AT_ONCE)
        return names

    def upload_file(self, path: Path) -> str:
        name = f"{next(self.made)}{path.suffix}"
        with path.open("rb") as file:
            self.client.get_blob_client(PEERS, name).upload_blob(file, max_concurrency=AT_ONCE)
        return name

    def download(self, container: str, name: str) -> bytes:
        return self.client.get_blob_client(container, name).download_blob(max_concurrency=AT_ONCE).readall()


@contextmanager
def blobs(size: Size) -> Iterator[Blobs]:
    with TemporaryDirectory() as folder, running_azurite(Path(folder)) as server:
        account = server.account()
        lake = open_lake(account.url, LakeCredentials(account_key=SecretStr(account.key)))
        with client(account) as service:
            service.create_container(PEERS)
            yield Blobs(lake, service, _rows(size), count())


def _rows(size: Size) -> pl.DataFrame:
    """Closes that walk at random, in cents, sorted as the lake wants them: by date, then code."""
    random = np.random.default_rng(1)
    steps = random.normal(0, 0.02, (size.dates, size.codes)).cumsum(axis=0)
    closes = (random.lognormal(3, 1, size.codes) * np.exp(steps)).round(2)
    days = pl.Series([date(2016, 1, 4) + timedelta(days=n) for n in range(size.dates)])
    codes = pl.Series([f"C{n:05d}.US" for n in range(size.codes)])
    every, each = np.repeat(np.arange(size.dates), size.codes), np.tile(np.arange(size.codes), size.dates)
    frame = pl.DataFrame({"date": days.gather(every), "code": codes.gather(each), "close": closes.ravel()})
    return frame.cast(dict(CLOSES.polars_schema.items())).rechunk()
