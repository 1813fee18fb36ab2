"""DVC's configuration: where its cache and its remotes are. Reads DVC's own INI files, runs nothing."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from replay.errors import FetchError
from replay.fetch.command import strip_credentials

Sections = dict[str, dict[str, str]]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_REMOTE = re.compile(r'remote\s+"(.+)"')
_COMMENT = re.compile(r"\s+#.*$")


class Remote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One DVC remote. It may hold secrets: its text form shows name and URL alone."""

    name: str
    url: str
    """A URL, or an absolute local path."""
    options: dict[str, str] = {}
    """All the other options, by DVC's names."""

    def __repr__(self) -> str:
        return f"Remote({self.name!r}, {strip_credentials(self.url)!r})"

    @property
    def scheme(self) -> str:
        """``s3``, ``ssh`` …; empty for a local path."""
        return self.url.split("://", 1)[0].lower() if _URL.match(self.url) else ""

    @property
    def endpointurl(self) -> str | None:
        """The S3 endpoint, when it is not AWS."""
        return self.options.get("endpointurl")

    @property
    def region(self) -> str | None:
        """The AWS region."""
        return self.options.get("region")

    @property
    def profile(self) -> str | None:
        """The AWS profile that credentials come from."""
        return self.options.get("profile")

    def flag(self, option: str, default: bool = False) -> bool:
        """A boolean option, written the way DVC's INI files do."""
        return self.options.get(option, str(default)).lower() in {"true", "1", "yes", "on"}


class DvcConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where DVC keeps objects: its cache, then its remotes in the order in which to ask them."""

    cache: Path
    remotes: tuple[Remote, ...]


def find_dvc_dir(start: Path, root: Path) -> Path | None:
    """The ``.dvc`` directory that rules ``start``, found upwards and not beyond ``root``."""
    for folder in (start, *start.parents):
        if (folder / ".dvc").is_dir():
            return folder / ".dvc"
        if folder == root:
            break
    return None


def load(
    dvc_dir: Path, *, historical: bytes | None = None, injected: Mapping[str, Mapping[str, str]] | None = None
) -> DvcConfig:
    """Cache and remotes, as configured now and at the recorded commit.

    A remote whose URL has changed since is asked at both: the current one first, then as ``NAME (then)``.

    Args:
        dvc_dir: The user's ``.dvc``; relative paths stand on it, those of the commit too.
        historical: ``.dvc/config`` of the commit.
        injected: Remotes by name, with their options, that no file mentions.

    Raises:
        FetchError: A file is no INI file.
    """
    mine = [_read(_global_config()), _read(dvc_dir / "config.local")]
    added: Sections = {f'remote "{name}"': dict(options) for name, options in (injected or {}).items()}
    now = _merged([mine[0], _read(dvc_dir / "config"), mine[1], added])
    then = _merged([mine[0], parse(historical or b"", "the commit's .dvc/config"), mine[1]])
    remotes = _remotes(now, dvc_dir)
    urls = {remote.name: remote.url for remote in remotes}
    for remote in _remotes(then, dvc_dir):
        if urls.get(remote.name) != remote.url:
            moved = remote.name in urls
            remotes.append(msgspec.structs.replace(remote, name=f"{remote.name} (then)") if moved else remote)
    directory = now.get("cache", {}).get("dir", "cache")
    return DvcConfig(cache=Path(_resolved(directory, dvc_dir)), remotes=tuple(remotes))


def remotes(
    dvc_dir: Path, *, historical: bytes | None = None, injected: Mapping[str, Mapping[str, str]] | None = None
) -> Sequence[Remote]:
    """The remotes of `load`, default one first."""
    return load(dvc_dir, historical=historical, injected=injected).remotes


def parse(data: bytes, origin: str) -> Sections:
    """Sections of a DVC configuration file; names and options in lower case, as DVC reads them.

    Raises:
        FetchError: It is no INI file. The message does not quote it: it may hold secrets.
    """
    parser = configparser.RawConfigParser(
        delimiters=("=",), comment_prefixes=("#",), strict=False, default_section="\0", empty_lines_in_values=False
    )
    try:
        # to configparser an indented line continues the one before; to DVC indentation means nothing
        parser.read_string("\n".join(line.strip() for line in data.decode("utf-8").splitlines()))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise FetchError(f"{origin}: not a configuration file of DVC ({type(error).__name__})") from None
    return {
        _unquoted(name).lower(): {key: _unquoted(value) for key, value in parser[name].items()}
        for name in parser.sections()
    }


def _unquoted(text: str) -> str:
    text = text.strip()
    if text[:1] in {"'", '"'}:
        end = text.find(text[0], 1)
        if end > 0 and (not text[end + 1 :].strip() or text[end + 1 :].strip().startswith("#")):
            return text[1:end]
    return _COMMENT.sub("", text)


def _read(path: Path) -> Sections:
    try:
        return parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        return {}


def _global_config() -> Path:
    base = os.environ.get("DVC_GLOBAL_CONFIG_DIR")
    if base:
        return Path(base) / "config"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dvc" / "config"


def _merged(layers: Sequence[Sections]) -> Sections:
    merged: Sections = {}
    for layer in layers:
        for section, options in layer.items():
            merged.setdefault(section, {}).update(options)
    return merged


def _remotes(sections: Sections, dvc_dir: Path) -> list[Remote]:
    named = {found[1]: dict(sections[name]) for name in sections if (found := _REMOTE.fullmatch(name))}
    default = sections.get("core", {}).get("remote", "").lower()
    remotes_: list[Remote] = []
    for name in sorted(named, key=lambda name: name != default):
        options = _based(named, name)
        url = options.pop("url", "")
        if url:
            remotes_.append(Remote(name=name, url=_resolved(url, dvc_dir), options=options))
    return remotes_


def _based(named: Sections, name: str) -> dict[str, str]:
    """The options of a remote; ``remote://OTHER/path`` stands on another one's URL and options."""
    options, seen = dict(named[name]), {name}
    while (url := options.get("url", "")).startswith("remote://"):
        base, _, rest = url.removeprefix("remote://").partition("/")
        if base.lower() not in named or base.lower() in seen:
            raise FetchError(f"the DVC remote {name!r} stands on {base!r}, which is not configured or stands on it")
        seen.add(base.lower())
        under = named[base.lower()]
        options = {**under, **options, "url": f"{under.get('url', '').rstrip('/')}/{rest}"}
    return options


def _resolved(url: str, dvc_dir: Path) -> str:
    if _URL.match(url):
        return url.removeprefix("file://") if url.startswith("file://") else url
    return os.path.abspath(dvc_dir / Path(url).expanduser())  # noqa: PTH100 - links are kept
