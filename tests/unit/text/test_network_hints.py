"""Tests the hints for failures to reach a server, with the words of real libraries."""

import pytest

from tapdock.text.network_hints import network_hint

LOCAL, PORT, NAME, ADDRESS = "`localhost` is the container", "listens on all", "name of the host", "check the address"


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ('connection to server at "localhost" (::1), port 5432 failed: Connection refused', LOCAL),
        ("[Errno 111] Connection refused (127.0.0.1:3306)", LOCAL),
        ("dial tcp 127.0.0.1:5432: connect: connection refused", LOCAL),
        ("Connection to localhost:5432 refused. Check that the hostname and port are correct", LOCAL),
        ("connect ECONNREFUSED ::1:27017", LOCAL),
        ("Can't connect to MySQL server on '127.0.0.1:3306' (111)", LOCAL),
        ('connection to server at "10.0.0.5", port 5432 failed: Connection refused', PORT),
        ("Connection to db:5432 refused. Check that the hostname and port are correct", PORT),
        ("HTTPConnectionPool(host='api', port=80): [Errno 111] Connection refused", PORT),
        ('could not translate host name "db" to address: Name or service not known', NAME),
        ('could not translate host name "db" to address: Temporary failure in name resolution', NAME),
        ("java.net.UnknownHostException: db", NAME),
        ("getaddrinfo ENOTFOUND db", NAME),
        ("Unknown MySQL server host 'db' (-2)", NAME),
        ("socket.gaierror: [Errno -2] Name or service not known", NAME),
        ("lookup db on 127.0.0.11:53: no such host", NAME),
        ("Failed to resolve 'api.example.com' ([Errno -3] Temporary failure in name resolution)", NAME),
        ("OSError: [Errno 113] No route to host", ADDRESS),
        ('connection to server at "10.0.0.5", port 5432 failed: Connection timed out', ADDRESS),
        ("connect ETIMEDOUT 10.0.0.5:443", ADDRESS),
        ("401 Client Error: Unauthorized for url: https://localhost/api", None),
        ("the connection was closed", None),
        ('password authentication failed for user "localhost"', None),
        ('relation "hosts" does not exist', None),
        ("the request was refused by a policy", None),
        ("", None),
    ],
)
def test_a_failure_to_reach_a_server_has_its_next_step(message, hint):
    found = network_hint(message)
    assert (found is None) if hint is None else (hint in found)
