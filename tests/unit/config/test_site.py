"""site.yml: values, consistency, and where it is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pydeploy.config import files, site
from pydeploy.config.site import Engine, Site
from pydeploy.errors import SiteConfigError

GRANT = "name: a, gerrit_project: p, environments: [s]"


def parse(text: str) -> Site:
    return files.parse(text, Site, SiteConfigError, where="site.yml")


def refusal(text: str) -> str:
    with pytest.raises(SiteConfigError) as refused:
        parse(text)
    return refused.value.message


# -- values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90", 90), ('"90"', 90), ("1h30m", 5400)]
)
def test_durations_are_seconds(text: str, seconds: int) -> None:
    """Written with a unit, or as a number of seconds."""
    assert seconds == parse(f"defaults: {{ttl: {text}}}").defaults.ttl


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 512 << 20),
        ("2g", 2 << 30),
        ("1G", 1 << 30),
        ("6291456", 6 << 20),
        ("8 MB", 8 << 20),
    ],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    """Written as Docker does."""
    assert size == parse(f"limits: {{memory: {text}}}").limits.memory


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits: {memory: 1m}", "the least that Docker accepts"),
        ("limits: {memory: lots}", "is not a size"),
        ("limits: {memory: true}", "is not a size"),
        ("limits: {cpus: 0}", "limits/cpus: input should be greater than 0"),
        ("limits: {cpus: .inf}", "limits/cpus: "),
        ("limits: {cpus: .nan}", "limits/cpus: "),
        ("limits: {pids: 3}", "limits/pids: "),
        ("gateway: {http_port: 0}", "gateway/http_port: should be a port from 1 to 65535, or auto"),
        ("gateway: {http_port: 65536}", "gateway/http_port: should be a port"),
        ("gateway: {http_port: true}", "gateway/http_port: should be a port"),
        ("dns: {port: some}", "dns/port: should be a port"),
        ("dns: {bind: localhost}", "'localhost' is not an IPv4 address"),
        ("dns: {bind: '::1'}", "is not an IPv4 address"),
        ("domains: [a..b]", "is not a domain name"),
        ("domains: [a--b]", "is not a domain name"),
        ("domains: ['*.deepin.test']", "is not a domain name"),
        ("domains: [" + "a" * 60 + ".b" * 70 + "]", "is not a domain name"),
        ("domains: []", "domains: "),
        ("engines: {}", "engines: "),
        ("engines: {Bad Name: {}}", "engines/Bad Name: "),
        ("engines: {a: {ports: 29999-20000}}", "is not a port range"),
        ("engines: {a: {ports: 80-90}}", "is not a port range"),
        ("engines: {a: {ports: 20000-70000}}", "is not a port range"),
        ("engines: {a: {subnets: 10.213.0.1/16}}", "has host bits set"),
        ("engines: {a: {subnets: 8.8.0.0/16}}", "is not a private network"),
        ("engines: {a: {subnets: 'fd00::/64'}}", "engines/a/subnets: "),
        ("etcd: {prefix: pydeploy}", "etcd/prefix: "),
        ("etcd: {prefix: /pydeploy/}", "etcd/prefix: "),
        ("etcd: {endpoints: []}", "etcd/endpoints: "),
        ("etcd: {endpoints: [localhost:2379]}", "is not an http:// or https:// URL"),
        ("compose_prefix: a-b", "compose_prefix: "),
        ("registry: {namespace: /a}", "registry/namespace: "),
        ("registry: {address: 'http://a'}", "registry/address: "),
        ("build: {ca: ca.pem}", "build/ca: write an absolute path"),
        ("state_dir: state", "state_dir: write an absolute path"),
        ("engines: {a: {tls: tls}}", "engines/a/tls: write an absolute path"),
        (f"secrets: [{{{GRANT}}}]", "write exactly one of file, variable and command"),
        (f"secrets: [{{{GRANT}, variable: A, file: /a}}]", "write exactly one of"),
        (f"secrets: [{{{GRANT}, file: a}}]", "secrets/0/file: write an absolute path"),
        (f"secrets: [{{{GRANT}, command: [./a]}}]", "the program's name, or an absolute path"),
        (f"secrets: [{{{GRANT}, command: []}}]", "secrets/0/command: "),
        (f"secrets: [{{{GRANT}, variable: 'A=B'}}]", "secrets/0/variable: "),
        (
            f"secrets: [{{{GRANT}, variable: A}}]".replace("name: a", "name: a/b"),
            "secrets/0/name: ",
        ),
        (
            f"secrets: [{{{GRANT}, variable: A}}]".replace(" p,", " '',"),
            "secrets/0/gerrit_project: ",
        ),
        (f"secrets: [{{{GRANT}, variable: A}}]".replace("[s]", "[]"), "secrets/0/environments: "),
    ],
)
def test_wrong_values_say_what_is_right(text: str, said: str) -> None:
    """With the key path in front; a relative path would be looked for in the change."""
    assert said in refusal(text)


def test_values_are_made_alike() -> None:
    """A domain as DNS compares it, an endpoint list as written, a port as a number."""
    made = parse("domains: [Deploy.Deepin.TEST.]\ngateway: {http_port: '8080', https_port: auto}")
    assert ("deploy.deepin.test", 8080, "auto") == (
        made.domains[0],
        made.gateway.http_port,
        made.gateway.https_port,
    )


def test_a_port_range_includes_both_ends() -> None:
    """`20000-29999` are ten thousand ports."""
    ports = Engine().port_range
    assert (20000, 29999, 10000) == (ports[0], ports[-1], len(ports))


def test_it_cannot_be_changed() -> None:
    """Nothing that runs later decides otherwise than the operator."""
    with pytest.raises(ValueError, match="frozen"):
        Site().limits.pids = 10**6


def test_a_proxys_password_is_used_but_not_shown() -> None:
    """`pydeploy config show` prints no secret; a build still gets the URL."""
    made = parse("build: {proxy: {http: 'http://me:geheim@proxy:3128', https: 'http://proxy'}}")
    shown = made.model_dump(mode="json")["build"]["proxy"]
    assert {"http": "http://***@proxy:3128", "https": "http://proxy", "no": None} == shown
    assert "http://me:geheim@proxy:3128" == made.build.proxy.http


# -- consistency ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default_engine: b", "default_engine 'b' is not one of engines"),
        ("engines: {a: {}, b: {host: 'ssh://b'}}", "say which of the engines is the default"),
        (
            "engines: {a: {}, b: {}}\ndefault_engine: a",
            "engines a and b have the same host",
        ),
        ("engines: {a: {host: 'tcp://b:2375'}}", "an engine without TLS is open to everybody"),
        ("engines: {a: {host: 'http://b'}}", "write unix://, ssh:// or tcp:// with tls"),
        ("engines: {a: {subnets: 10.0.0.0/28}}", "is smaller than one /27"),
        ("defaults: {ttl: 60d}", "ttl is more than ttl_max"),
        ("defaults: {deadline: 1h}", "deadline is more than deadline_max"),
    ],
)
def test_what_does_not_fit_together(text: str, said: str) -> None:
    """Each value is right by itself, but not beside the others."""
    assert said in refusal(text)


@pytest.mark.parametrize(
    ("text", "wanted", "name"),
    [
        ("{}", None, "local"),
        ("engines: {a: {}}", None, "a"),
        ("engines: {a: {}, b: {host: 'ssh://b'}}\ndefault_engine: b", None, "b"),
        ("engines: {a: {}, b: {host: 'ssh://b'}}\ndefault_engine: b", "a", "a"),
    ],
)
def test_which_engine(text: str, wanted: str | None, name: str) -> None:
    """The wanted one, else the default, else the only one."""
    assert name == parse(text).engine_name(wanted)


def test_an_engine_that_is_not_there() -> None:
    """The operator's error; the hint lists what there is."""
    with pytest.raises(SiteConfigError, match=r"engine 'x' is not in site\.yml") as refused:
        Site().engine_name("x")
    assert "choose one of: local" == refused.value.hint


