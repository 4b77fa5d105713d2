"""Review apps for teams that live on Gerrit, Jenkins and Docker."""

__version__ = "0.1.0.dev0"
