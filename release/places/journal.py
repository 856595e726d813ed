"""The journal of a publication: what was read back right, so that a killed one goes on there."""

import time

from pydantic import BaseModel

from pipeline.lake.files import replacing
from release.places.remote import Parcel, Target

_SECONDS_BETWEEN_WRITES = 1.0


class _Entry(BaseModel):
    server: str
    # The state that each file was in when it was read back right.
    verified: dict[str, str] = {}
    announced: bool = False


class _Values(BaseModel):
    version: str
    seal: str
    targets: dict[str, _Entry] = {}


class Journal:
    """A JSON file beside the release, replaced whole.

    Parameters
    ----------
    parcel : Parcel
        A journal of another release of the same version is not believed.
    is_kept : bool
        Whether the file is written.
    """

    def __init__(self, parcel: Parcel, is_kept: bool = True) -> None:
        self.path = parcel.path.with_name(f"{parcel.version}.journal.json")
        self._is_kept = is_kept
        self._written = time.monotonic()
        self._values = _Values(version=parcel.version, seal=parcel.seal)
        # What a damaged journal knew is found out again; pydantic's faults are ValueErrors.
        try:
            found = _Values.model_validate_json(self.path.read_bytes())
        except (OSError, ValueError):
            return
        if found.seal == parcel.seal:
            self._values = found

    def is_verified(self, target: Target, name: str, state: str) -> bool:
        """Tell whether a file was read back right from a target in this very state."""
        return self._entry(target).verified.get(name) == state

    def note_verified(self, target: Target, name: str, state: str) -> None:
        """Record that a file was read back right; on disk within a second, or by `save`."""
        self._entry(target).verified[name] = state
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self.save()

    def forget(self, target: Target, names: list[str]) -> None:
        """Have files that are sent anew read back anew."""
        for name in names:
            self._entry(target).verified.pop(name, None)

    def note_announced(self, target: Target) -> None:
        """Record that the release can be found at the target."""
        if not self._entry(target).announced:
            self._entry(target).announced = True
            self.save()

    def save(self) -> None:
        """Write what is known."""
        self._written = time.monotonic()
        if self._is_kept:
            with replacing(self.path) as partial:
                partial.write_text(self._values.model_dump_json(indent=1) + "\n")

    def _entry(self, target: Target) -> _Entry:
        """Return what is known of a target; nothing, where its name now is at another server."""
        entry = self._values.targets.get(target.name)
        if entry is None or entry.server != target.server:
            entry = self._values.targets[target.name] = _Entry(server=target.server)
        return entry
