import pytest


def test_an_account_is_new(batch_account):
    with batch_account.client() as client:
        assert list(client.list_pools()) == []


@pytest.mark.batch_emulator(speed=0, pools=1)
def test_a_throttled_call_is_repeated(batch_account, batch_controls):
    batch_controls.inject("throttled", operation="list_jobs", times=1, retry_after=0)
    with batch_account.client() as client:
        assert list(client.list_jobs()) == []
    assert batch_controls.admin("calls")["statuses"]["list_jobs"] == {"200": 1, "429": 1}
    batch_controls.advance("PT1H")
