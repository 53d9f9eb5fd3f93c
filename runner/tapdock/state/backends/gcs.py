"""State in a bucket of Google Cloud Storage."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests.exceptions
from google.api_core import exceptions
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tapdock.errors import Conflict, StateError, UsageError
from tapdock.state.backends import keys
from tapdock.state.backends.base import Stored, changed_meanwhile
from tapdock.state.backends.keys import Codec
from tapdock.state.backends.leases import Timing
from tapdock.state.backends.limits import LARGEST, Body, listed, require_small
from tapdock.state.backends.remote import Remote

__all__ = ["GcsStore", "open_uri"]

_SECONDS = 10
_LOG_IN = (
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's file"
)


def open_uri(uri: str, folder: Path, *, lease_seconds: float, codec: Codec = keys.OURS) -> Remote:
    """Return the backend of `gs://bucket/prefix?project=…`. It finds credentials as Google's own tools do.

    Raises UsageError if they cannot be used.
    """
    del folder
    place = keys.place(uri, known=("project",))
    project = place.options.get("project")
    try:
        if os.environ.get("STORAGE_EMULATOR_HOST"):
            client = storage.Client(project=project or "emulator", credentials=AnonymousCredentials())
        else:
            client = storage.Client(project=project)
    except (auth.GoogleAuthError, OSError) as error:
        raise UsageError(f"gs://{place.bucket} cannot be used: {error}", hint=_LOG_IN) from error
    return Remote(GcsStore(client, place.bucket, place.prefix, codec), Timing(seconds=lease_seconds))


class GcsStore:
    """Objects below `prefix`. A version is a generation."""

    never = "1"
    largest = LARGEST

    def __init__(self, client: Any, bucket: str, prefix: str, codec: Codec) -> None:
        self._bucket = client.bucket(bucket)
        self._prefix = prefix
        self._codec = codec

    @property
    def uri(self) -> str:
        return f"gs://{self._bucket.name}/{self._prefix}".rstrip("/")

    def read(self, name: str) -> Stored | None:
        """Return one generation of an object. If it is replaced between the two requests, both are repeated."""
        with self._told(name, "read"):
            key = self._codec.key_of(self._prefix, name)
            while found := self._bucket.get_blob(key, timeout=_SECONDS, retry=None):
                blob = self._bucket.blob(key)  # without the link in `found`, which may point to another server
                body = Body(f"`{name}` in {self.uri}", largest=self.largest)
                require_small(found.size, f"`{name}` in {self.uri}", largest=self.largest)
                only = {"if_generation_match": found.generation, "timeout": _SECONDS, "retry": None}
                try:
                    blob.download_to_file(body, **only)
                except (exceptions.NotFound, exceptions.PreconditionFailed):
                    continue
                return Stored(body.getvalue(), str(found.generation))
            return None

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        with self._told(name, "save"):
            try:
                return self._put(name, body, if_generation_match=int(expected or 0))
            except exceptions.PreconditionFailed as error:
                raise changed_meanwhile(name, self.uri) from error

    def overwrite(self, name: str, body: bytes) -> str:
        with self._told(name, "save"):
            return self._put(name, body)

    def _put(self, name: str, body: bytes, **condition: int) -> str:
        blob = self._bucket.blob(self._codec.key_of(self._prefix, name))
        blob.upload_from_string(body, content_type="application/json", timeout=_SECONDS, retry=None, **condition)
        return str(blob.generation)

    def list(self, prefix: str) -> list[str]:
        with self._told(prefix, "list"):
            beginning = keys.beginning(self._prefix, prefix)
            pages = self._bucket.list_blobs(prefix=beginning, timeout=_SECONDS, retry=None).pages
            blobs = listed(pages, f"`{prefix}` in {self.uri}")
            found = [self._codec.name_of(self._prefix, blob.name) for blob in blobs]
        return [name for name in found if name is not None and name.startswith(prefix)]

    def remove(self, name: str) -> None:
        with self._told(name, "remove"):
            try:
                self._bucket.blob(self._codec.key_of(self._prefix, name)).delete(timeout=_SECONDS, retry=None)
            except exceptions.NotFound:
                pass

    @contextmanager
    def _told(self, name: str, action: str) -> Iterator[None]:
        what = f"cannot {action} `{name}` in {self.uri}"
        try:
            yield
        except Conflict:
            raise
        except exceptions.NotFound as error:
            hint = f"`gcloud storage buckets create gs://{self._bucket.name}` creates it"
            raise StateError(f"{what}: there is no bucket `{self._bucket.name}`", hint=hint) from error
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            hint = f"the account needs the role Storage Object User for this bucket; {_LOG_IN}"
            raise StateError(f"{what}: {error.message}", hint=hint) from error
        except exceptions.GoogleAPICallError as error:
            code = int(error.code or 0)
            hint = "check the status of its server"
            raise StateError(
                f"{what}: {error.message}", hint=hint, retryable=code in (408, 429) or code >= 500
            ) from error
        except auth.TransportError as error:
            raise StateError(f"{what}: {error}", hint="check that Google can be reached", retryable=True) from error
        except auth.GoogleAuthError as error:
            raise StateError(f"{what}: {error}", hint=_LOG_IN) from error
        except requests.exceptions.RequestException as error:
            raise StateError(f"{what}: {error}", hint="check that its server can be reached", retryable=True) from error
