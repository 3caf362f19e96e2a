"""What ETL_WAREHOUSE_URL may be, and what is told of it when it is wrong."""

import pytest

from tasks.errors import ConfigurationError
from tasks.load.warehouse import open_warehouse


@pytest.mark.parametrize("password", ["S3cr@et0", "S3@cr/et0", "S3@cr:et0", "S3/@cr#@et0"])
@pytest.mark.parametrize("scheme", ["postgresql", "mssql", "odbc+postgresql"])
def test_an_unescaped_at_in_a_password_is_told_and_not_shown(scheme: str, password: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ETL_WAREHOUSE_URL .*@.*%40") as refusal:
        open_warehouse(f"{scheme}://etl:{password}@127.0.0.1:1/prices")
    assert not any(part in str(refusal.value) for part in ("S3", "cr", "et0"))
    assert refusal.value.__cause__ is None
