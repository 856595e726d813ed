"""Source files, and what each stage did with each shard."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, coded, count

file_name = Column(
    "file_name", pa.string(), "Path of the source file below the source.", "meta.id;meta.file"
)
n_bytes = count("n_bytes", "Size in bytes.", unit="byte")
n_rows = Column("n_rows", pa.int64(), "Number of spectra in the file.", "meta.number")
identity = Column(
    "identity",
    pa.string(),
    "Digest that changes when the file does: size and time, or ETag.",
    "meta.id",
)
stage = Column("stage", pa.string(), "Stage of the pipeline.", "meta.id")
state = coded("state", words.ShardState, "State of the shard in the stage.")
n_expected = count("n_expected", "Rows that the stage was given.")
n_made = count("n_made", "Rows that the stage wrote.")
gate = Column("gate", pa.string(), "Named reason for which rows were dropped.", "meta.code")
n_dropped = count("n_dropped", "Rows dropped by the gate.")
error = Column("error", pa.string(), "Why the shard failed.", "meta.note", nullable=True)
attempts = Column(
    "attempts", pa.int32(), "How often work on the shard began.", "meta.number", bounds=POSITIVE
)
worker = Column(
    "worker",
    pa.string(),
    "Host and process that did the work; empty where none was needed.",
    "meta.id",
)
seconds = Column(
    "seconds", pa.float64(), "Duration of the last attempt.", "time.duration", "s", bounds=POSITIVE
)
n_bytes_moved = count(
    "n_bytes_moved", "Bytes fetched from the source, or written where none were.", unit="byte"
)
n_requests = count("n_requests", "Requests sent to the source.")
n_request_faults = count("n_request_faults", "Requests that failed, mended by a later one or not.")

FILES = (file_name, n_bytes, n_rows, identity)
EFFORT = (attempts, worker, seconds, n_bytes_moved, n_requests, n_request_faults)
