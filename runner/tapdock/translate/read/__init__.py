"""Read the output of sources and destinations, line by line."""
