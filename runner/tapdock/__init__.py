"""tapdock runs Airbyte and Singer connectors as containers and moves data between any two of them."""

__all__ = ["__version__"]

__version__ = "0.1.0"
