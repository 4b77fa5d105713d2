"""One module per command, each with one `command`: read flags, call the core, print."""
