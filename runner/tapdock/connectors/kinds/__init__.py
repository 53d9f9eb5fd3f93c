"""The kinds of connectors: make a `Launch` for a command of a protocol; the table of quirks of known connectors."""
