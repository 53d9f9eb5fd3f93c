"""Dagster assets for the pipelines of a project: `tapdock[dagster]`. The only module that imports Dagster."""

import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from tapdock.errors import UsageError
from tapdock.protocol.patterns import escaped

__all__ = ["load_assets"]

_NOT_RETRIED = (2, 5)
"""Exit codes of failures that a retry does not change: the project, and messages that cannot be translated."""
_STOP_SECONDS = 60
_NOT_ALLOWED = re.compile(r"\W+", re.ASCII)


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """How the runs of a pipeline are started. `streams` are the names of its streams by the key of their asset."""

    command: Sequence[str]
    pipeline: str
    streams: Mapping[dg.AssetKey, tuple[str | None, str]]
    is_partitioned: bool

    def words(self, context: dg.AssetExecutionContext) -> list[str]:
        words = [*self.command, "run", self.pipeline, "--json"]
        if context.selected_asset_keys != set(self.streams):
            chosen = sorted(self.streams[key] for key in context.selected_asset_keys)
            words += [f"--select={_pattern(namespace, stream)}" for namespace, stream in chosen]
        if self.is_partitioned:
            window = context.partition_time_window
            words += ["--from", window.start.isoformat(), "--to", window.end.isoformat()]
        return words

    def perform(self, context: dg.AssetExecutionContext) -> Iterator[Any]:
        """Run tapdock, yield its materializations, and raise Failure if it failed or a stream is not complete."""
        wanted = context.selected_asset_keys
        names = {_full(*self.streams[key]): key.to_escaped_user_string() for key in wanted}
        with dg.open_pipes_session(
            context=context,
            context_injector=dg.PipesTempFileContextInjector(),
            message_reader=dg.PipesTempFileMessageReader(),
            extras={"tapdock": {"assets": names}},
        ) as session:
            environ = {**os.environ, **session.get_bootstrap_env_vars()}
            code, output = _ended(self.words(context), environ)
        found = session.get_results(implicit_materializations=False)
        yield from found
        if code:
            raise _failure(code, output)
        if missing := wanted - {each.asset_key for each in found}:
            keys = ", ".join(sorted(key.to_user_string() for key in missing))
            raise dg.Failure(f"the run succeeded, but reported nothing about {keys}")


def load_assets(
    project: str | Path,
    *,
    pipelines: Iterable[str] | None = None,
    environment: str | None = None,
    key_prefix: Sequence[str] = (),
    partitions: Mapping[str, dg.PartitionsDefinition[str]] | None = None,
    retries: int = 2,
    retry_seconds: float = 300,
    command: Sequence[str] = (sys.executable, "-P", "-m", "tapdock"),
) -> list[dg.AssetsDefinition]:
    """Return the assets of a project: one for each stream of its pipelines, in groups that a subset can be run of.

    The streams are those that `tapdock list` knows. A pipeline without known streams has no assets: a warning names it,
    and if it is one of `pipelines`, UsageError is raised. The key of an asset is the target, the namespace and the name
    in the target, behind `key_prefix`. `partitions` are time partitions by pipeline: each is run as a window of its
    source. A failed run is tried again `retries` times, unless its exit code is 2 or 5.
    """
    base = [*command, "--project", str(project), *(["--environment", environment] if environment else [])]
    wanted = None if pipelines is None else list(pipelines)
    listed = [each for each in _listed(base) if wanted is None or each["name"] in wanted]
    if unknown := set(wanted or ()) - {each["name"] for each in listed}:
        raise UsageError(f"there is no pipeline `{sorted(unknown)[0]}` in {project}", hint="`tapdock list` shows them")
    found: list[dg.AssetsDefinition] = []
    for each in listed:
        if each["streams"]:
            found.append(_assets(each, base, key_prefix, (partitions or {}).get(each["name"]), retries, retry_seconds))
            continue
        problem, hint = _no_assets(each)
        if wanted is not None:
            raise UsageError(problem, hint=hint)
        warnings.warn(f"{problem}, so it has no assets: {hint}", stacklevel=2)
    return found


