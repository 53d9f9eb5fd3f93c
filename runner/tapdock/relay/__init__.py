"""The data of one run: its named pipes, the pump between them, the supervisor and its verdict."""
