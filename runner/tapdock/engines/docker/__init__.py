"""The engine that speaks the Docker API: connection, containers, images, builds, and removal of leftovers."""
