"""The survey of connectors: `scripts/survey` runs it."""
