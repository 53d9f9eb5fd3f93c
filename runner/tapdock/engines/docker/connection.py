"""Connect to the engine at an address, or raise an error with the reason and the next step."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.utils import kwargs_from_env

from tapdock.errors import EngineError

__all__ = ["SOCKET", "is_rootless", "opened"]

SOCKET = "unix:///var/run/docker.sock"


class _Client(docker.APIClient):
    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Trust only the CA in DOCKER_CERT_PATH: by default, `requests` would prefer REQUESTS_CA_BUNDLE."""
        verify = self.verify if verify is None else verify
        settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
        return {**settings, "verify": verify}


def opened(address: str) -> Any:
    """Return a client of the engine. Raises EngineError with the next step."""
    try:
        return _Client(**_arguments(address), version="auto", timeout=60)
    except docker.errors.TLSParameterError as error:
        raise _untrusted(
            address, f"there are no keys in {os.environ.get('DOCKER_CERT_PATH') or '~/.docker'}"
        ) from error
    except (docker.errors.DockerException, OSError) as error:
        raise _unreachable(address, error) from error


def _arguments(address: str) -> dict[str, Any]:
    if not address.startswith("ssh://"):
        return dict(kwargs_from_env())
    from tapdock.engines.docker import tunnel

    return {"base_url": tunnel.opened(address)}


def _unreachable(address: str, error: Exception) -> EngineError:
    if "Permission denied" in str(error) and not address.startswith("unix://"):
        hint = "check the permissions of the files in DOCKER_CERT_PATH"
        return EngineError(f"the keys for the Docker Engine at {address} cannot be read", hint=hint)
    if "Permission denied" in str(error):
        hint = _how_to_be_let_in(Path(address.removeprefix("unix://")))
        return EngineError(f"no permission to use the Docker Engine at {address}", hint=hint)
    if "to an HTTPS server" in str(error):
        hint = "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem"
        return EngineError(f"the Docker Engine at {address} requires TLS", hint=hint)
    root = list(_causes(error))[-1]
    if "certificate" in str(root).lower():
        return _untrusted(address, str(root))
    return EngineError(f"no Docker Engine answers at {address}", hint="start it, or name another with DOCKER_HOST")


def _untrusted(address: str, why: str) -> EngineError:
    hint = "set DOCKER_CERT_PATH to a folder with the engine's ca.pem, and with cert.pem and key.pem that it trusts"
    return EngineError(f"TLS with the Docker Engine at {address} failed: {why}", hint=hint)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _how_to_be_let_in(path: Path) -> str:
    """Return a hint how to get access to the socket: through its group, or as root if no group has access."""
    import grp

    try:
        found = path.stat()
        number, closed = found.st_gid, found.st_gid == 0 or not found.st_mode & stat.S_IWGRP
    except PermissionError:
        return f"only root can open {path.parent}; for a socket of your own: `systemctl --user start podman.socket`"
    except OSError:
        number, closed = 0, True
    if closed:
        return f"only root has access; allow a group: `sudo chgrp docker {path} && sudo chmod g+rw {path}`"
    try:
        group = grp.getgrgid(number).gr_name
    except KeyError:
        group = str(number)
    return f"run `sudo usermod -aG {group} $USER`, then log in again; in a container, use `--group-add {group}`"


def is_rootless(info: Mapping[str, Any]) -> bool:
    """Return True if an engine runs without the rights of root, by its own description of itself."""
    return any("rootless" in option for option in info.get("SecurityOptions") or [])
