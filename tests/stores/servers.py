"""Runs real servers for states, each in a container with a port on this machine."""

import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.images import CHECKOUT, base_image, made
from engines.project import wait_for
from tapdock.engines import owner

HERE = Path(__file__).parent
PASSWORD = f"pass{secrets.token_hex(8)}"
ANYBODY = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "anything", "AWS_DEFAULT_REGION": "us-east-1"}
AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint={address}/devstoreaccount1;"
)


def own_image(name: str) -> str:
    """Return the name of an image of images/, after it was built."""
    script = CHECKOUT / "scripts" / "images"
    return subprocess.run([script, name], check=True, capture_output=True, text=True).stdout.strip()


def other_s3(api: Any) -> str:
    files = {"Dockerfile": (HERE / "other-s3" / "Dockerfile").read_bytes()}
    return made(api, "tapdock-test/other-s3", files, {"BASE_IMAGE": base_image()})


@contextmanager
def served(api: Any, image: str, port: int, **options: Any) -> Iterator[Any]:
    """Yield the container. `options` are those of the engine's API. `port_of` returns its port."""
    container = api.create_container(
        image,
        ports=[port],
        labels={"io.tapdock.test": "stores", "io.tapdock.owner": owner.mine()},
        host_config=api.create_host_config(port_bindings={port: ("127.0.0.1", None)}, init=True),
        **options,
    )
    try:
        api.start(container)
        yield container
    finally:
        api.remove_container(container, force=True, v=True)


def port_of(api: Any, container: Any, port: int) -> int:
    return int(api.port(container, port)[0]["HostPort"])


@contextmanager
def by_http(api: Any, image: str, port: int, **options: Any) -> Iterator[str]:
    """Return the address of the server, after it has given any answer."""
    with served(api, image, port, **options) as container:
        address = f"http://127.0.0.1:{port_of(api, container, port)}"
        wait_for(lambda: _answers(address), f"{image} at {address}")
        yield address


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def postgres(api: Any) -> Iterator[str]:
    """Return the URI of a database, after it accepts connections."""
    with served(api, own_image("warehouse"), 5432, environment={"POSTGRES_PASSWORD": PASSWORD}) as container:
        wait_for(lambda: api.inspect_container(container)["State"]["Health"]["Status"] == "healthy", "PostgreSQL")
        yield f"postgresql://tapdock:{PASSWORD}@127.0.0.1:{port_of(api, container, 5432)}/warehouse"


@dataclass(frozen=True)
class Made:
    """Makes the URI of a place from a unique name, on the server at `address`."""

    address: str
    uri: Callable[[str], str]

    def __call__(self, name: str) -> str:
        return self.uri(name)


@contextmanager
def buckets(address: str) -> Iterator[Made]:
    """Return a maker of prefixes in one bucket of an S3 server."""
    import boto3

    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="states")
    yield Made(address, lambda name: f"s3://states/{name}?endpoint={address}")


@contextmanager
def containers(address: str) -> Iterator[Made]:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(AZURITE.format(address=address)) as service:
        service.create_container("states").close()
    yield Made(address, lambda name: f"azblob://states/{name}")


@contextmanager
def google(address: str) -> Iterator[Made]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    storage.Client(project="test", credentials=AnonymousCredentials()).create_bucket("states")
    yield Made(address, lambda name: f"gs://states/{name}")


@contextmanager
def schemas(uri: str) -> Iterator[Made]:
    import psycopg

    def made(name: str) -> str:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f'CREATE SCHEMA "{name}"')
        return f"{uri}?options=-csearch_path%3D{name}"

    yield Made(uri, made)
