"""The tool's side of the Jenkins steps in vars/.

A step hands over its name and arguments as JSON, and gets two files back:

    PYDEPLOY_STEP    {"step": "deploy", "arguments": {"ttl": "3d", ...}}   → `arguments`, `facts`
    PYDEPLOY_RESULT  a folder, for result.json and result.properties       → `folder`, `outcome`

In between runs the ordinary command, with the flags that `table` names.
"""
