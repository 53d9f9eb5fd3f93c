"""What a target is sent: one stream on its way, with the rules that rewrite its records."""
