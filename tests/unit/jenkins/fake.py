"""A small Jenkins over loopback, which keeps to what Jenkins documents and its sources do.

Sources: jenkins.io "Remote Access API", "CSRF Protection" and "Authenticating scripted clients";
in jenkinsci/jenkins the classes hudson.model.Queue (Item, WaitingItem, BlockedItem, BuildableItem,
LeftItem: forgotten five minutes after it left; doCancelItem: 204, 404, 500 where it is too late),
jenkins.model.ParameterizedJobMixIn (doBuild, doBuildWithParameters: 409, 400, the order of the
checks), hudson.model.ParametersDefinitionProperty (201 and 303 with Location, redirect to "." when
nothing was queued), SimpleParameterDefinition, ChoiceParameterDefinition, FileParameterDefinition,
hudson.model.BuildAuthorizationToken, hudson.security.csrf.CrumbFilter and DefaultCrumbIssuer (a
crumb is bound to the user and the session), jenkins.security.ApiCrumbExclusion,
AccessDeniedException3 (headers of a 403), hudson.util.HudsonIsLoading (503 and its page),
hudson.model.Executor.doStopBuild; in jenkinsci/stapler LargeText.doProgressText (X-Text-Size,
X-More-Data, CR LF) and RequestImpl (form fields of multipart bodies; ISO-8859-1 without charset,
as commons-fileupload has it); in jenkinsci/workflow-job-plugin WorkflowRun (term, kill).

Left out: permissions finer than "may read" and "may build", views, the HTML of pages.
Tests script what Jenkins cannot know: how an item goes through the queue, what a build writes.
"""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import json
import re
import secrets
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

VERSION = "2.479.3"
STARTING = (
    b"<html><head><title>Starting Jenkins</title></head><body><h1>Please wait while Jenkins is "
    b"getting ready to work</h1></body></html>"
)


@dataclass
class User:
    password: str
    api_token: str
    may_build: bool = True


@dataclass
class Build:
    number: int
    queue_id: int
    parameters: dict[str, Any]
    files: dict[str, tuple[str, bytes]]
    causes: list[dict[str, Any]]
    is_building: bool = True
    result: str | None = None
    log: bytes = b""
    coming: list[bytes] = field(default_factory=list)  # one more with each look at the log
    will_be: str = "SUCCESS"  # once nothing more comes
    is_log_gone: bool = False  # its file; the answer says then that more comes
    is_always_more: bool = False  # the same of a log that is there
    asked_to: list[str] = field(default_factory=list)  # stop, term, kill
    ends_at: str = "stop"  # the first of these that it obeys

    def go_on(self) -> None:
        if self.coming:
            self.log += self.coming.pop(0)
        if not self.coming and self.is_building and self.will_be:
            self.is_building, self.result = False, self.will_be


@dataclass
class Job:
    definitions: list[dict[str, Any]] | None = None  # none: not parameterized
    is_disabled: bool = False
    is_pipeline: bool = True
    trigger_token: str | None = None
    builds: list[Build] = field(default_factory=list)
    # What the next builds are like.
    states: tuple[str, ...] = ("left",)  # of the queue item, one more with each look at it
    coming: tuple[bytes, ...] = ()
    will_be: str = "SUCCESS"
    ends_at: str = "stop"


@dataclass
class Item:
    id: int
    job: str
    parameters: dict[str, Any]
    files: dict[str, tuple[str, bytes]]
    causes: list[dict[str, Any]]
    states: list[str]
    since: float
    state: str = "waiting"
    build: Build | None = None


@dataclass
class Request:
    """One that came in."""

    method: str
    path: str  # as on the wire, with the query
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """What goes wrong: `starting`, `drop` (no answer), `drop after` (done, no answer), `proxy 502`
    (or another status), `later 7` (429 with Retry-After), `cut` (half an answer), `hang` (answers
    late), `forgotten session`, `idle for too long` (no answer on a connection that was used
    before)."""

    kind: str
    path: str
    times: int


