"""The project file, from YAML text to checked and frozen values; `load.py` puts it together."""
