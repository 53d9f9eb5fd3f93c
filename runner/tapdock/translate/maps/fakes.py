"""The name `fake` of expressions: generators of the package `faker`, which is imported only when `fake` is used."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tapdock.errors import UsageError
from tapdock.translate.maps.limits import Fault

__all__ = ["fake_method", "new_fake"]

_LONGEST = 2_000
"""The largest number in an argument, because most of them are lengths."""
_NUMBERS = {"pyint", "random_int", "unix_time", "pyfloat", "pydecimal"}
"""Methods whose arguments are numbers and not lengths."""
_REFUSED = {
    *("binary", "image", "json_bytes", "tar", "zip"),  # bytes
    *("csv", "dsv", "fixed_width", "json", "psv", "pystr_format", "tsv", "xml"),  # call other generators
    *("enum", "get_words_list", "pyobject", "pytimezone", "time_series"),  # objects that are not values
    *("pydict", "pyiterable", "pylist", "pyset", "pystruct", "pytuple"),  # of any type
}


def new_fake(config: Mapping[str, Any] | None) -> Any:
    """Return a Faker with the seed and the locale of `faker_config`. Raises UsageError if it cannot be used."""
    try:
        from faker import Faker
    except ModuleNotFoundError as error:
        hint = "install it with `pip install 'tapdock[faker]'`"
        raise UsageError("the name `fake` in an expression requires the package `faker`", hint=hint) from error
    seed, locale = _checked(config or {})
    try:
        fake = Faker(locale)
    except AttributeError as error:
        hint = "use a locale of Faker such as `en_US` or `de_DE`"
        raise UsageError(f"faker_config: `locale` is not known to Faker: `{locale}`", hint=hint) from error
    if seed is not None:
        fake.seed_instance(seed)
    return fake


def _checked(config: Mapping[str, Any]) -> tuple[int | float | str | None, str | list[str] | None]:
    """Return the seed and the locale. A misspelled seed would give other values in each run."""
    unknown = sorted(set(config) - {"seed", "locale"})
    if unknown:
        raise UsageError(f"faker_config: `{unknown[0]}` is not a setting", hint="the settings are `seed` and `locale`")
    seed, locale = config.get("seed"), config.get("locale")
    if seed is not None and not isinstance(seed, int | float | str):
        raise UsageError("faker_config: `seed` is not a number or a text", hint="for example `seed: 5`")
    names = locale if isinstance(locale, list) else [locale]
    if locale is not None and not (names and all(isinstance(name, str) for name in names)):
        raise UsageError("faker_config: `locale` is not a text or a list of texts", hint="for example `locale: de_DE`")
    return seed, locale


def fake_method(fake: Any, name: str) -> Callable[..., Any] | None:
    """Return a generator of Faker with limited arguments, or None if it does not exist or is not allowed."""
    if name in _REFUSED or name.startswith("_"):
        return None
    if not any(callable(getattr(provider, name, None)) for one in fake.factories for provider in one.providers):
        return None
    largest = None if name in _NUMBERS else _LONGEST

    def generate(*values: Any, **named: Any) -> Any:
        values = tuple(_limited(value, largest) for value in values)
        named = {key: _limited(value, largest) for key, value in named.items()}
        return getattr(fake, name)(*values, **named)

    return generate


def _limited(value: Any, largest: int | None) -> Any:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, int | float):
        if largest is not None and abs(value) > largest:
            raise Fault(f"an argument of Faker must be at most {largest:,}")
    elif isinstance(value, str | list | tuple | dict | set) and len(value) > _LONGEST:
        raise Fault(f"an argument of Faker has more than {_LONGEST:,} characters or items")
    return value
