-- Views and macros for DuckDB; run it from the folder of the release:
--   duckdb -init sql/catalog.sql
CREATE OR REPLACE VIEW quasars AS FROM 'catalog/quasars.parquet';
CREATE OR REPLACE VIEW anomalies AS FROM 'catalog/anomalies.parquet';
CREATE OR REPLACE VIEW spectra AS FROM 'spectra/spectra.parquet';
CREATE OR REPLACE VIEW significance AS FROM 'calibration/significance.parquet';
CREATE OR REPLACE VIEW completeness AS FROM 'completeness/completeness.parquet';
CREATE OR REPLACE VIEW gates AS FROM 'completeness/gates.parquet';

-- Separation of two ICRS positions in degrees, by the haversine formula, which keeps its
-- precision at small angles. Result in arcsec.
CREATE OR REPLACE MACRO angsep_arcsec(ra1, dec1, ra2, dec2) AS
    3600 * 2 * degrees(asin(least(1, sqrt(
        pow(sin(radians(dec2 - dec1) / 2), 2)
        + cos(radians(dec1)) * cos(radians(dec2)) * pow(sin(radians(ra2 - ra1) / 2), 2)
    ))));

-- Objects within a radius (arcsec) of an ICRS position (deg), nearest first.
CREATE OR REPLACE MACRO cone(ra, dec, radius) AS TABLE
    SELECT angsep_arcsec(ra, dec, TARGET_RA, TARGET_DEC) AS separation, *
    FROM quasars
    WHERE TARGET_DEC BETWEEN dec - radius / 3600 AND dec + radius / 3600
        AND angsep_arcsec(ra, dec, TARGET_RA, TARGET_DEC) <= radius
    ORDER BY separation;

-- The n strangest objects.
CREATE OR REPLACE MACRO top_anomalies(n) AS TABLE
    SELECT row_number() OVER (ORDER BY joint_p_value, anomaly_score DESC, TARGETID) AS rank,
        TARGETID, TARGET_RA, TARGET_DEC, Z, joint_p_value, q_value, tier, anomaly_score, reason
    FROM anomalies
    QUALIFY rank <= n
    ORDER BY rank;