# -- where it is looked for -------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "env_vars", "path"),
    [
        (None, {}, "/etc/pydeploy/site.yml"),
        (None, {"PYDEPLOY_SITE": ""}, "/etc/pydeploy/site.yml"),
        (None, {"PYDEPLOY_SITE": "/a/site.yml"}, "/a/site.yml"),
        ("/b/site.yml", {"PYDEPLOY_SITE": "/a/site.yml"}, "/b/site.yml"),
    ],
)
def test_flag_then_variable_then_etc(flag: str | None, env_vars: dict[str, str], path: str) -> None:
    """What was said nearest counts."""
    assert Path(path) == site.locate(flag, env_vars)


def test_never_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That folder is the change: a site.yml in it must not decide what the change may do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(site, "DEFAULT_PATH", tmp_path / "etc" / "site.yml")
    for name in ("site.yml", ".site.yml", "pydeploy.yml", "site.yaml"):
        (tmp_path / name).write_text("site: evil\n")
    with pytest.raises(SiteConfigError, match=r"no site file at .*/etc/site.yml"):
        site.load(None, {})


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    """Flag, variable, and the command that prints an example."""
    with pytest.raises(SiteConfigError) as refused:
        site.load(str(tmp_path / "none.yml"), {})
    assert all(word in refused.value.hint for word in ("--site", "PYDEPLOY_SITE", "config example"))


