"""Renderers: what other schedulers need to start runs, as the texts of files."""
