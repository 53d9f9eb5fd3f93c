#!/usr/bin/env python3
"""Starts PyAirbyte's source of smoke tests without the packages around it, which import every cache and cloud."""

import sys
import types

for name in ("airbyte", "airbyte.cli"):
    package = types.ModuleType(name)
    package.__path__ = [f"/opt/smoke/{name.replace('.', '/')}"]
    sys.modules[name] = package

from airbyte.cli.smoke_test_source.run import run  # noqa: E402 - from the packages above

run()
