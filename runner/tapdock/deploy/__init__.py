"""Files for other schedulers, which start tapdock: rendered as text, without acts."""
