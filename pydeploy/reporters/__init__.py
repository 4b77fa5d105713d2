"""Telling people.  Building a message is not sending it.

`report` is what there is to tell, `reading` makes it of a result or a record, `message` makes
text of it, `markup` keeps a change's text from being more than text, and `gerrit` and `chat` send.
"""
