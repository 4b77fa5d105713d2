"""Gerrit's own work, asked for by a command; what is told to it is in `reporters`."""
