"""The journal of a publication: what was read back right, so that a killed one goes on there."""

import json
from typing import Any

from pipeline.lake_files import replacing
from release.remote import Parcel


class Journal:
    """A JSON file beside the release, replaced whole after every step.

    Parameters
    ----------
    parcel : Parcel
        A journal of another release of the same version is not believed.
    """

    def __init__(self, parcel: Parcel) -> None:
        self.path = parcel.path.with_name(f"{parcel.version}.journal.json")
        try:
            values = json.loads(self.path.read_text())
        # What a damaged journal knew is found out again.
        except (OSError, ValueError):
            values = {}
        if values.get("seal") != parcel.seal:
            values = {"version": parcel.version, "seal": parcel.seal, "targets": {}}
        self._values: dict[str, Any] = values

    def read_verified(self, target: str, state: str) -> set[str]:
        """Return the files that were read back right from a target in this state."""
        entry = self._values["targets"].get(target, {})
        return set(entry.get("verified", ())) if entry.get("state") == state else set()

    def note_verified(self, target: str, state: str, names: set[str]) -> None:
        """Record the files that were read back right."""
        self._values["targets"][target] = {"state": state, "verified": sorted(names)}
        self._write()

    def note_announced(self, target: str) -> None:
        """Record that the release can be found at the target."""
        if not self._values["targets"][target].get("announced"):
            self._values["targets"][target]["announced"] = True
            self._write()

    def _write(self) -> None:
        with replacing(self.path) as partial:
            partial.write_text(json.dumps(self._values, indent=1) + "\n")
