"""State in a bucket of S3, or of any server with the same protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tapdock.errors import Conflict, StateError, UsageError
from tapdock.state.backends import keys
from tapdock.state.backends.base import Stored, changed_meanwhile
from tapdock.state.backends.keys import Codec
from tapdock.state.backends.leases import Timing
from tapdock.state.backends.limits import LARGEST, Body, listed, require_small
from tapdock.state.backends.remote import NoConditions, Remote

__all__ = ["S3Store", "open_uri"]

_OPTIONS = ("endpoint", "region", "profile")
_MISSING = {"NoSuchKey", "404", "NotFound"}
_OVERTAKEN = {"PreconditionFailed", "412"}
_UNKNOWN = {"NotImplemented", "501"}
_REFUSED = {
    "AccessDenied",
    "403",
    "Forbidden",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AccountProblem",
}
_PASSING = {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ConditionalRequestConflict"}
_CHUNK = 1 << 16
_LOG_IN = "`aws sts get-caller-identity` shows which credentials are used: variables, a profile or an instance role"


def open_uri(uri: str, folder: Path, *, lease_seconds: float, codec: Codec = keys.OURS) -> Remote:
    """Return the backend of `s3://bucket/prefix?endpoint=https://…&region=…&profile=…`.

    It finds credentials as Amazon's own tools do. Raises UsageError for an unusable endpoint or profile.
    """
    del folder
    place = keys.place(uri, known=_OPTIONS)
    try:
        session = boto3.Session(profile_name=place.options.get("profile"), region_name=place.options.get("region"))
        client = session.client(
            "s3",
            endpoint_url=place.options.get("endpoint"),
            config=Config(
                retries={"total_max_attempts": 1},  # only `Remote` retries, where it is safe
                connect_timeout=5,
                read_timeout=10,
                request_checksum_calculation="when_required",  # servers other than Amazon's may not support them
                response_checksum_validation="when_required",
            ),
        )
    except (ValueError, BotoCoreError) as error:
        raise UsageError(f"s3://{place.bucket} cannot be used: {error}", hint=_LOG_IN) from error
    return Remote(S3Store(client, place.bucket, place.prefix, codec), Timing(seconds=lease_seconds))


class S3Store:
    """Objects below `prefix`. A version is an ETag, which is different for different bodies."""

    never = f'"{"0" * 32}"'
    largest = LARGEST

    def __init__(self, client: Any, bucket: str, prefix: str, codec: Codec) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._codec = codec

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def read(self, name: str) -> Stored | None:
        with self._told(name, "read"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=self._codec.key_of(self._prefix, name))
                body = Body(f"`{name}` in {self.uri}", largest=self.largest)
                require_small(found.get("ContentLength", 0), f"`{name}` in {self.uri}", largest=self.largest)
                for chunk in found["Body"].iter_chunks(_CHUNK):
                    body.write(chunk)
                return Stored(body.getvalue(), found["ETag"])
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

    def write(self, name: str, body: bytes, *, expected: str | None) -> str:
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        with self._told(name, "save"):
            try:
                return self._put(name, body, **condition)
            except ClientError as error:
                # With If-Match, servers answer 404 or 412 for a removed object.
                if _code(error) in _OVERTAKEN or (expected and _code(error) in _MISSING):
                    raise changed_meanwhile(name, self.uri) from error
                if _code(error) in _UNKNOWN:
                    raise NoConditions(f"{self.uri} refuses conditional writes") from error
                raise

    def overwrite(self, name: str, body: bytes) -> str:
        with self._told(name, "save"):
            return self._put(name, body)

    def _put(self, name: str, body: bytes, **condition: str) -> str:
        key = self._codec.key_of(self._prefix, name)
        return str(self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **condition)["ETag"])

    def list(self, prefix: str) -> list[str]:
        with self._told(prefix, "list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=keys.beginning(self._prefix, prefix)
            )
            objects = listed((page.get("Contents", []) for page in pages), f"`{prefix}` in {self.uri}")
            found = [self._codec.name_of(self._prefix, each["Key"]) for each in objects]
        return [name for name in found if name is not None and name.startswith(prefix)]

    def remove(self, name: str) -> None:
        with self._told(name, "remove"):
            self._client.delete_object(Bucket=self._bucket, Key=self._codec.key_of(self._prefix, name))

    @contextmanager
    def _told(self, name: str, action: str) -> Iterator[None]:
        what = f"cannot {action} `{name}` in {self.uri}"
        try:
            yield
        except (Conflict, NoConditions):
            raise
        except ClientError as error:
            raise _explained(what, error, self._bucket) from error
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise StateError(f"{what}: {error}", hint=_LOG_IN) from error
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
            raise StateError(f"{what}: {error}", hint="check that its server can be reached", retryable=True) from error
        except BotoCoreError as error:
            raise StateError(f"{what}: {error}", hint=_LOG_IN) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _explained(what: str, error: ClientError, bucket: str) -> StateError:
    code = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = error.response.get("Error", {}).get("Message") or code
    if code == "NoSuchBucket":
        return StateError(f"{what}: there is no bucket `{bucket}`", hint=f"`aws s3 mb s3://{bucket}` creates it")
    if code in _REFUSED:
        hint = f"the account needs permission to list, get, put and delete objects; {_LOG_IN}"
        return StateError(f"{what}: {code}: {said}", hint=hint)
    passing = code in _PASSING or status == 429 or status >= 500
    return StateError(f"{what}: {code}: {said}", hint="check the status of its server", retryable=passing)
