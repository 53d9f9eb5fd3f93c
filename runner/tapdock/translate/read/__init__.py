"""What sources and destinations print, line by line."""
