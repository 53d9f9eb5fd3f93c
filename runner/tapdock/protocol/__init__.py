"""The two wire formats: Airbyte and Singer messages, repair of damaged lines, catalogs and answers."""
