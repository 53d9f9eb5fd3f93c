"""Everything about one connector: image, kind, settings, streams, selection, rotated config, and wrapped taps."""
