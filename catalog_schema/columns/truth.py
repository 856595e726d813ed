"""What the mock survey planted."""

import pyarrow as pa

from catalog_schema.column import Column

true_class = Column("true_class", pa.string(), "What the mock object is.", "src.class")
z_true = Column("z_true", pa.float64(), "True redshift.", "src.redshift", nullable=True)
family = Column(
    "family", pa.string(), "Planted anomaly; null when normal.", "src.class", nullable=True
)
kind = Column("kind", pa.string(), "Astrophysical or instrumental.", "meta.code", nullable=True)
is_taught = Column(
    "is_taught",
    pa.bool_(),
    "Whether the classifier learns from examples of that kind; null when normal.",
    "meta.code",
    nullable=True,
    since="1.4.0",
)
strength = Column(
    "strength",
    pa.float64(),
    "Integrated strength in the spectrum's own sigma.",
    "stat.snr",
    nullable=True,
)
wave_rest = Column(
    "wave_rest",
    pa.float64(),
    "Rest wavelength of the planted feature.",
    "em.wl",
    "Angstrom",
    nullable=True,
)
snr_true = Column(
    "snr_true",
    pa.float64(),
    "Noise-free median signal-to-noise ratio per pixel.",
    "stat.snr",
    nullable=True,
)

TRUTH = (true_class, z_true, family, kind, is_taught, strength, wave_rest, snr_true)
