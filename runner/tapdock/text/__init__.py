"""Text for people: secrets are redacted, and nothing in it can control a terminal or a CI log."""
