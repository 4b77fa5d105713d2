"""Why an engine cannot be reached, in few words, and what to do about it."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydeploy.config.site import Engine

# The first that fits.
_SSH = {
    "Host key verification failed": "its key is unknown to this user: compare it with the "
    "machine's (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then add it to known_hosts",
    "administratively prohibited": "sshd there needs `AllowStreamLocalForwarding yes`",
    "open failed": "the user there may not use the engine's socket, or it is elsewhere: add the "
    "user to the group `docker`, or write ssh://machine/path/of/docker.sock",
    "Permission denied": "give this user a key that the machine lets in, without a passphrase or "
    "by an agent ($SSH_AUTH_SOCK); nobody is asked",
    "Could not resolve": "correct its name in site.yml, or in ~/.ssh/config",
    "no ssh on PATH": "install openssh-client",
}
_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "who signed its certificate, and for this name? see ca.pem in",
    "ALERT": "it does not let this certificate in: who signed it, until when? see cert.pem in",
    "alert": "it does not let this certificate in: who signed it, until when? see cert.pem in",
}


def reason(problem: BaseException) -> str:
    """What was at the bottom of it; above are only names of libraries."""
    while True:
        inner = [getattr(problem, "reason", None), *getattr(problem, "args", ())]
        causes = [one for one in (*inner, problem.__cause__) if isinstance(one, BaseException)]
        if not causes:
            return _words(problem)
        problem = causes[0]


def _words(problem: BaseException) -> str:
    words = getattr(problem, "strerror", None) or str(problem).rpartition(": ")[2]
    return str(words) or type(problem).__name__


def hint(settings: Engine, why: str) -> str:
    """What the operator does next."""
    scheme = urlsplit(settings.host).scheme
    for sign, advice in _SSH.items():
        if scheme == "ssh" and sign in why:
            return advice
    for sign, advice in _TLS.items():
        if settings.tls and sign in why:
            return f"{advice} {settings.tls}"
    if scheme == "unix":
        return "see that Docker runs there: `pydeploy doctor`"
    return "see that the machine is up, Docker runs there, and no firewall is between"
