"""Engines run containers: one interface, a Docker and a local engine, and the launcher in each container."""
