"""Reading one configuration file: every problem at once, and no value that may be a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydeploy.config import files
from pydeploy.config.service import Service
from pydeploy.config.site import Site
from pydeploy.errors import ConfigError, SiteConfigError


def problems(text: str) -> list[str]:
    """What is wrong with a site.yml of this text, one line each."""
    with pytest.raises(SiteConfigError) as refused:
        files.parse(text, Site, SiteConfigError, where="site.yml")
    head, *lines = refused.value.message.splitlines()
    return [line.strip() for line in lines] or [head.removeprefix("site.yml: ")]


def test_every_problem_at_once_with_its_key_path() -> None:
    """Nobody has to run a check five times to find five mistakes."""
    text = """
    sit: mine
    engines:
      local: {bnd: 127.0.0.1, ports: 10-20}
    registry: {address: "A B", usernme: ci}
    policy:
      exceptions: [{gerit_project: docs, allow: [x]}]
    defaults: {ttl: soon}
    """
    assert {
        "sit: unknown key; did you mean 'site'?",
        "engines/local/bnd: unknown key; did you mean 'bind'?",
        "engines/local/ports: '10-20' is not a port range; write for example 20000-29999",
        r"registry/address: string should match pattern '^[a-z0-9.-]+(:\d+)?$'",
        "registry/usernme: unknown key; did you mean 'username'?",
        "policy/exceptions/0/gerrit_project: field required",
        "policy/exceptions/0/gerit_project: unknown key; did you mean 'gerrit_project'?",
        "defaults/ttl: 'soon' is not a duration; write for example 90s, 15m, 2h, 3d",
    } == set(problems(text))


def test_the_number_of_problems_comes_first() -> None:
    """The first line alone, in a log that shows one line, says how much is wrong."""
    with pytest.raises(ConfigError, match=r"^x.yml: 2 problems\n") as refused:
        files.parse("knd: web\nttl: 0", Service, ConfigError, where="x.yml")
    assert "config schema" in refused.value.hint


def test_an_unknown_key_far_from_all_others_names_them() -> None:
    """Where nothing is close, what is known there is listed."""
    assert ["dns/xyzzy: unknown key; known here: address, bind, port"] == problems(
        "dns: {xyzzy: 1}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "etcd: {password: geheim}",
        "etcd: {username: [geheim]}",
        "etcd: {endpoints: ['http://me:geheim@etcd:2379']}",
        "etcd: {endpoints: ['geheim']}",
        "engines: {a: {host: 'tcp://me:geheim@docker:2376', tls: /tls}}",
        "engines: {a: {host: 'ssh://me:geheim@docker'}}",
        "engines: {a: {host: 'geheim'}}",
        "registry: {address: 'ci:geheim@registry'}",
        "registry: {password: geheim}",
        "build: {proxy: {http: [geheim]}}",
        "build: {proxy: {http: 'http://me:geheim@proxy}}",
        "etcd: {password: 'geheim",
        "geheim",
        "- geheim",
    ],
)
def test_what_may_be_a_secret_is_not_repeated(text: str) -> None:
    """Not even by YAML's own messages, which like to show the line."""
    assert not any("geheim" in line for line in problems(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dns: {port: 53}\ngateway: {}\ndns: {}", "in line 3: key 'dns' is given twice"),
        ("dns: {port: 53, port: 54}", "in line 1: key 'port' is given twice"),
        ("engines:\n  a: {}\n  a: {}", "in line 3: key 'a' is given twice"),
        ("1: a\n1: b", "in line 2: key 1 is given twice"),
        ("? [a]\n: b", "in line 1: a key should be a word"),
        ("dns: {", "in line 1: expected the node content"),
        ("\tdns: 1", "in line 1: found character '\\t' that cannot start any token"),
        ("dns: *nowhere", "in line 1: found undefined alias 'nowhere'"),
        ("dns: &it {port: *it}", "in line 1: found unconstructable recursive node"),
        ("dns: !!python/object:os.system x", "could not determine a constructor for the tag"),
        ("dns: \x00", "a value or character that YAML has not"),
        ("dns: 2026-13-45", "a value or character that YAML has not"),
        ("dns: !!int abc", "a value or character that YAML has not"),
    ],
)
def test_malformed_yaml(text: str, said: str) -> None:
    """The line and the cause; a key given twice is an error, as YAML would let the last one win."""
    (problem,) = problems(text)
    assert problem.startswith("is not YAML")
    assert said in problem


@pytest.mark.parametrize("text", ["[" * 1200, "{a: " * 1200, "- " * 1200])
def test_deep_nesting(text: str) -> None:
    """A file that would exhaust the stack is an error of its author, not a bug."""
    assert ["is nested too deeply"] == problems(text)


@pytest.mark.parametrize("text", ["- a", "text", "5", "[]"])
def test_a_file_that_is_no_mapping(text: str) -> None:
    """Said as it is meant: keys are expected."""
    assert problems(text)[0].startswith("should be a mapping of keys, not ")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "{}"])
def test_an_empty_file_is_all_defaults(text: str) -> None:
    """Every key is optional."""
    assert Site() == files.parse(text, Site, SiteConfigError, where="site.yml")


def test_a_section_of_comments_is_its_defaults() -> None:
    """Who comments out every line of a section has a key without a value."""
    text = "registry:\n  # address: a:5000\ndefaults: {ttl: }\n"
    assert Site() == files.parse(text, Site, SiteConfigError, where="site.yml")


@pytest.mark.parametrize("text", ["dns: 5", "dns: [a]", "domains: x", "engines: [local]"])
def test_a_section_of_the_wrong_type(text: str) -> None:
    """A section is a mapping, a list is a list; the key is named."""
    (problem,) = problems(text)
    assert problem.startswith(f"{text.split(':')[0]}: ")


def test_merge_keys_work() -> None:
    """`<<: *defaults` is how people avoid repeating an engine."""
    text = """
    engines:
      a: &a {bind: 127.0.0.2, subnet_prefix: 26}
      b: {<<: *a, host: "ssh://b"}
    default_engine: a
    """
    site = files.parse(text, Site, SiteConfigError, where="site.yml")
    assert ("127.0.0.2", 26) == (site.engines["b"].bind, site.engines["b"].subnet_prefix)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or not UTF-8: a configuration error that names the file."""
    binary = tmp_path / "binary.yml"
    binary.write_bytes(b"a: \xff")
    for path, said in [
        (tmp_path / "none.yml", "cannot be read"),
        (tmp_path, "cannot be read"),
        (binary, "is not UTF-8 text"),
    ]:
        with pytest.raises(ConfigError, match=rf"^{path}: {said}"):
            files.read(path, Service, ConfigError)


@given(st.text() | st.from_regex(r"[a-z]{1,5}: [!&*{\[|>'\"%@`\w]{0,9}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever stands in a file is a configuration error at worst, never a bug."""
    try:
        files.parse(text, Service, ConfigError, where="pydeploy.yml")
    except ConfigError as refused:
        assert refused.message.startswith("pydeploy.yml: ")  # noqa: PT017 (it may be fine, too)
