"""Jenkins driven from outside: jobs, triggers, queue items, builds, consoles.

`values` has what is handed around, `jobs` looks, `trigger` asks for a build (`once` not twice),
`following` and `waiting` take it through the queue to its result, `console` streams its log,
`stopping` ends it.  All of them take a `clients.jenkins.Jenkins`, which is for one thread:

    jenkins = Jenkins.of_site(site)
    asked = trigger.trigger(jenkins, Request(job="docs/hello", parameters={"BRANCH": "master"}))
    build = following.follow(jenkins, asked, Patience.of(3600, say), on_line=post)
"""
