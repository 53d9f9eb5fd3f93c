"""Catalogs of Singer taps as streams, and streams as the catalog of a wrapped tap."""
