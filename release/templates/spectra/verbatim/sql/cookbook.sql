-- Recipes for DuckDB; load sql/catalog.sql first.

-- ## The ten strangest objects
FROM top_anomalies(10);

-- ## Gold objects in a range of redshift
SELECT TARGETID, Z, finding, finding_p_value, q_value
FROM anomalies
WHERE tier = 'gold' AND Z BETWEEN 2 AND 3
ORDER BY finding_p_value;

-- ## Strange and in no known class
SELECT TARGETID, Z, tier, finding_p_value, anomaly_class, reason
FROM quasars
WHERE finding = 'unexplained'
ORDER BY finding_p_value
LIMIT 20;

-- ## Strange by score and class together, and probably no artefact
SELECT TARGETID, Z, tier, joint_p_value, anomaly_class, reason
FROM quasars
WHERE finding = 'named' AND artefact_probability < 0.5
ORDER BY joint_p_value
LIMIT 20;

-- ## Objects within ten arcminutes of the strangest one
SELECT angsep_arcsec(c.TARGET_RA, c.TARGET_DEC, q.TARGET_RA, q.TARGET_DEC) AS separation,
    q.TARGETID, q.Z, q.tier
FROM top_anomalies(1) AS c, quasars AS q
WHERE separation <= 600
ORDER BY separation;

-- ## A cone of half a degree around a position
SELECT separation, TARGETID, Z, tier FROM cone(150.1, 2.2, 1800);

-- ## Objects by list and tier
SELECT finding, tier, count(*) AS n_objects, max(q_value) AS false_discovery_rate
FROM quasars
GROUP BY ALL
ORDER BY finding, false_discovery_rate;

-- ## Objects by tier and redshift
SELECT tier, floor(Z * 2) / 2 AS z_from, count(*) AS n_objects
FROM quasars
GROUP BY ALL
ORDER BY tier, z_from;

-- ## Is strangeness independent of the signal-to-noise ratio?
SELECT decile, count(*) AS n_objects, avg((p_value < 0.05)::INT) AS share_below_5_percent
FROM (SELECT p_value, ntile(10) OVER (ORDER BY snr) AS decile FROM quasars)
GROUP BY decile
ORDER BY decile;

-- ## Spectrum beside its reconstruction, a row a pixel
SELECT 3600 + 0.8 * (pixel - 1) AS wave, flux[pixel] AS flux, model[pixel] AS model
FROM (SELECT flux, model, unnest(range(1, len(flux) + 1)) AS pixel FROM (FROM spectra LIMIT 1))
ORDER BY wave;

-- ## What was dropped, and by which gate
SELECT stage, gate, sum(n_dropped) AS n_rows
FROM gates
GROUP BY ALL
ORDER BY n_rows DESC;

-- ## A table of your own, matched within 1.5 arcsec
WITH mine AS (SELECT 'A' AS name, 150.1 AS ra, 2.2 AS dec)
SELECT mine.name, q.TARGETID, angsep_arcsec(ra, dec, q.TARGET_RA, q.TARGET_DEC) AS separation
FROM mine
JOIN quasars AS q
    ON q.TARGET_DEC BETWEEN dec - 1.5 / 3600 AND dec + 1.5 / 3600
    AND angsep_arcsec(ra, dec, q.TARGET_RA, q.TARGET_DEC) <= 1.5;
