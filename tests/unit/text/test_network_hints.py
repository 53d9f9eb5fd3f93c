"""Tests the hints for failures to reach a server or to log in to it, with the words of real drivers."""

import pytest

from tapdock.text.network_hints import network_hint

LOCAL, PORT, NAME, ADDRESS = "`localhost` is the container", "listens on all", "name of the host", "check the address"
V6 = 'connection to server at "localhost" (::1), port 5432 failed: '
V4 = 'connection to server at "localhost" (127.0.0.1), port 5432 failed: '
NO_IPV6 = f"{V6}Cannot assign requested address\n\tIs the server running on that host?\n{V4}Connection refused"
BOTH = f'{V6}Connection refused\n{V4}FATAL:  password authentication failed for user "x"'
PASSWORD, DATABASE, GATEWAY = "the password in `config`", "name of the database", "add `extra_hosts:"


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
        (NO_IPV6, LOCAL),
        ('connection to server at "localhost" (::1), port 5432 failed: Cannot assign requested address', LOCAL),
        ("Can't connect to MySQL server on 'localhost' ([Errno 99] Cannot assign requested address)", LOCAL),
        ("Failed to establish a new connection: [Errno 99] Cannot assign requested address", LOCAL),
        ("connect EADDRNOTAVAIL ::1:5432", LOCAL),
        ("Can't connect to server on 'localhost' (99)", LOCAL),
        ("Can't connect to local MySQL server through socket '/run/mysqld/mysqld.sock' (2)", LOCAL),
        ('connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: No such file or directory', LOCAL),
        ("The TCP/IP connection to the host localhost, port 1433 has failed. Error: Connection refused.", LOCAL),
        ("Unable to connect: TDS server is unavailable or does not exist (localhost)", LOCAL),
        ("localhost:27017: [Errno 111] Connection refused (configured timeouts: …), Timeout: 30s", LOCAL),
        ('Could not connect to the endpoint URL: "http://localhost:9000/b"', LOCAL),
        ("Net-Lib error during Connection refused (111)", PORT),
        ("Can't connect to MySQL server on 'db:3306' (111)", PORT),
        ("ORA-12541: TNS:no listener", PORT),
        ("The TCP/IP connection to the host db, port 1433 has failed. Error: UnknownHostException", NAME),
        ("failed to resolve host 'db': [Errno -2] Name or service not known", NAME),
        ("db:27017: [Errno -2] Name or service not known (configured timeouts: …)", NAME),
        ("getaddrinfo ENOTFOUND host.docker.internal", GATEWAY),
        ("Can't connect to MySQL server on '10.0.0.5' (timed out)", ADDRESS),
        ('connection to server at "10.0.0.5", port 5432 failed: timeout expired', ADDRESS),
        ("Connection to api.example.com timed out. (connect timeout=5)", ADDRESS),
        ("Communications link failure. The last packet sent successfully was 0 ms ago", ADDRESS),
        ("HikariPool-1 - Connection is not available, request timed out after 60001ms", ADDRESS),
        ('Could not connect to the endpoint URL: "https://s3.nowhere.amazonaws.com/b"', ADDRESS),
        ('FATAL:  password authentication failed for user "localhost"', PASSWORD),
        ("fe_sendauth: no password supplied", PASSWORD),
        ("server requested SCRAM-based authentication, but no password was provided.", PASSWORD),
        ("(1045, \"Access denied for user 'shop'@'172.17.0.3' (using password: YES)\")", PASSWORD),
        ("Access denied for user 'root'@'localhost' (using password: NO)", PASSWORD),
        ("Login failed for user 'sa'.", PASSWORD),
        ("pymongo.errors.OperationFailure: Authentication failed., full error: {'ok': 0.0, 'code': 18}", PASSWORD),
        ("bad auth : authentication failed", PASSWORD),
        ("250001 (08001): Failed to connect to DB: x:443. Incorrect username or password was specified.", PASSWORD),
        ("An error occurred (InvalidAccessKeyId) when calling the ListBuckets operation: …", PASSWORD),
        ("Unable to locate credentials", PASSWORD),
        ("ORA-01017: invalid username/password; logon denied", PASSWORD),
        (BOTH, PASSWORD),
        ('connection to server at "localhost", port 5432 failed: FATAL:  database "shp" does not exist', DATABASE),
        ("(1049, \"Unknown database 'shp'\")", DATABASE),
        ('Cannot open database "shp" requested by the login. The login failed.', DATABASE),
        ("002043 (02000): Database 'SHP' does not exist or not authorized.", DATABASE),
        ("An error occurred (NoSuchBucket) when calling the PutObject operation: …", DATABASE),
        ("Listener refused the connection: ORA-12514", DATABASE),
        ("the connection to the pool was kept, but its token was refused", None),
        ("failed to resolve the reference `#/definitions/a`", None),
        ("no such host group: web", None),
        ("unknown host key for db", None),
        ("Invalid value for the connection timeout: localhost", None),
        ("`connect_timeout` must be a number", None),
        ("Access denied for user 'shop'@'%' to database 'shop'", None),
        ('DROP DATABASE: database "x" does not exist', None),
        ("bind: Cannot assign requested address", None),
        ("unknown databases are ignored", None),
        ("the login failed for 3 users", None),
        ("authentication failed", None),
        ('relation "hosts" does not exist', None),
        ("the request was refused by a policy", None),
        ("", None),
    ],
)
def test_a_failure_to_reach_a_server_has_its_next_step(message, hint):
    found = network_hint(message)
    assert (found is None) if hint is None else (hint in found)
