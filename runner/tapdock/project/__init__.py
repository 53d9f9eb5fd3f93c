"""The project file, from YAML text to checked values; `tapdock.project.load` puts it together."""
