"""Saved states: envelopes with their fence, previous versions, formats of other runners, and the backends."""
