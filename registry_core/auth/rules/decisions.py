"""What the rules come to, for somebody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from ...globs import RepositoryGlobs
from ...spec.names import is_name
from ...spec.scopes import ANY, CATALOG, DELETE, PULL, PUSH, REGISTRY, REPOSITORY, Resource
from ..identity import Identity
from .federation import Federation
from .rule import INCLUDES, LIST, Rule
from .who import EVERYONE, Groups, Who, all_of

_REMEMBERED = 1024
_CATALOG = Resource(REGISTRY, CATALOG)


class RulePermissions:
    """`Permissions` that rules give: what any of them allows."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        globs: dict[str, dict[str, None]] = {action: {} for action in INCLUDES}
        for rule in rules:
            for action in rule.allowed:
                globs[action].update(dict.fromkeys(rule.on))
        self._globs = {action: RepositoryGlobs(tuple(found)) for action, found in globs.items()}

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


@dataclass(frozen=True)
class Explanation:
    """Whether somebody may do something, and why: ``rules`` are those that allow it.

    Without any: ``theirs`` are all rules that are for them.
    """

    allowed: bool
    rules: tuple[Rule, ...] = ()
    theirs: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Rules:
    """Who may do what. There are no rules that forbid: what none allows may not be done."""

    rules: tuple[Rule, ...]
    groups: Groups = field(default_factory=dict)
    federations: tuple[Federation, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_remembered", lru_cache(_REMEMBERED)(self._permissions))

    @classmethod
    def parse(cls, text: str, file: str = "rules") -> Rules:
        """Rules of a document in TOML. ``file`` is what problems call it.

        :raises RulesInvalid: anything is wrong with it; says all of it, with lines.
        """
        from .document import parse_document

        document = parse_document(text, file)
        return cls(document.rules, document.groups, document.federations)

    def permissions(self, identity: Identity) -> RulePermissions:
        """What somebody may do; `ANONYMOUS` is who shows nothing."""
        permissions: RulePermissions = self.__dict__["_remembered"](identity)
        return permissions

    def _permissions(self, identity: Identity) -> RulePermissions:
        return RulePermissions(self._of(identity))

    def explain(self, identity: Identity, resource: Resource, action: str) -> Explanation:
        """Why `permissions` say what they say."""
        theirs = self._of(identity)
        allowed = self.permissions(identity).allows(resource, action)
        by = tuple(rule for rule in theirs if RulePermissions([rule]).allows(resource, action))
        return Explanation(allowed, by, theirs)

    def _of(self, identity: Identity) -> tuple[Rule, ...]:
        them = all_of(identity, self.groups)
        return tuple(rule for rule in self.rules if not them.isdisjoint(rule.who))


EVERYONE_KNOWN = Rules((Rule((Who(EVERYONE),), (PULL, PUSH, DELETE), ("**",)),))
"""Where there is no document: whoever is known may do everything, others nothing."""
