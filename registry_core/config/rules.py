"""The document of access rules."""

from __future__ import annotations

import logging

from ..auth.rules import Rules, RulesInvalid
from .documents import read_document
from .names import AUTH_RULES
from .reader import Reader

_log = logging.getLogger(__name__)


def read_rules(reader: Reader) -> Rules | None:
    """What the document of access rules says; None without one."""
    document = read_document(reader, AUTH_RULES)
    if document is None:
        return None
    try:
        rules = Rules.parse(document.text, str(document.path or AUTH_RULES))
    except RulesInvalid as error:
        reader.problems += [f"{AUTH_RULES}: {problem}" for problem in error.problems]
        return None
    for warning in rules.warnings:
        _log.warning("%s: %s", AUTH_RULES, warning)
    return rules
