"""Find connectors by name in Airbyte's registry and in MeltanoHub, and write them into a project file."""
