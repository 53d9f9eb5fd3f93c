"""One run from start to record: prepare, begin, execute, verdict, record, retries and archive."""
