"""Secrets of configurations: read from where a file says that they are kept, never from the file itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from detectors.yamlfile import Loc, YamlFile
from engine.config import Secret


def secret_at(secret: Secret | None, loc: Loc, source: YamlFile, base: Path, environ: Mapping[str, str]) -> str | None:
    """What ``secret`` names, without blanks around it; None for None. Paths are relative to ``base``.

    Raises ConfigError at the key ``loc`` of ``source``, never with content.
    """
    if secret is None:
        return None
    if secret.env is not None:
        found, where = environ.get(secret.env, "").strip(), "env"
    else:
        try:
            found, where = (base / (secret.file or "")).read_text(encoding="utf-8").strip(), "file"
        except (OSError, UnicodeDecodeError):
            raise source.error("cannot be read", (*loc, "file")) from None
    if not found:
        raise source.error("holds no secret", (*loc, where))
    return found
