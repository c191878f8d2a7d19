"""Decisions: what the rules allow an identity to do, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from ...globs import RepositoryGlobs
from ...spec.names import is_name
from ...spec.scopes import ANY, CATALOG, DELETE, PULL, PUSH, REGISTRY, REPOSITORY, Resource
from ..identity import Identity
from .federation import Federation
from .rule import EVERYONE, INCLUDES, LIST, Groups, Rule, Who, entries_for

_CACHED = 1024
_CATALOG = Resource(REGISTRY, CATALOG)


class RulePermissions:
    """`Permissions` to do what any of the rules allows."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        globs: dict[str, dict[str, None]] = {action: {} for action in INCLUDES}
        for rule in rules:
            for action in rule.allowed:
                globs[action].update(dict.fromkeys(rule.on))
        # Most actions have the same globs, and compiling many takes milliseconds.
        compiled = {texts: RepositoryGlobs(texts) for texts in set(map(tuple, globs.values()))}
        self._globs = {action: compiled[tuple(found)] for action, found in globs.items()}
        self._beginnings = self._globs[LIST].beginnings()

    def allows(self, resource: Resource, action: str) -> bool:
        if resource.type != REPOSITORY:
            return resource == _CATALOG and action == ANY and bool(self._globs[LIST].texts)
        if action == ANY:
            return all(self.allows(resource, each) for each in (PULL, PUSH, DELETE))
        globs = self._globs.get(action)
        return globs is not None and globs.match(resource.name) and is_name(resource.name)

    def reads_everything(self) -> bool:
        return "**" in self._globs[PULL].texts

    def sees(self, repository: str) -> bool:
        return self._globs[LIST].match(repository)

    def beginnings(self) -> tuple[str, ...]:
        return self._beginnings


@dataclass(frozen=True)
class Explanation:
    """Whether an identity may do something, and why.

    ``allowing`` are the rules that allow it, ``applying`` all rules that apply to the identity.
    """

    allowed: bool
    allowing: tuple[Rule, ...] = ()
    applying: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Rules:
    """Who may do what. Rules only allow: what none of them allows is refused.

    ``warnings`` are harmless oddities of the document: one line of text each, with file and line.
    """

    rules: tuple[Rule, ...]
    groups: Groups = field(default_factory=dict)
    federations: tuple[Federation, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cached", lru_cache(_CACHED)(self._permissions))
        object.__setattr__(self, "_by_rules", lru_cache(_CACHED)(RulePermissions))

    @classmethod
    def parse(cls, text: str, file: str = "rules") -> Rules:
        """Parse a document in TOML. ``file`` is its name in messages.

        :raises DocumentInvalid: something is wrong with it; says all of it, with lines.
        """
        from .document import parse_document

        document = parse_document(text, file)
        return cls(document.rules, document.groups, document.federations, tuple(document.warnings))

    def permissions(self, identity: Identity) -> RulePermissions:
        """Return what an identity may do. `ANONYMOUS` stands for requests without credentials."""
        permissions: RulePermissions = self.__dict__["_cached"](identity)
        return permissions

    def _permissions(self, identity: Identity) -> RulePermissions:
        # Shared by all identities to which the same rules apply, such as a group's.
        permissions: RulePermissions = self.__dict__["_by_rules"](self._applying(identity))
        return permissions

    def explain(self, identity: Identity, resource: Resource, action: str) -> Explanation:
        """Return which rules make `permissions` allow an action or not."""
        applying = self._applying(identity)
        allowed = self.permissions(identity).allows(resource, action)
        allowing = tuple(r for r in applying if RulePermissions([r]).allows(resource, action))
        return Explanation(allowed, allowing, applying)

    def _applying(self, identity: Identity) -> tuple[Rule, ...]:
        entries = entries_for(identity, self.groups)
        return tuple(rule for rule in self.rules if not entries.isdisjoint(rule.who))


EVERYONE_KNOWN = Rules((Rule((Who(EVERYONE),), (PULL, PUSH, DELETE), ("**",)),))
"""The rules without a document: known callers may do everything, others nothing."""
