"""The docker configuration folder of a build: ours, private, gone afterwards."""

import base64
import json
from pathlib import Path
from typing import Any

from pydeploy.config.site import Site
from pydeploy.images import credentials

SITE = Site.model_validate({"registry": {"address": "r.test:5000", "username": "bot"}})
SECRET = {"PYDEPLOY_REGISTRY_PASSWORD": "hunter2"}


def config(site: Site, users: Path, variables: dict[str, str]) -> dict[str, Any]:
    with credentials.docker_config(site, {"DOCKER_CONFIG": str(users), **variables}) as folder:
        found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def test_the_folder_is_private_and_goes(tmp_path: Path) -> None:
    with credentials.docker_config(SITE, {"DOCKER_CONFIG": str(tmp_path), **SECRET}) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "config.json").stat().st_mode & 0o777 == 0o600
    assert not folder.exists()


def test_our_password_is_for_our_registry(tmp_path: Path) -> None:
    auth = base64.b64encode(b"bot:hunter2").decode()
    assert config(SITE, tmp_path, SECRET) == {
        "auths": {"r.test:5000": {"auth": auth}},
        "credHelpers": {"r.test:5000": ""},
    }


def test_without_a_password_there_is_nothing(tmp_path: Path) -> None:
    assert config(SITE, tmp_path, {}) == {}


def test_of_the_users_own_only_credentials_are_taken_over(tmp_path: Path) -> None:
    """A selected context or a proxy of the user's would change what is built."""
    users = {"auths": {"x.test": {"auth": "YQ=="}}, "currentContext": "remote", "proxies": {}}
    (tmp_path / "config.json").write_text(json.dumps(users))
    assert config(Site(), tmp_path, {}) == {"auths": {"x.test": {"auth": "YQ=="}}}


def test_the_proxy_goes_by_file_and_not_by_argument(tmp_path: Path) -> None:
    """Its address may hold a password."""
    site = Site.model_validate({"build": {"proxy": {"http": "http://u:p@proxy.test", "no": "x"}}})
    assert config(site, tmp_path, {}) == {
        "proxies": {"default": {"httpProxy": "http://u:p@proxy.test", "noProxy": "x"}}
    }


def test_plugins_of_the_user_are_found(tmp_path: Path) -> None:
    """Compose and buildx may be installed for one user only."""
    (tmp_path / "cli-plugins").mkdir()
    with credentials.docker_config(SITE, {"DOCKER_CONFIG": str(tmp_path)}) as folder:
        assert (folder / "cli-plugins").resolve() == tmp_path / "cli-plugins"
