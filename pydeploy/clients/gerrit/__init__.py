"""Gerrit, the only door to it: by REST or by SSH, whichever the site has.

`model` is what both speak of, `rest` and `ssh` are the two doors, `door` chooses.
"""
