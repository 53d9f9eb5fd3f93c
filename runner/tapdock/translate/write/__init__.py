"""Write the messages for a target: each stream with the rules that rewrite its records."""