def _no_assets(pipeline: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a pipeline has no assets, and a hint."""
    name = pipeline["name"]
    if "matrix" in pipeline:
        hint = "start its rows with `tapdock run`, which reports to Dagster by Pipes"
        return f"pipeline `{name}` has a matrix, of which the rows are not assets", hint
    return f"the streams of pipeline `{name}` are not known yet", f"`tapdock run {shlex.quote(name)}` finds them"


def _listed(base: Sequence[str]) -> list[dict[str, Any]]:
    """Return the pipelines that `tapdock list --json` prints. Raises UsageError if it fails."""
    ended = subprocess.run([*base, "list", "--json"], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise UsageError(f"the project could not be listed: {ended.stderr.strip()}")
    listed: list[dict[str, Any]] = json.loads(ended.stdout)["pipelines"]
    return listed


def _assets(
    pipeline: Mapping[str, Any],
    base: Sequence[str],
    prefix: Sequence[str],
    partitions: dg.PartitionsDefinition[str] | None,
    retries: int,
    seconds: float,
) -> dg.AssetsDefinition:
    name = pipeline["name"]
    streams = {_key(pipeline, each, prefix): (each["namespace"], each["stream"]) for each in pipeline["streams"]}
    run = _Run(command=base, pipeline=name, streams=streams, is_partitioned=partitions is not None)
    identifier = _NOT_ALLOWED.sub("_", name)

    @dg.multi_asset(
        name=f"tapdock_{identifier}",
        specs=[_spec(pipeline, key, stream) for key, stream in zip(streams, pipeline["streams"], strict=True)],
        can_subset=True,
        group_name=identifier,
        pool=f"tapdock_{_NOT_ALLOWED.sub('_', pipeline['source'])}",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        retry_policy=dg.RetryPolicy(max_retries=retries, delay=seconds),
    )
    def assets(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from run.perform(context)

    return assets


def _spec(pipeline: Mapping[str, Any], key: dg.AssetKey, stream: Mapping[str, Any]) -> dg.AssetSpec:
    about = {"pipeline": pipeline["name"], "source": pipeline["source"], "target": pipeline["target"]}
    keys = [".".join(path) for path in stream["key"]]
    return dg.AssetSpec(
        key=key,
        description=f"stream {_full(stream['namespace'], stream['stream'])} of {pipeline['source']}",
        metadata={**about, "key": keys, "cursor": ".".join(stream["cursor"])},
        kinds={"tapdock"},
        skippable=True,  # of a failed run, only the streams that are complete are materialized
    )


def _key(pipeline: Mapping[str, Any], stream: Mapping[str, Any], prefix: Sequence[str]) -> dg.AssetKey:
    own = stream["target_name"] or stream["stream"]
    return dg.AssetKey([*prefix, pipeline["target"], *([stream["namespace"]] if stream["namespace"] else []), own])


def _ended(words: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command and return its exit code and its stdout. If Dagster stops the step, the command is stopped."""
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            process.terminate()  # the target finishes what it has received, and its state is saved
            try:
                process.communicate(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return process.returncode, output


def _failure(code: int, output: str) -> dg.Failure:
    try:
        error = json.loads(output)["error"] or {}
    except (ValueError, TypeError, KeyError):
        error = {}
    text = "; ".join(part for part in (error.get("message"), error.get("hint")) if part) or "see the log of this step"
    return dg.Failure(
        f"tapdock failed with exit code {code}: {text}",
        metadata={"exit_code": code},
        allow_retries=code not in _NOT_RETRIED,
    )


def _pattern(namespace: str | None, stream: str) -> str:
    return ".".join(escaped(part) for part in (namespace, stream) if part)


def _full(namespace: str | None, stream: str) -> str:
    return f"{namespace}.{stream}" if namespace else stream
