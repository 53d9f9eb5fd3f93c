"""Lets packages start that were written for older releases of Python; `tapdock_shims.pth` imports it at every start."""

import collections
import collections.abc
import sys

# Removed in Python 3.10. Old Singer taps and targets use `collections.MutableMapping`.
for _name in collections.abc.__all__:
    if not hasattr(collections, _name):
        setattr(collections, _name, getattr(collections.abc, _name))

# Since 3.11 dataclasses refuse every default that cannot be hashed, and no longer only lists, dicts and sets. Airbyte's
# CDK of 2023 and 2024 has such defaults, and never changes them.
if sys.version_info >= (3, 11):
    import dataclasses

    def _lenient(refuse):
        def get_field(cls, name, *rest):
            default = getattr(cls, name, None)
            kind = type(default.default if isinstance(default, dataclasses.Field) else default)
            if kind.__hash__ is not None or issubclass(kind, (list, dict, set)):
                return refuse(cls, name, *rest)
            own = "__hash__" in vars(kind)
            try:
                kind.__hash__ = object.__hash__
            except TypeError:  # a type of Python itself
                return refuse(cls, name, *rest)
            try:
                return refuse(cls, name, *rest)
            finally:
                if own:
                    kind.__hash__ = None
                else:
                    del kind.__hash__

        return get_field

    dataclasses._get_field = _lenient(dataclasses._get_field)
