"""`site.yml` (the operator's) and `pydeploy.yml` (the team's); a key lives in exactly one."""
