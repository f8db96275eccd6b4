"""Limits of connections that are not in the recorded transcripts."""
import pytest

from harness import Client, Refused, config


def test_connections_that_never_say_who_they_are_are_bounded(start):
    s = start(cfg=config(client={"unauthenticated_limit": 2}, threads=2))
    silent = [Client(s, connect=False) for _ in range(2)]
    with pytest.raises(Refused) as refused:
        Client(s, connect=False)
    assert refused.value.status == 503
    silent[0].call("connect")
    known = Client(s)  # there is room again, and completed connects do not count
    assert [v for k, v in s.metrics().items() if k.startswith('peal_node_client_connection_limit') and 'unauthenticated' in k] == [1.0]
    for c in silent + [known]:
        c.close()
