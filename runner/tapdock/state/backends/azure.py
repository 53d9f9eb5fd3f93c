"""State in a container of Azure Blob Storage."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobServiceClient

from tapdock.errors import Conflict, StateError, UsageError
from tapdock.state.backends import keys
from tapdock.state.backends.base import Stored, changed_meanwhile
from tapdock.state.backends.keys import Codec
from tapdock.state.backends.leases import Timing
from tapdock.state.backends.limits import LARGEST, Body, listed, require_small
from tapdock.state.backends.remote import Remote

__all__ = ["AzureStore", "open_uri"]

_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_ACCOUNT = "AZURE_STORAGE_ACCOUNT"
_LOG_IN = f"run `az login`, or set {_CONNECTION}"
# No retries here: `Remote` retries the requests that are safe to repeat.
_ONCE = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 10}


def open_uri(uri: str, folder: Path, *, lease_seconds: float, codec: Codec = keys.OURS) -> Remote:
    """Return the backend of `azblob://container/prefix?account=…`.

    It uses the connection string, else Azure's default credential. Raises UsageError without an account.
    """
    del folder
    place = keys.place(uri, known=("account",))
    connection = os.environ.get(_CONNECTION)
    account = place.options.get("account") or os.environ.get(_ACCOUNT)
    if connection and not place.options:
        try:
            service = BlobServiceClient.from_connection_string(connection, **_ONCE)
        except ValueError as error:
            raise UsageError(
                f"{_CONNECTION} is not a connection string: {error}", hint="copy it from the account's access keys"
            ) from error
    elif account:
        from azure.identity import DefaultAzureCredential

        address = f"https://{account}.blob.core.windows.net"
        service = BlobServiceClient(address, credential=DefaultAzureCredential(), **_ONCE)
    else:
        hint = f"add `?account=…` to {uri}, or set {_CONNECTION} or {_ACCOUNT}"
        raise UsageError(f"the state backend {uri} does not name a storage account", hint=hint)
    return Remote(AzureStore(service, place.bucket, place.prefix, codec), Timing(seconds=lease_seconds))


class AzureStore:
    """Blobs below `prefix`. A version is an ETag, which is new with each write."""

    never = '"0x0"'
    largest = LARGEST

    def __init__(self, service: Any, container: str, prefix: str, codec: Codec) -> None:
        self._client = service.get_container_client(container)
        self._prefix = prefix
        self._codec = codec

    @property
    def uri(self) -> str:
        return f"azblob://{self._client.container_name}/{self._prefix}".rstrip("/")

    def read(self, name: str) -> Stored | None:
        with self._told(name, "read"):
            try:
                key = self._codec.key_of(self._prefix, name)
                found = self._client.download_blob(key, raw_response_hook=partial(self._require_small, name))
                body = Body(f"`{name}` in {self.uri}", largest=self.largest)
                require_small(found.properties.size, f"`{name}` in {self.uri}", largest=self.largest)
                found.readinto(body)
                return Stored(body.getvalue(), found.properties.etag)
            except ResourceNotFoundError as error:
                if _is_container(error):
                    raise
                return None

    def _require_small(self, name: str, answer: Any) -> None:
        """Check the size before the library reads a part of an object: the library itself has no limit."""
        if answer.http_response.status_code >= 300:
            return  # the library raises an error for it
        length = answer.http_response.headers.get("Content-Length")
        if length is None:
            raise StateError(f"{self.uri} does not report the length of `{name}`", hint="see the log of its server")
        require_small(int(length), f"`{name}` in {self.uri}", largest=self.largest)

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        condition: dict[str, Any] = {"overwrite": False}
        if expected is not None:
            condition = {"overwrite": True, "etag": expected, "match_condition": MatchConditions.IfNotModified}
        with self._told(name, "save"):
            try:
                return self._put(name, body, **condition)
            except (ResourceExistsError, ResourceModifiedError) as error:
                raise changed_meanwhile(name, self.uri) from error
            except ResourceNotFoundError as error:
                if expected is None or _is_container(error):
                    raise
                raise changed_meanwhile(name, self.uri) from error

    def overwrite(self, name: str, body: bytes) -> str:
        with self._told(name, "save"):
            return self._put(name, body, overwrite=True)

    def _put(self, name: str, body: bytes, **condition: Any) -> str:
        blob = self._client.get_blob_client(self._codec.key_of(self._prefix, name))
        return str(blob.upload_blob(body, **condition)["etag"])

    def list(self, prefix: str) -> list[str]:
        with self._told(prefix, "list"):
            pages = self._client.list_blob_names(name_starts_with=keys.beginning(self._prefix, prefix)).by_page()
            blobs = listed(pages, f"`{prefix}` in {self.uri}")
            found = [self._codec.name_of(self._prefix, key) for key in blobs]
        return [name for name in found if name is not None and name.startswith(prefix)]

    def remove(self, name: str) -> None:
        with self._told(name, "remove"):
            try:
                self._client.delete_blob(self._codec.key_of(self._prefix, name))
            except ResourceNotFoundError as error:
                if _is_container(error):
                    raise

    @contextmanager
    def _told(self, name: str, action: str) -> Iterator[None]:
        what = f"cannot {action} `{name}` in {self.uri}"
        try:
            yield
        except Conflict:
            raise
        except ResourceNotFoundError as error:
            container = self._client.container_name
            hint = f"`az storage container create --name {container}` creates it"
            raise StateError(f"{what}: there is no container `{container}`", hint=hint) from error
        except ClientAuthenticationError as error:
            raise StateError(f"{what}: {_first_line(error)}", hint=_LOG_IN) from error
        except (ServiceRequestError, ServiceResponseError) as error:
            hint = "check that its server can be reached"
            raise StateError(f"{what}: {_first_line(error)}", hint=hint, retryable=True) from error
        except HttpResponseError as error:
            code = error.status_code or 0
            hint = (
                f"the account needs the role Storage Blob Data Contributor; {_LOG_IN}"
                if code == 403
                else "see the log of its server"
            )
            passing = code in (408, 429) or code >= 500
            raise StateError(f"{what}: {_first_line(error)}", hint=hint, retryable=passing) from error
        except AzureError as error:
            raise StateError(f"{what}: {_first_line(error)}", hint=_LOG_IN) from error


def _is_container(error: ResourceNotFoundError) -> bool:
    return getattr(error, "error_code", None) == "ContainerNotFound"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
