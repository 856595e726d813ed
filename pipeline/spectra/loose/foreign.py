"""Which spectra of a foreign file are quasars with a redshift: asked as in a survey's tree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.desi.placement import explain_by_bricks
from pipeline.spectra.desi.row_identity import get_positions
from pipeline.spectra.desi.selection import find_gates
from pipeline.spectra.loose.redshift_table import Redshifts
from pipeline.spectra.loose.spectrum_table import is_table
from pipeline.spectra.mismatch import find_elsewhere, refuse_most

# Redshifts of one spectrum by two tables, in units of 1 + z: the same; of two pipelines: alike.
_SAME, _ALIKE = 1e-5, 1e-2
# What says that there is another object, not that a redshift is doubtful.
_STATEMENTS = ("", "not_quasar")


@dataclass(frozen=True)
class Verdict:
    """What becomes of each spectrum of a file.

    Attributes
    ----------
    row : ndarray of int, shape (n,)
        Row of the table of redshifts that counts; -1 where none does.
    gate : ndarray of str, shape (n,)
        Gate that drops the spectrum; empty where none does.
    notes : tuple of str
    """

    row: NDArray[np.intp]
    gate: NDArray[np.str_]
    notes: tuple[str, ...]

    @property
    def dropped(self) -> dict[str, int]:
        """Rows dropped by each gate."""
        return dict(Counter(gate for gate in self.gate.tolist() if gate))


def judge_spectra(
    path: Path,
    targetids: NDArray[np.int64],
    known: Redshifts,
    settings: TargetSettings,
    fibres: Mapping[str, NDArray] | None = None,
    redrock: Redshifts | None = None,
) -> Verdict:
    """Choose the redshift of each spectrum of a file, or the gate that drops it.

    The gates are those of the core parent, as far as the tables have the columns to ask. Of
    several rows of a TARGETID the one counts that passes; rows that contradict each other in Z drop
    the spectrum by `ambiguous_redshift`.

    Parameters
    ----------
    path : Path
    targetids : ndarray, shape (n,)
        Of the spectra; a spectrum in a table of its own is found by the file's name.
    known : Redshifts
    settings : TargetSettings
        Its range of redshifts.
    fibres : mapping, optional
        What `read_fibres` says of the file's rows.
    redrock : Redshifts, optional
        Of the file beside a coadd, where the redshifts come from elsewhere.

    Raises
    ------
    DataError
        If most redshifts or positions are those of other rows.
    """
    row, gate = choose_rows(path, targetids, known, settings)
    notes: list[str] = []
    if fibres is not None:
        gate = _ask_fibres(targetids, fibres, gate)
        gate = _compare_places(path, targetids, fibres, known, row, gate)
    gate[_find_repeats(targetids) & (gate == "")] = "duplicate_row"
    if redrock is not None:
        notes += _compare_redshifts(path, targetids, known, row, redrock)
    counts = Counter(name for name in gate.tolist() if name)
    if "ambiguous_redshift" in counts:
        notes.append(
            f"{path.name}: {counts['ambiguous_redshift']} targets have rows of different Z in "
            f"{known.name}; keep one"
        )
    if len(gate) and gate.all() and set(counts) != {"no_redshift"}:
        why = ", ".join(f"{name} {count}" for name, count in counts.items())
        notes.append(f"{path.name}: none of its {len(gate)} spectra is left by {known.name}: {why}")
    return Verdict(np.where(gate == "", row, -1), gate, tuple(notes))


def choose_rows(
    path: Path, targetids: NDArray[np.int64], known: Redshifts, settings: TargetSettings
) -> tuple[NDArray[np.intp], NDArray[np.str_]]:
    """Return the row of the table that counts for each spectrum, or -1 and the gate; shape (n,)."""
    gates = _judge_rows(known, settings)
    chosen = [_choose(known, gates, rows) for rows in _find_rows(path, targetids, known)]
    row = np.array([at for at, _ in chosen], np.intp).reshape(-1)
    return row, np.array([name for _, name in chosen], "U32").reshape(-1)


def _judge_rows(known: Redshifts, settings: TargetSettings) -> NDArray[np.str_]:
    """Return the gate of every row of a table; what the table does not say passes."""
    n = len(known.z)
    rows = {
        "Z": known.z,
        "TARGETID": np.ones(n, np.int64),
        "OBJTYPE": _fill(known.objtype, n, "TGT"),
        "SPECTYPE": np.char.upper(_fill(known.spectype, n, "QSO")),
        "ZWARN": np.array([-1 if v is None else v for v in known.zwarn or [0] * n], np.int64),
    }
    return find_gates(rows, settings, misplaced={})


def _fill(values: Sequence[str | None] | None, n: int, absent: str) -> NDArray[np.str_]:
    words = [absent] * n if values is None else [value or "" for value in values]
    return np.array(words, dtype="U16").reshape(-1)


def _find_rows(path: Path, targetids: NDArray[np.int64], known: Redshifts) -> list[list[int]]:
    if is_table(path):
        row = known.by_file.get(path.name)
        return [[] if row is None else [row] for _ in targetids]
    return [known.rows_of.get(targetid, []) for targetid in targetids.tolist()]


def _choose(known: Redshifts, gates: NDArray[np.str_], rows: list[int]) -> tuple[int, str]:
    """Return the row that counts and no gate, or the gate of the first."""
    passing = [row for row in rows if gates[row] == ""]
    if not passing:
        return -1, str(gates[rows[0]]) if rows else "no_redshift"
    z = known.z[[row for row in rows if gates[row] in _STATEMENTS]]
    if z.max() - z.min() > _SAME * (1 + z.max()):
        return -1, "ambiguous_redshift"
    return passing[-1], ""


def _ask_fibres(
    targetids: NDArray[np.int64], fibres: Mapping[str, NDArray], gate: NDArray[np.str_]
) -> NDArray[np.str_]:
    n = len(targetids)
    rows = {
        "Z": np.ones(n),
        "TARGETID": targetids,
        "OBJTYPE": fibres.get("OBJTYPE", np.full(n, "TGT")),
        "SPECTYPE": np.full(n, "QSO"),
        "ZWARN": np.zeros(n, np.int64),
        "COADD_FIBERSTATUS": fibres.get("COADD_FIBERSTATUS", np.zeros(n, np.int64)),
    }
    # Neither of redshifts nor of their range: the one of 1 passes any settings.
    asked = find_gates(rows, TargetSettings(), misplaced={})
    return np.where((gate == "") | (gate == "no_redshift"), np.where(asked, asked, gate), gate)


def _find_repeats(targetids: NDArray[np.int64]) -> NDArray[np.bool_]:
    is_repeat = np.ones(len(targetids), bool)
    is_repeat[np.unique(targetids, return_index=True)[1]] = False
    return is_repeat


def _compare_places(
    path: Path,
    targetids: NDArray[np.int64],
    fibres: Mapping[str, NDArray],
    known: Redshifts,
    row: NDArray[np.intp],
    gate: NDArray[np.str_],
) -> NDArray[np.str_]:
    """Drop spectra that the FIBERMAP, the table and the TARGETID put in different places."""
    here = get_positions(fibres)
    listed = row >= 0 if len(known.z) else np.zeros(len(row), bool)
    there = np.full(len(row), np.nan), np.full(len(row), np.nan)
    for place, values in zip(there, (known.ra, known.dec), strict=True):
        place[listed] = values[row[listed]]
    is_elsewhere = find_elsewhere(f"{known.name} than in the FIBERMAP of {path}", here, there)
    gate = np.where(is_elsewhere & (gate == ""), "position_mismatch", gate)
    for origin, (ra, dec) in ((f"{path.name}'s FIBERMAP", here), (known.name, there)):
        is_asked = np.isfinite(ra) & np.isfinite(dec) & (gate == "")
        is_outside, why = explain_by_bricks(targetids, ra, dec)
        refuse_most(
            is_outside & is_asked,
            is_asked,
            f"targets of {path} lie outside the brick that their TARGETID names, by the "
            f"positions of {origin}: {why}",
        )
        gate = np.where(is_outside & is_asked, "targetid_elsewhere", gate)
    return gate


def _compare_redshifts(
    path: Path,
    targetids: NDArray[np.int64],
    known: Redshifts,
    row: NDArray[np.intp],
    redrock: Redshifts,
) -> list[str]:
    """Compare with redrock's redshifts; other ones are told, those of other rows refused."""
    fitted_rows = [redrock.rows_of.get(targetid, []) for targetid in targetids.tolist()]
    both = [
        (known.z[at], redrock.z[rows[-1]])
        for at, rows in zip(row, fitted_rows, strict=True)
        if at >= 0 and rows and np.isfinite(redrock.z[rows[-1]])
    ]
    if not both:
        return []
    z, fitted = np.array(both).T
    is_other = np.abs(z - fitted) > _ALIKE * (1 + fitted)
    nearest = np.abs(z[:, None] - fitted).min(axis=1)
    is_of_another = is_other & (nearest <= _ALIKE * (1 + z))
    refuse_most(
        is_of_another,
        np.ones(len(z), bool),
        f"redshifts of {known.name} for {path} are those of other targets in {redrock.name}: "
        "rows of one of the two are shifted or permuted",
    )
    if not is_other.any():
        return []
    n_other = np.count_nonzero(is_other)
    return [f"{path.name}: {n_other} of {len(z)} redshifts differ from those of {redrock.name}"]
