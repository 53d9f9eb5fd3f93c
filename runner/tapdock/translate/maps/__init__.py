"""Stream maps: expressions that change the records of a stream, and functions that protect personal data."""
