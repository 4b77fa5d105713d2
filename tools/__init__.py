"""What makes a release of pydeploy; not part of the package."""