def test_the_process_environment_configures_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """It carries secrets and CI data only: no variable overrides a key."""
    before: Any = Site().model_dump()
    for name in ("SITE", "ETCD_PREFIX", "PYDEPLOY_ETCD_PREFIX", "PYDEPLOY_DOMAINS", "DOMAINS"):
        monkeypatch.setenv(name, "evil")
    assert before == Site().model_dump()


# -- telling people ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gerrit: {url: 'https://bot:pw@gerrit.test'}", "in process variables, not in the URL"),
        ("gerrit: {url: 'gerrit.test'}", "gerrit/url: is not an http:// or https:// URL"),
        ("gerrit: {url: 'https://gerrit.test/?x=1'}", "without ? and #"),
        ("gerrit: {ssh: '-oProxyCommand=evil'}", "gerrit/ssh"),
        ("gerrit: {ssh: 'a b'}", "gerrit/ssh"),
        ("gerrit: {label: 'Verified; x'}", "gerrit/label"),
        ("gerrit: {notify: EVERYBODY}", "gerrit/notify"),
        ("gerrit: {password: x}", "unknown key"),
        ("report: {templates: folder}", "write an absolute path"),
        ("chat: [{name: a, kind: irc}]", "chat/0/kind"),
        ("chat: [{name: a, kind: webhook}]", "needs a `template`"),
        ("chat: [{name: a, kind: slack}, {name: a, kind: slack}]", "'a' is given twice"),
        ("chat: [{name: a, kind: slack, webhook: 'https://x'}]", "unknown key"),
    ],
)
def test_reports_and_their_secrets(text: str, said: str) -> None:
    """A word that ssh would take for an option is no host; secrets have no place in the file."""
    told = refusal(text)
    assert said in told
    assert "pw" not in told


def test_where_gerrit_is() -> None:
    """With a path, where it has one; a slash at its end means nothing."""
    assert "https://x.test/gerrit" == parse("gerrit: {url: 'https://x.test/gerrit/'}").gerrit.url
    for address in ("gerrit", "ci-bot@gerrit.test", "ci-bot@gerrit.test:29418"):
        assert address == parse(f"gerrit: {{ssh: '{address}'}}").gerrit.ssh


# -- what a pipeline binds --------------------------------------------------------------


def test_users_come_with_their_passwords(tmp_path: Path) -> None:
    """Where the file names none; certificates take the place of a tcp:// engine's folder only."""
    file = tmp_path / "site.yml"
    file.write_text(
        "etcd: {username: deployer}\n"
        "default_engine: a\n"
        "engines: {a: {host: 'tcp://a:2376', tls: /etc/a}, b: {host: 'ssh://b'}}\n"
    )
    bound = {
        "PYDEPLOY_ETCD_USERNAME": "bound",
        "PYDEPLOY_REGISTRY_USERNAME": "bound",
        "PYDEPLOY_ENGINE_TLS": "/bound",
    }
    found = site.load(str(file), bound)
    assert ("deployer", "bound") == (found.etcd.username, found.registry.username)
    assert [Path("/bound"), None] == [found.engines[name].tls for name in "ab"]
    plain = site.load(str(file), {})
    assert (None, Path("/etc/a")) == (plain.registry.username, plain.engines["a"].tls)
