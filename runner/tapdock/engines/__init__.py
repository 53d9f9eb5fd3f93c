"""Where containers run: one interface, a Docker and a local engine behind it, and the launcher in each container."""
