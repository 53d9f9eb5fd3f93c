"""The kinds of connectors: from a command of a protocol to a `Launch`, and quirks of single connectors."""
