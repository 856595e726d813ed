"""Publish a release: checked, sent, read back, and only then announced.

Every step looks first whether it is done, so a publication that was killed goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UserError
from pipeline.progress import show_transfer
from release.checks.validate import validate
from release.manifest import read_manifest
from release.places.journal import Journal
from release.places.remote import (
    ChecksumError,
    Parcel,
    RemoteError,
    Target,
    hash_remote,
    list_some,
)
from release.sealing import hold
from release.versions import parse_version


@dataclass(frozen=True)
class Delivery:
    """What `publish` did, or would do, at one target.

    Attributes
    ----------
    target : str
        Its address.
    sent : tuple of str
        Files sent.
    n_bytes : int
        Their size.
    is_moved : bool
        Whether the tag or latest.json was set now.
    """

    target: str
    sent: tuple[str, ...]
    n_bytes: int
    is_moved: bool


def publish(path: Path, targets: Sequence[Target], is_dry: bool = False) -> list[Delivery]:
    """Check a release as it lies there and deliver it.

    Parameters
    ----------
    path : Path
        Folder of the release.
    targets, is_dry
        As of `deliver`.

    Raises
    ------
    UserError
        If the release does not pass its checks, or was withdrawn.
    RemoteError
        If a target fails, holds something else or serves other bytes back.
    """
    return deliver(check_parcel(path), targets, is_dry)


def check_parcel(path: Path) -> Parcel:
    """Run every check on a release as it lies there and return it ready to be sent.

    Raises
    ------
    UserError
        If a check fails; it is named.
    """
    failed = [result for result in validate(path) if not result.passed]
    if failed:
        first = failed[0]
        raise UserError(
            f"{path} does not pass its checks and is not published: {first.check} of "
            f"{first.target}: {first.detail}; build it again"
        )
    manifest = read_manifest(path)
    version = str(manifest and manifest["version"])
    parse_version(version)
    return Parcel(path, version)


def deliver(parcel: Parcel, targets: Sequence[Target], is_dry: bool = False) -> list[Delivery]:
    """Send a release to every target, verify it there, then announce it.

    What is there already is verified first, so that nothing is sent beside what somebody changed.

    Parameters
    ----------
    parcel : Parcel
    targets : sequence of Target
        Sent to in this order; announced in the opposite one, when all hold the release.
    is_dry : bool
        Only find out what would be sent.

    Raises
    ------
    UserError
        If the release was withdrawn.
    RemoteError
        If a target fails, holds something else or serves other bytes back.
    """
    with hold(parcel.path):
        _refuse_withdrawn(parcel, targets)
        journal = Journal(parcel, is_kept=not is_dry)
        missing = {target.name: target.find_missing(parcel) for target in targets}
        for target in targets:
            _verify(parcel, target, journal)
        is_moved = dict.fromkeys(missing, False)
        if not is_dry:
            for target in targets:
                _send(parcel, target, missing[target.name], journal)
            for target in reversed(targets):
                is_moved[target.name] = target.announce(parcel)
                journal.note_announced(target)
    return [
        Delivery(name, tuple(names), _sum_sizes(parcel, names), is_moved[name])
        for name, names in missing.items()
    ]


def withdraw(version: str, targets: Sequence[Target], reason: str) -> dict[str, bool]:
    """Add a notice of withdrawal beside a published version; its files stay as they are.

    Parameters
    ----------
    version : str
    targets : sequence of Target
    reason : str
        One line that everyone who fetches the version will read.

    Returns
    -------
    dict of str to bool
        By target whether the notice is new.

    Raises
    ------
    UserError
        If a target has no such version.
    """
    parse_version(version)
    day = datetime.now(UTC).date().isoformat()
    notice = {"version": version, "reason": reason, "withdrawn": day}
    return {target.name: target.withdraw(version, notice) for target in targets}


def open_target(address: str, is_production: bool) -> Target:
    """Open the place that an address names.

    Raises
    ------
    UserError
        If the address is neither s3:// nor hf://.
    """
    # Both clients take long to import; one is enough.
    if address.startswith("s3://"):
        from release.places.bucket import Bucket

        return Bucket(address, is_production)
    if address.startswith("hf://"):
        from release.places.hub import Hub

        return Hub(address, is_production)
    raise UserError(f"{address}: give s3://BUCKET/PREFIX or hf://ORG/NAME")


def _refuse_withdrawn(parcel: Parcel, targets: Sequence[Target]) -> None:
    for target in targets:
        if notice := target.read_notice(parcel.version):
            raise UserError(
                f"{target.name}: {parcel.version} was withdrawn: {notice.get('reason')}"
            )


def _send(parcel: Parcel, target: Target, names: list[str], journal: Journal) -> None:
    if not names:
        return
    journal.forget(target, names)
    with show_transfer(f"send to {target.name}", _sum_sizes(parcel, names)) as tell:
        target.send(parcel, names, tell)
    absent = set(parcel.checksums) - _verify(parcel, target, journal)
    if absent:
        raise RemoteError(
            f"{target.name}: {list_some(absent)} was sent and is not there; run again"
        )


def _verify(parcel: Parcel, target: Target, journal: Journal) -> set[str]:
    """Read back what is at a target, but for what is as it was when it was read back right."""
    states, origin = target.open_sent(parcel)
    waiting = [
        name
        for name in parcel.checksums
        if name in states and not journal.is_verified(target, name, states[name])
    ]
    changed = []
    with show_transfer(f"verify {target.name}", _sum_sizes(parcel, waiting)) as tell:
        try:
            for name in waiting:
                if hash_remote(origin, name, tell) == parcel.checksums[name]:
                    journal.note_verified(target, name, states[name])
                else:
                    changed.append(name)
        finally:
            if waiting:
                journal.save()
    if changed:
        raise ChecksumError(
            f"{origin.name}: {list_some(changed)} reads back with another checksum than this "
            "release has; run again, and if that stays so, look who changed it, remove it there "
            "(what is missing is sent again) or publish under another version"
        )
    return set(states)


def _sum_sizes(parcel: Parcel, names: Sequence[str]) -> int:
    return sum(parcel.size(name) for name in names if name in parcel.checksums)
