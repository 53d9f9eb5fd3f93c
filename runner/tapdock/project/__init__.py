"""Read the project file: from YAML text to checked, frozen values. Start reading at `load.py`."""
