"""A PostgreSQL server of the tests' own, on loopback, that may be restarted at will."""

import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg

_PASSWORD = "correct-horse"
_FALLBACKS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def find_programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, or None."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).parent] if found else _FALLBACKS
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@dataclass
class Server:
    """A cluster in a folder of its own; PostgreSQL refuses root, so `postgres` runs it then."""

    programs: Path
    folder: Path
    port: int

    @classmethod
    def create(cls, programs: Path) -> "Server":
        """Make and start a cluster."""
        # Not below pytest's folder, which only its owner may enter.
        folder = Path(tempfile.mkdtemp(prefix="qad-postgres-"))
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            server = cls(programs, folder, probe.getsockname()[1])
        secret = folder / "password"
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        server.call(
            "initdb",
            "-D",
            str(folder / "data"),
            "-A",
            "scram-sha-256",
            "-U",
            "qad",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--pwfile",
            str(secret),
        )
        server.start()
        return server

    def call(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL."""
        command = [str(self.programs / program), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "log")
        self.call(
            "pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", log, "-w", "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop: `fast` breaks every connection, `immediate` is a crash."""
        self._control("stop", "-m", mode)

    def remove(self) -> None:
        """Stop and delete everything."""
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def url(self, name: str = "postgres", password: str = _PASSWORD) -> str:
        """Return the URL of a database."""
        return f"postgresql://qad:{password}@127.0.0.1:{self.port}/{name}"

    def make_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def _control(self, action: str, *options: str) -> None:
        self.call("pg_ctl", action, "-w", "-D", str(self.folder / "data"), *options)
