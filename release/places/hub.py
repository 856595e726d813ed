"""Releases on the Hugging Face Hub: one commit each, and a tag on it.

huggingface_hub has its only door here; `HF_ENDPOINT` may name another server.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError, first_line
from release.places.remote import (
    NOTICES,
    MissingError,
    Origin,
    Parcel,
    PassingError,
    RemoteError,
    Tell,
    read_remote,
    refuse_difference,
)
from release.places.web import WebOrigin

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?/?")
_KIND = "dataset"
_STAGING = "staging"
# Files of the repository that are no part of a release.
_KEPT = (".gitattributes", f"{NOTICES}/")


class Hub:
    """A dataset repository to publish to: branch main, or staging unless production."""

    def __init__(self, address: str, is_production: bool) -> None:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        self._repo, revision = _parse(address)
        if revision:
            raise UserError(f"{address}: publish to hf://ORG/NAME; the tag follows the version")
        self._branch = "main" if is_production else _STAGING
        self._suffix = "" if is_production else f"-{_STAGING}"
        self.name = f"hf://{self._repo}@{self._branch}"
        self._api = HfApi(endpoint=_endpoint(), library_name="desi-qad")
        self.server = str(self._api.endpoint)
        self._commit = ""
        if not sys.stderr.isatty():
            disable_progress_bars()

    def find_missing(self, parcel: Parcel) -> list[str]:
        """See `Target.find_missing`; a tag that exists must name this very release."""
        refs = self._read_refs()
        tag = self._tag(parcel.version)
        revision = refs.get(tag) or refs.get(self._branch)
        present = self._list(revision) if revision else {}
        differing = [
            name for name in parcel.checksums if not _is_same(parcel, name, present.get(name))
        ]
        strange = [name for name in present if name not in parcel.checksums]
        if tag in refs and (differing or strange):
            place = f"hf://{self._repo}@{tag}"
            raise refuse_difference(place, parcel, differing, strange, "choose another")
        # Without a difference the branch already is at the commit.
        self._commit = "" if differing or strange or not revision else revision
        return differing or strange

    def send(self, parcel: Parcel, names: list[str], tell: Tell) -> None:
        """Make the branch hold the release and nothing else, in one commit on top of its head."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        if not names:
            return
        parent = self._prepare_branch()
        stale = [name for name in self._list(parent) if name not in parcel.checksums]
        changes = [
            CommitOperationAdd(name, parcel.path / name)
            for name in names
            if name in parcel.checksums
        ]
        with _faults(self.name):
            done = self._api.create_commit(
                self._repo,
                [*changes, *map(CommitOperationDelete, stale)],
                repo_type=_KIND,
                revision=self._branch,
                parent_commit=parent,
                commit_message=f"Release {parcel.version}",
            )
        self._commit = done.oid
        tell(sum(parcel.size(name) for name in names if name in parcel.checksums))

    def open_sent(self, parcel: Parcel) -> tuple[dict[str, str], Origin]:
        """See `Target.open_sent`; what a commit holds cannot change."""
        revision = self._commit or self._branch
        names = parcel.checksums if self._commit else ()
        return dict.fromkeys(names, revision), open_hub(f"hf://{self._repo}@{revision}")

    def announce(self, parcel: Parcel) -> bool:
        """Tag the commit."""
        tag = self._tag(parcel.version)
        found = self._read_refs().get(tag)
        if found == self._commit:
            return False
        if found:
            raise RemoteError(
                f"hf://{self._repo}@{tag} was set by somebody else meanwhile; run again"
            )
        with _faults(f"hf://{self._repo}@{tag}"):
            self._api.create_tag(
                self._repo,
                tag=tag,
                revision=self._commit,
                repo_type=_KIND,
                tag_message=f"Release {parcel.version}",
            )
        return True

    def read_notice(self, version: str) -> dict[str, Any] | None:
        """See `Target.read_notice`."""
        return read_notice(f"hf://{self._repo}@{self._branch}", version)

    def withdraw(self, version: str, notice: dict[str, Any]) -> bool:
        """Commit a notice to the branch; the tag stays as it is."""
        from huggingface_hub import CommitOperationAdd

        refs = self._read_refs()
        if self._tag(version) not in refs:
            raise UserError(f"{self.name} has no release {version}")
        if self.read_notice(version):
            return False
        body = json.dumps(notice, indent=1, ensure_ascii=False).encode()
        with _faults(self.name):
            self._api.create_commit(
                self._repo,
                [CommitOperationAdd(f"{NOTICES}/{version}.json", body)],
                repo_type=_KIND,
                revision=self._branch,
                parent_commit=refs[self._branch],
                commit_message=f"Withdraw release {version}",
            )
        return True

    def _tag(self, version: str) -> str:
        return f"v{version}{self._suffix}"

    def _read_refs(self) -> dict[str, str]:
        """Return the commit of every branch and tag; none if there is no repository."""
        try:
            with _faults(f"hf://{self._repo}"):
                refs = self._api.list_repo_refs(self._repo, repo_type=_KIND)
        except MissingError:
            return {}
        return {ref.name: ref.target_commit for ref in (*refs.branches, *refs.tags)}

    def _prepare_branch(self) -> str:
        """Return the head of the branch, made where it is not there."""
        with _faults(self.name):
            self._api.create_repo(self._repo, repo_type=_KIND, exist_ok=True)
            if self._branch not in self._read_refs():
                self._api.create_branch(
                    self._repo, branch=self._branch, repo_type=_KIND, exist_ok=True
                )
        return self._read_refs()[self._branch]

    def _list(self, revision: str) -> "dict[str, RepoFile]":
        from huggingface_hub.hf_api import RepoFile

        with _faults(self.name):
            entries = list(
                self._api.list_repo_tree(
                    self._repo, recursive=True, revision=revision, repo_type=_KIND
                )
            )
        files = [entry for entry in entries if isinstance(entry, RepoFile)]
        return {file.path: file for file in files if not file.path.startswith(_KEPT)}


