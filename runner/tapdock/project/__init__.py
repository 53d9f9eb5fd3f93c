"""The project file, from YAML text to checked values; `tapdock.load` puts it together."""
