"""Wrapped taps: the build of a Singer tap image from an Airbyte source image, and the program inside it."""