class FakeJenkins:
    """Serves below `/ci`; its configured root URL names another host, as behind a proxy."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.users = {"ci": User("correct horse", "11" + "ab" * 16)}
        self.jobs: dict[str, Job] = {}
        self.folders: set[str] = set()
        self.items: dict[int, Item] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.anonymous_reads = False
        self.has_crumbs = True
        self.is_quiet_down = False
        self.location = "https://jenkins.elsewhere.example/ci/"  # root URL that it believes in
        self.hang = threading.Event()
        self._sessions: set[str] = set()
        self._salt = secrets.token_hex(16)
        self._next_id = 41
        self.lock = threading.RLock()
        handler = type("Handler", (_Handler,), {"jenkins": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/ci"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()

    # -- what tests say and see ---------------------------------------------------------

    def fail(self, kind: str, path: str = ".*", times: int = 1) -> None:
        self.faults.append(Fault(kind, path, times))

    def forget_sessions(self) -> None:
        """As a restart does."""
        self._sessions.clear()
        self._salt = secrets.token_hex(16)

    def posts(self, path: str = ".*") -> list[Request]:
        return [r for r in self.requests if r.method == "POST" and re.search(path, r.path)]

    def gets(self, path: str = ".*") -> list[Request]:
        return [r for r in self.requests if r.method == "GET" and re.search(path, r.path)]

    # -- what Jenkins does --------------------------------------------------------------

    def crumb(self, user: str, session: str) -> str:
        return hashlib.sha256(f"{user};{session};{self._salt}".encode()).hexdigest()

    def session(self, cookie: str | None) -> tuple[str, bool]:
        """The session of a request, and whether it is a new one."""
        if cookie in self._sessions:
            return str(cookie), False
        fresh = f"node{secrets.token_hex(12)}"
        self._sessions.add(fresh)
        return fresh, True

    def schedule(
        self,
        name: str,
        parameters: dict[str, Any],
        files: dict[str, tuple[str, bytes]],
        causes: list[dict[str, Any]],
    ) -> tuple[Item, bool] | None:
        """The item, and whether it is a new one; None where a QueueDecisionHandler said no."""
        if self.is_quiet_down:
            return None
        for one in self.items.values():
            waits = one.state not in ("left", "cancelled", "expired")
            if one.job == name and one.parameters == parameters and waits and not files:
                one.causes += causes  # CauseAction.foldIntoExisting
                return one, False
        self._next_id += 1
        states = list(self.jobs[name].states)
        item = Item(self._next_id, name, parameters, files, causes, states, time.time())
        self.items[item.id] = item
        return item, True

    def look_at(self, item: Item) -> None:
        """The item goes on to its next state."""
        if item.states and item.state != "cancelled":
            item.state = item.states.pop(0)
        if item.state in ("left", "expired") and item.build is None:
            self.start(item)

    def start(self, item: Item) -> Build:
        job = self.jobs[item.job]
        item.build = Build(
            number=len(job.builds) + 1,
            queue_id=item.id,
            parameters=item.parameters,
            files=item.files,
            causes=item.causes,
            coming=list(job.coming),
            will_be=job.will_be,
            ends_at=job.ends_at,
        )
        job.builds.append(item.build)
        return item.build


def string(name: str, default: str = "") -> dict[str, Any]:
    return _definition("StringParameterDefinition", name, default)


def boolean(name: str, default: bool = False) -> dict[str, Any]:
    return _definition("BooleanParameterDefinition", name, default)


def choice(name: str, *choices: str) -> dict[str, Any]:
    return _definition("ChoiceParameterDefinition", name, choices[0]) | {"choices": list(choices)}


def password(name: str, default: str = "") -> dict[str, Any]:
    # Its default is never exported.
    return _definition("PasswordParameterDefinition", name, default) | {"secret": True}


def file(name: str) -> dict[str, Any]:
    return _definition("FileParameterDefinition", name, None)


def _definition(kind: str, name: str, default: Any) -> dict[str, Any]:
    return {
        "_class": f"hudson.model.{kind}",
        "name": name,
        "type": kind,
        "description": None,
        "defaultParameterValue": {"name": name, "value": default},
    }


class _Answer(Exception):
    """Ends the handling of a request."""

    def __init__(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body if isinstance(body, bytes) else body.encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def _error(status: int, message: str, **headers: str) -> _Answer:
    page = (  # layout.jelly; the word "crumb" is in each of them
        f'<html><head data-crumb-header="Jenkins-Crumb"><title>Error {status} {message}</title>'
        '</head><body class="breadcrumbs">Jenkins</body></html>'
    )
    return _Answer(status, page, X_Jenkins=VERSION, Content_Type="text/html", **headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    jenkins: FakeJenkins
    handled = 0  # on this connection

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        request = Request(self.command, self.path, dict(self.headers.items()), self.body)
        with self.jenkins.lock:
            self.jenkins.requests.append(request)
            fault = self._fault()
        if fault == "hang":
            self.jenkins.hang.wait(30)
        self.handled += 1
        if fault == "drop" or (fault == "idle for too long" and self.handled > 1):
            self.close_connection = True
            return
        with self.jenkins.lock:
            try:
                self._route(fault)
            except _Answer as given:
                answer = given
        if fault == "drop after":
            self.close_connection = True
            return
        self._send(answer, is_cut=fault == "cut")

    def _fault(self) -> str:
        for fault in self.jenkins.faults:
            if fault.times > 0 and re.search(fault.path, f"{self.command} {self.path}"):
                fault.times -= 1
                return fault.kind
        return ""

    def _send(self, answer: _Answer, *, is_cut: bool) -> None:
        self.send_response(answer.status)
        for name, value in (self._cookies | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if is_cut:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)

    # -- filters, in Jenkins' order -----------------------------------------------------

    def _route(self, fault: str) -> None:
        self._cookies: dict[str, str] = {}
        if fault == "starting":
            raise _Answer(503, STARTING, Content_Type="text/html;charset=UTF-8")
        if fault.startswith("proxy "):
            page = b"<html>Proxy Error: could not handle POST /ci/ at jenkins.example</html>"
            raise _Answer(int(fault.removeprefix("proxy ")), page)
        if fault.startswith("later "):
            raise _Answer(429, Retry_After=fault.removeprefix("later "))
        if fault == "forgotten session":
            self.jenkins.forget_sessions()
        self._authenticate()
        if self.command == "POST" and self.jenkins.has_crumbs and not self.is_api_token:
            self._check_crumb()
        path = urlsplit(self.path).path
        if not path.startswith("/ci/"):
            raise _Answer(404, b"nothing here")
        self._dispatch([unquote(part) for part in path.removeprefix("/ci/").split("/") if part])

    def _authenticate(self) -> None:
        self.user, self.is_api_token = "anonymous", False
        kind, _, pair = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return
        name, _, secret = base64.b64decode(pair).decode().partition(":")
        known = self.jenkins.users.get(name)
        if known is None or secret not in (known.password, known.api_token):
            raise _error(401, "Invalid password/token for user: " + name)
        self.user, self.is_api_token = name, secret == known.api_token

    def _session(self) -> str:
        """getSession(): makes one where the request has none."""
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        found = cookie.get("JSESSIONID.fake")
        session, is_new = self.jenkins.session(found.value if found else None)
        if is_new:
            self._cookies["Set-Cookie"] = f"JSESSIONID.fake={session}; Path=/ci; HttpOnly"
        return session

    def _check_crumb(self) -> None:
        given = self.headers.get("Jenkins-Crumb", "")
        if given != self.jenkins.crumb(self.user, self._session()):
            raise _error(403, "No valid crumb was included in the request")

    def _must_read(self) -> None:
        if self.user == "anonymous" and not self.jenkins.anonymous_reads:
            self._forbid("hudson.model.Hudson.Read")

    def _forbid(self, permission: str) -> None:
        raise _error(
            403,
            "Forbidden",
            X_You_Are_Authenticated_As=self.user,
            X_Required_Permission=permission,
        )

    # -- pages --------------------------------------------------------------------------

    def _dispatch(self, parts: list[str]) -> None:
        if parts == ["whoAmI", "api", "json"]:
            is_anonymous = self.user == "anonymous"
            self._json({"name": self.user, "anonymous": is_anonymous, "authenticated": True})
        self._must_read()
        if parts == ["crumbIssuer", "api", "json"]:
            if not self.jenkins.has_crumbs:
                raise _error(404, "Not Found")
            crumb = self.jenkins.crumb(self.user, self._session())
            self._json({"crumb": crumb, "crumbRequestField": "Jenkins-Crumb"})
        if parts[:2] == ["queue", "item"]:
            self._item(int(parts[2]))
        if parts == ["queue", "cancelItem"]:
            self._cancel()
        if parts == ["queue", "api", "json"]:
            waiting = [one for one in self.jenkins.items.values() if one.build is None]
            self._json({"items": [self._item_json(one) for one in waiting if one.state != "gone"]})
        if parts == ["api", "json"]:
            self._json({"jobs": self._children("")})
        name = []
        while parts[:1] == ["job"] and len(parts) > 1:
            name.append(parts[1])
            parts = parts[2:]
        self._job("/".join(name), parts)

    def _job(self, name: str, rest: list[str]) -> None:
        if name in self.jenkins.folders and rest == ["api", "json"]:
            self._json(self._folder_json(name))
        job = self.jenkins.jobs.get(name)
        if job is None:
            raise _error(404, "Not Found")
        if rest == ["api", "json"]:
            self._json(self._job_json(name, job))
        if self.command == "POST" and rest in (["build"], ["buildWithParameters"]):
            self._build(name, job, has_parameters=rest == ["buildWithParameters"])
        if rest and rest[0].isdecimal():
            found = [one for one in job.builds if one.number == int(rest[0])]
            if found:
                self._run(name, job, found[0], rest[1:])
        raise _error(404, "Not Found")

    # -- triggering ---------------------------------------------------------------------

    def _build(self, name: str, job: Job, *, has_parameters: bool) -> None:
        if has_parameters:  # doBuildWithParameters asks for the permission first, doBuild does not
            self._may_build(job)
        if job.is_disabled:
            raise _error(409, f"{name} is not buildable")
        if not has_parameters:
            if job.definitions is not None:
                raise _error(400, "Nothing is submitted")  # _doBuild wants a form
            self._may_build(job)
            found = self.jenkins.schedule(name, {}, {}, self._causes(job))
            self._queued(name, found, status_of_old=201)
        if job.definitions is None:
            raise _error(400, f"{name} is not parameterized")
        values, files = self._values(job.definitions)
        found = self.jenkins.schedule(name, values, files, self._causes(job))
        self._queued(name, found, status_of_old=303)

    def _may_build(self, job: Job) -> None:
        given = self._fields().get("token")
        if job.trigger_token and given:
            if given == [job.trigger_token]:
                return
            raise _error(403, "Invalid token provided.")
        if self.user == "anonymous" or not self.jenkins.users[self.user].may_build:
            self._forbid("hudson.model.Item.Build")

    def _causes(self, job: Job) -> list[dict[str, Any]]:
        fields = self._fields()
        if job.trigger_token and "token" in fields:
            return [{"note": fields.get("cause", [None])[0], "addr": "127.0.0.1"}]
        return [{"userId": self.user}]

    def _queued(self, name: str, found: tuple[Item, bool] | None, status_of_old: int) -> None:
        if found is None:
            where = f"{self.jenkins.location}job/{quote(name)}/"
            raise _Answer(302, Location=where, X_Jenkins=VERSION)
        item, is_new = found
        where = f"{self.jenkins.location}queue/item/{item.id}/"
        raise _Answer(201 if is_new else status_of_old, Location=where)

    def _values(
        self, definitions: list[dict[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
        fields, uploads = self._fields(), self._uploads()
        values: dict[str, Any] = {}
        for one in definitions:
            name, kind = one["name"], one["type"]
            if kind == "FileParameterDefinition":
                continue
            given = fields.get(name)
            if given is None:
                values[name] = one["defaultParameterValue"]["value"]
            elif len(given) != 1:
                raise _error(500, "Illegal number of parameter values")
            elif kind == "ChoiceParameterDefinition" and given[0] not in one["choices"]:
                raise _error(500, "Oops")
            else:
                is_boolean = kind == "BooleanParameterDefinition"
                values[name] = given[0].lower() == "true" if is_boolean else given[0]
        files = {one["name"]: uploads[one["name"]] for one in definitions if one["name"] in uploads}
        return values, files

    def _fields(self) -> dict[str, list[str]]:
        """Request parameters: the query's, and those of the body."""
        found = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("application/x-www-form-urlencoded"):
            found |= parse_qs(self.body.decode("ascii"), keep_blank_values=True)
        for part in self._parts():
            if part.get_filename() is None:
                charset = part.get_content_charset("iso-8859-1")
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                found.setdefault(self._name(part), []).append(content.decode(charset))
        return found

    def _uploads(self) -> dict[str, tuple[str, bytes]]:
        found = {}
        for part in self._parts():
            if part.get_filename() is not None:
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                found[self._name(part)] = (str(part.get_filename()), content)
        return found

    def _parts(self) -> list[Any]:
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            return []
        head = f"Content-Type: {kind}\r\nMIME-Version: 1.0\r\n\r\n".encode()
        parsed = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        return list(parsed.iter_parts())

    @staticmethod
    def _name(part: Any) -> str:
        return str(part["Content-Disposition"].params["name"])

    # -- queue --------------------------------------------------------------------------

    def _item(self, number: int) -> None:
        item = self.jenkins.items.get(number)
        if item is not None:
            self.jenkins.look_at(item)
        if item is None or item.state in ("expired", "gone"):
            raise _error(404, "Not Found")
        self._json(self._item_json(item))

    def _item_json(self, item: Item) -> dict[str, Any]:
        classes = {
            "waiting": ("WaitingItem", "In the quiet period. Expires in 4.9 sec"),
            "blocked": ("BlockedItem", "Build #7 is already in progress (ETA: 3 min)"),
            "buildable": ("BuildableItem", "Waiting for next available executor on ‘linux’"),
            "stuck": ("BuildableItem", "‘agent-7’ is offline"),
            "pending": ("BuildableItem", None),
            "left": ("LeftItem", None),
            "cancelled": ("LeftItem", None),
        }
        kind, why = classes[item.state]
        found: dict[str, Any] = {
            "_class": f"hudson.model.Queue${kind}",
            "id": item.id,
            "blocked": item.state == "blocked",
            "buildable": kind == "BuildableItem",
            "stuck": item.state == "stuck",
            "inQueueSince": int(item.since * 1000),
            "why": why,
            "task": {"name": item.job, "url": self._url(item.job)},
            "actions": self._actions(item.parameters, item.causes),
        }
        if kind == "BuildableItem":
            found["pending"] = item.state == "pending"
        if kind == "LeftItem":
            found["cancelled"] = item.state == "cancelled"
            number = item.build.number if item.build else 0
            url = f"{self._url(item.job)}{number}/"
            found["executable"] = {"number": number, "url": url} if item.build else None
        return found

    def _cancel(self) -> None:
        number = int(self._fields()["id"][0])
        item = self.jenkins.items.get(number)
        if item is None or item.state in ("expired", "gone"):
            raise _error(404, f"Provided id ({number}) not found")
        if item.build is not None or item.state == "cancelled":
            raise _error(500, f"Could not cancel run for id {number}")
        item.state, item.states = "cancelled", []
        raise _Answer(204)

    # -- builds -------------------------------------------------------------------------

    def _run(self, name: str, job: Job, build: Build, rest: list[str]) -> None:
        if rest == ["api", "json"]:
            if not build.coming:
                build.go_on()
            self._json(self._build_json(name, build))
        if rest == ["logText", "progressiveText"]:
            self._console(build)
        if self.command == "POST" and rest in (["stop"], ["term"], ["kill"]):
            if rest != ["stop"] and not job.is_pipeline:
                raise _error(404, "Not Found")
            build.asked_to.append(rest[0])
            if rest[0] == build.ends_at and build.is_building:
                build.is_building, build.result, build.coming = False, "ABORTED", []
                build.will_be = ""
            raise _Answer(302, Location=self._url(name))

    def _console(self, build: Build) -> None:
        build.go_on()
        start = int(self._fields().get("start", ["0"])[0])
        start = 0 if start > len(build.log) else start
        text = re.sub(rb"(?<!\r)\n", b"\r\n", build.log[start:])
        headers = {"X_Text_Size": str(len(build.log))}
        if build.is_log_gone:
            text, headers = b"", {"X_Text_Size": "0"}
        if build.is_building or build.is_log_gone or build.is_always_more:
            headers["X_More_Data"] = "true"
        raise _Answer(200, text, Content_Type="text/plain;charset=UTF-8", **headers)

    # -- JSON ---------------------------------------------------------------------------

    def _json(self, value: dict[str, Any]) -> None:
        tree = self._fields().get("tree", [""])[0]
        shown = _only(value, _parsed(tree)) if tree else value
        raise _Answer(
            200,
            json.dumps(shown),
            Content_Type="application/json;charset=utf-8",
            X_Jenkins=VERSION,
        )

    def _url(self, name: str) -> str:
        path = "/".join(f"job/{quote(part, safe='')}" for part in name.split("/"))
        return f"{self.jenkins.location}{path}/"

    def _children(self, folder: str) -> list[dict[str, Any]]:
        prefix = f"{folder}/" if folder else ""
        found = []
        for name in sorted({*self.jenkins.jobs, *self.jenkins.folders}):
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix) and name != folder:
                job = self.jenkins.jobs.get(name)
                found.append(self._job_json(name, job) if job else self._folder_json(name))
        return found

    def _folder_json(self, name: str) -> dict[str, Any]:
        return {
            "_class": "com.cloudbees.hudson.plugins.folder.Folder",
            "name": name.rsplit("/", 1)[-1],
            "url": self._url(name),
            "jobs": self._children(name),
            "property": [{}],
        }

    def _job_json(self, name: str, job: Job) -> dict[str, Any]:
        definitions = [
            {key: value for key, value in one.items() if key != "secret"}
            for one in job.definitions or []
        ]
        sections = [{"parameterDefinitions": definitions}] if job.definitions is not None else []
        builds = [self._build_json(name, one) for one in reversed(job.builds)]
        return {
            "name": name.rsplit("/", 1)[-1],
            "fullName": name,
            "url": self._url(name),
            "buildable": not job.is_disabled,
            "property": [{"_class": "jenkins.branch.BuildRetentionBranchProperty"}, *sections],
            "builds": builds,
            "lastBuild": builds[0] if builds else None,
        }

    def _build_json(self, name: str, build: Build) -> dict[str, Any]:
        return {
            "number": build.number,
            "url": f"{self._url(name)}{build.number}/",
            "building": build.is_building,
            "result": build.result,
            "queueId": build.queue_id,
            "actions": self._actions(build.parameters, build.causes),
        }

    @staticmethod
    def _actions(parameters: dict[str, Any], causes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        shown = [{"name": name, "value": value} for name, value in parameters.items()]
        return [{"parameters": shown}, {"causes": causes}, {}]


# -- `tree=a,b[c]{0,5}` (org.kohsuke.stapler.export.NamedPathPruner) -----------------------

_Tree = dict[str, tuple["_Tree", slice]]


def _parsed(text: str) -> _Tree:
    tree, rest = _inner(text)
    assert not rest, f"tree: {rest!r} is too much"
    return tree


def _inner(text: str) -> tuple[_Tree, str]:
    tree: _Tree = {}
    while True:
        match = re.match(r"\w+", text)
        assert match, f"tree: a name should be at {text!r}"
        text, below, window = text[match.end() :], {}, slice(None)
        if text.startswith("["):
            below, text = _inner(text[1:])
            assert text.startswith("]"), f"tree: ] is missing at {text!r}"
            text = text[1:]
        if bounds := re.match(r"\{(\d*),(\d*)\}", text):
            window = slice(int(bounds[1] or 0), int(bounds[2]) if bounds[2] else None)
            text = text[bounds.end() :]
        tree[match[0]] = (below, window)
        if not text.startswith(","):
            return tree, text
        text = text[1:]


def _only(value: Any, tree: _Tree) -> Any:
    """What the tree names; `_class` is always there."""
    if isinstance(value, list):
        return [_only(one, tree) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: one for key, one in value.items() if key == "_class"}
    for name, (below, window) in tree.items():
        if name in value:
            one = value[name]
            one = one[window] if isinstance(one, list) else one
            found[name] = _only(one, below) if isinstance(one, (list, dict)) else one
    return found
