"""A data root: its lake, its books, its settings, and who may write to it."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.files import guard_root, replacing, require_folder
from pipeline.lake.seals import open_values, seal_values
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger
from pipeline.ledger.database import choose_url, hide_password
from pipeline.reviews.review_ledger import ReviewLedger


class Root(Store):
    """A data root: a lake, the ledger of what became of its rows, and that of the reviews.

    Parameters
    ----------
    root : Path
    ledger_url : str
        Database of the ledger; empty for a SQLite file below the root.
    lake_url : str
        ``s3://BUCKET/PREFIX`` of datasets and models; empty for folders below the root.

    Raises
    ------
    UserError
        If the root is not on this machine.
    """

    def __init__(self, root: Path, ledger_url: str = "", lake_url: str = "") -> None:
        super().__init__(root, lake_url)
        self._ledger_url = ledger_url

    @cached_property
    def ledger(self) -> Ledger:
        """The completeness ledger, opened at its first use."""
        return Ledger.of_lake(self.lake, self._ledger_url)

    @cached_property
    def reviews(self) -> ReviewLedger:
        """The review ledger, in the same database."""
        return ReviewLedger.choose(self.lake.ledger, self._ledger_url)

    @property
    def has_ledger(self) -> bool:
        """Whether there is a ledger to read; asking does not make one."""
        return bool(choose_url(self._ledger_url)) or self.lake.ledger.is_file()

    @property
    def is_in_use(self) -> bool:
        """Whether a process writes here now."""
        return _is_locked(self.lake.lock) or self.ledger.is_held

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the data root for one writing process and clear what a killed one left.

        The root's lock file excludes processes of this machine; a PostgreSQL ledger excludes those
        of every machine that books the same lake there. Neither outlives its process.

        Raises
        ------
        UserError
            If the root cannot be written or another process holds it.
        """
        require_folder(self.root)
        with guard_root(self.root):
            if not self.root.is_dir():
                self.root.mkdir(parents=True)
            handle = self.lake.lock.open("a+")
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(
                    f"{self.root}: another qad process is writing here; wait for it to end"
                ) from None
            with self.ledger.holding():
                self.ledger.interrupt()
                for left in self.lake.local_dataset_folder.rglob(".*.tmp"):
                    left.unlink()
                yield


def save_config(store: Store, config: Config) -> None:
    """Keep the resolved configuration, from which `qad status` knows what the lake should hold.

    The ledger's password is not kept: it comes from the environment or from PostgreSQL's own
    password file.
    """
    url = hide_password(choose_url(config.run.ledger_url))
    run = config.run.model_copy(update={"ledger_url": url})
    values = config.model_copy(update={"run": run}).model_dump(mode="json")
    with replacing(store.lake.config) as partial:
        partial.write_text(json.dumps(seal_values(values), indent=1) + "\n")


def read_saved_config(store: Store) -> Config:
    """Return the configuration of the last run.

    Raises
    ------
    UserError
        If nothing has run on this data root, or the file is damaged.
    """
    path = store.lake.config
    try:
        return Config.model_validate_json(
            json.dumps(open_values(path.read_bytes(), is_sealed=False))
        )
    except FileNotFoundError:
        raise UserError(f"{store.root}: no run has been made here; start with `qad run`") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what a run wrote"
        raise UserError(f"{path}: damaged ({reason}); `qad run` writes it again") from None


def open_root(root: Path) -> Root:
    """Open a data root with the ledger that its last run wrote."""
    bare = Root(root)
    if not bare.lake.config.is_file():
        return bare
    run = read_saved_config(bare).run
    return Root(root, run.ledger_url, run.lake)


def open_existing_root(root: Path) -> Root:
    """Open a data root that must be there.

    Raises
    ------
    UserError
        If it is not, or is no folder.
    """
    require_folder(root)
    if not root.is_dir():
        raise UserError(f"{root}: no such data root; start with `qad run --root {root}`")
    return open_root(root)


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