def open_hub(address: str) -> WebOrigin:
    """Open a repository at a revision (by default main) for reading, with the usual token."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    repo, revision = _parse(address)
    url = hf_hub_url(repo, "x", repo_type=_KIND, revision=revision, endpoint=_endpoint())
    return WebOrigin(url.removesuffix("/x"), build_hf_headers(library_name="desi-qad"))


def read_notice(address: str, version: str) -> dict[str, Any] | None:
    """Return the notice of withdrawal that a branch holds for a version, if any."""
    try:
        return dict(json.loads(read_remote(open_hub(address), f"{NOTICES}/{version}.json")))
    except MissingError:
        return None


def _parse(address: str) -> tuple[str, str | None]:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UserError(f"{address}: give hf://ORG/NAME or hf://ORG/NAME@TAG")
    return found["repo"], found["revision"]


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")


def _is_same(parcel: Parcel, name: str, file: "RepoFile | None") -> bool:
    if file is None or file.size != parcel.size(name):
        return False
    if file.lfs:
        return bool(file.lfs.sha256 == parcel.checksums[name])
    content = (parcel.path / name).read_bytes()
    # Small files are plain git objects, which git names by SHA-1.
    git_id = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return bool(file.blob_id == git_id.hexdigest())


@contextmanager
def _faults(what: str) -> Iterator[None]:
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise _explain(what, error.response.status_code) from None
    except HTTPError as error:
        reason = type(error).__name__
        raise PassingError(f"{what}: {reason}; run again: what is done is kept") from None
    except ValueError as error:
        raise UserError(
            f"{what}: the Hub refuses the dataset card or the name: {first_line(error)}"
        ) from None


def _explain(what: str, status: int) -> RemoteError:
    if status == 404:
        return MissingError(f"{what} does not exist, or this token may not see it")
    if status in (401, 403):
        return RemoteError(
            f"{what}: access denied ({status}); set HF_TOKEN or log in with `hf auth login`"
        )
    if status in (409, 412):
        return RemoteError(
            f"{what} was moved by somebody else meanwhile; see what they did, then run again"
        )
    kind = PassingError if status >= 500 or status == 429 else RemoteError
    return kind(f"{what}: the Hub answers {status}; run again: what is done is kept")
