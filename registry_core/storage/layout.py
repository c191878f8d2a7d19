"""The layout of the container: every path in it. No path is built anywhere else.

::

    <root>docker/registry/v2/
      blobs/<algorithm>/<first two hex>/<hex>/data          content: layers, configs, manifests
      repositories/<name>/
        _layers/<algorithm>/<hex>/link                      the repository has this blob
        _manifests/revisions/<algorithm>/<hex>/link         the repository has this manifest
        _manifests/tags/<tag>/current/link                  what the tag points to now
        _manifests/tags/<tag>/index/<algorithm>/<hex>/link  what it has pointed to: its history
        _referrers/<algorithm>/<hex>/<algorithm>/<hex>/link a referrer of this subject; ours
    <root>docker/registry/v2/_uploads/<name>/<id>/data      an upload in progress; ours, under a
                                                            prefix of its own, so that storage's
                                                            lifecycle rules can delete old ones
                                           /<id>/done       the blob that it became; ours, only if
                                                            its owner's token had expired
                                           /<id>/staged     what a client stages by itself; ours
                                           /<id>/hashed     how far that is hashed, so that the
                                                            next request goes on; ours
    <root>docker/registry/v2/_catalog/<name, escaped>       one marker per repository; ours, its
                                                            name with ".~" for each "/"
    <root>docker/registry/v2/_replacing/<id>                links that a repair is replacing; ours
    <root>docker/registry/v2/_quarantine/<algorithm>/<hex>/<id>  damaged content, moved away; ours
    <root>docker/registry/v2/_auth/keys/<name>              a personal access key's hash; ours
    <root>docker/registry/v2/_gc/runs/<id>                  a collection of garbage: its state and
                                                            report; ours
                            /_gc/marks/<id>                 what an unfinished one has found so far
                            /_gc/references/<name, escaped> what a repository's manifests name
                            /_gc/summary                    the usage that the last one has found
    <root>docker/registry/v2/_trash/<id>                    a deletion that can be undone; ours
    <root>docker/registry/v2/_pulls/<day>/<instance>.json   what was pulled from an instance on
                                                            a day; ours
                            /_pulls/summary.json            when things were last pulled, merged

Source: CNCF distribution, registry/storage/paths.go; it skips unknown names that begin with ``_``.
Its own uploads are in ``repositories/<name>/_uploads/``: neither registry continues the other's.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.digest import Digest
from ..spec.errors import DigestInvalid


@dataclass(frozen=True)
class Layout:
    """The paths below one root. ``root`` precedes ``docker/``: empty, or ends with a slash."""

    root: str = ""

    @property
    def base(self) -> str:
        """The prefix of everything that the registry has."""
        return f"{self.root}docker/registry/v2/"

    def content(self, digest: Digest) -> str:
        return f"{self.base}blobs/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"

    def repository(self, name: str) -> str:
        return f"{self.base}repositories/{name}"

    def blob_link(self, name: str, digest: Digest) -> str:
        return f"{self.repository(name)}/_layers/{digest.algorithm}/{digest.hex}/link"

    def manifests(self, name: str) -> str:
        """Return the prefix of a repository's manifests and tags."""
        return f"{self.repository(name)}/_manifests/"

    def blob_links(self, name: str) -> str:
        """Return the prefix of a repository's links to blobs."""
        return f"{self.repository(name)}/_layers/"

    def revision_link(self, name: str, digest: Digest) -> str:
        return f"{self.manifests(name)}revisions/{digest.algorithm}/{digest.hex}/link"

    def tags(self, name: str) -> str:
        """Return the prefix of a repository's tags: a folder for each."""
        return f"{self.manifests(name)}tags/"

    def tag_link(self, name: str, tag: str) -> str:
        return f"{self.tags(name)}{tag}/current/link"

    def tag_index(self, name: str, tag: str) -> str:
        """Return the prefix of everything that the tag has pointed to."""
        return f"{self.tags(name)}{tag}/index/"

    def revisions(self, name: str) -> str:
        """Return the prefix of a repository's manifests."""
        return f"{self.manifests(name)}revisions/"

    def tag_index_link(self, name: str, tag: str, digest: Digest) -> str:
        return f"{self.tags(name)}{tag}/index/{digest.algorithm}/{digest.hex}/link"

    @property
    def uploads(self) -> str:
        """The prefix of all uploads in progress. Old ones were abandoned."""
        return f"{self.base}_uploads/"

    def upload(self, name: str, upload_id: str) -> str:
        return f"{self.uploads}{name}/{upload_id}/data"

    def finished_upload(self, name: str, upload_id: str) -> str:
        """Return the path of the link to the blob that an upload has made, if it may make one only.

        Old ones are deleted with the uploads.
        """
        return f"{self.uploads}{name}/{upload_id}/done"

    def upload_folder(self, name: str, beginning: str) -> str:
        """Return the prefix of the repository's uploads whose ids begin with ``beginning``."""
        return f"{self.uploads}{name}/{beginning}"

    def staged_upload(self, name: str, upload_id: str) -> str:
        """Return the path of what a client stages by itself.

        Not that of `upload`: whoever can stage can also write metadata, and those are relied on.
        """
        return f"{self.uploads}{name}/{upload_id}/staged"

    def hash_record(self, name: str, upload_id: str) -> str:
        """Return the path of the record of how far `staged_upload` is hashed."""
        return f"{self.uploads}{name}/{upload_id}/hashed"

    def referrers(self, name: str, subject: Digest) -> str:
        """Return the prefix of all manifests that name ``subject``."""
        return f"{self.repository(name)}/_referrers/{subject.algorithm}/{subject.hex}/"

    def referrer_link(self, name: str, subject: Digest, digest: Digest) -> str:
        return f"{self.referrers(name, subject)}{digest.algorithm}/{digest.hex}/link"

    @property
    def catalog(self) -> str:
        """The prefix of all catalog markers."""
        return f"{self.base}_catalog/"

    def catalog_marker(self, name: str) -> str:
        return f"{self.catalog}{_escape(name)}"

    def marked_repository(self, path: str) -> str:
        """Return the name in a catalog marker's path."""
        return _unescape(path.removeprefix(self.catalog))

    @property
    def replacements(self) -> str:
        """The prefix of the records of links that repairs are replacing."""
        return f"{self.base}_replacing/"

    def replacing(self, ident: str) -> str:
        """Return the path of the record of one step of a repair, there while it is in progress."""
        return f"{self.replacements}{ident}"

    @property
    def quarantine(self) -> str:
        """The prefix of all damaged content that repairs have moved away."""
        return f"{self.base}_quarantine/"

    def quarantined(self, digest: Digest, ident: str) -> str:
        """Return the path that a repair moves damaged content of this address to."""
        return f"{self.quarantine}{digest.algorithm}/{digest.hex}/{ident}"

    @property
    def personal_keys(self) -> str:
        """The prefix of all personal access keys."""
        return f"{self.base}_auth/keys/"

    def personal_key(self, name: str) -> str:
        return f"{self.personal_keys}{name}"

    @property
    def gc_runs(self) -> str:
        """The prefix of the records of all collections of garbage."""
        return f"{self.base}_gc/runs/"

    def gc_run(self, ident: str) -> str:
        return f"{self.gc_runs}{ident}"

    @property
    def gc_marks(self) -> str:
        """The prefix of what unfinished collections have found so far."""
        return f"{self.base}_gc/marks/"

    def gc_mark(self, ident: str) -> str:
        return f"{self.gc_marks}{ident}"

    @property
    def gc_references(self) -> str:
        """The prefix of what the manifests of each repository name."""
        return f"{self.base}_gc/references/"

    def gc_reference(self, name: str) -> str:
        return f"{self.gc_references}{_escape(name)}"

    def referencing_repository(self, path: str) -> str:
        """Return the name in the path of what a repository's manifests name."""
        return _unescape(path.removeprefix(self.gc_references))

    @property
    def gc_summary(self) -> str:
        """The path of the usage that the last collection of garbage has found."""
        return f"{self.base}_gc/summary"

    @property
    def trash(self) -> str:
        """The prefix of the records of deletions."""
        return f"{self.base}_trash/"

    def trashed(self, ident: str) -> str:
        return f"{self.trash}{ident}"

    @property
    def pulls(self) -> str:
        """The prefix of the records of pulls: a folder for each day, and the summary."""
        return f"{self.base}_pulls/"

    def pulls_of(self, day: str, instance: str) -> str:
        """Return the path of what was pulled from an instance on a day, ``yyyy-mm-dd``."""
        return f"{self.pulls}{day}/{instance}.json"

    @property
    def pulls_summary(self) -> str:
        """The path of when everything was last pulled, merged from the records of the days."""
        return f"{self.pulls}summary.json"


def _escape(name: str) -> str:
    # ".~" sorts among the characters of names as "/" does, so storage lists names in order.
    return name.replace("/", ".~")


def _unescape(name: str) -> str:
    return name.replace(".~", "/")


def linked_digest(path: str) -> Digest | None:
    """Return the digest of ``<algorithm>/<hex>/link``, how links end; None for anything else."""
    algorithm, _, rest = path.partition("/")
    try:
        return Digest.parse(f"{algorithm}:{rest.removesuffix('/link')}")
    except DigestInvalid:
        return None
