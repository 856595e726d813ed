"""Members of the populations of galaxies and stars: drawn, planted, called and selected."""

from dataclasses import replace

import numpy as np

from catalog_schema.lines import LINES
from pipeline.spectra.mock.anomalies import FAMILIES_OF
from pipeline.spectra.mock.body import Body, embody, expected_flux
from pipeline.spectra.mock.galaxies import Galaxy, draw_galaxy
from pipeline.spectra.mock.identity import Identity, draw_identity
from pipeline.spectra.mock.observe import Selection, Target, draw_conditions
from pipeline.spectra.mock.plan import ShardPlan
from pipeline.spectra.mock.stars import Star, draw_star

# Object numbers of members; those below are of quasars and their companions.
_FIRST_OBJECT = 16_000
# Bits of DESI_TARGET, BGS_TARGET and MWS_TARGET (desitarget; Myers et al. 2023), and how many
# galaxies of a shard each selection has. In bright time there are bright galaxies alone.
_SELECTIONS = {
    "BGS": Selection(1 << 60, bgs=1 << 1),
    "LRG": Selection(1 << 0 | 1 << 16),
    "ELG": Selection(1 << 1 | 1 << 17),
    "MWS": Selection(1 << 61, mws=1 << 0),
}
_PROGRAMS = {"BGS": 0.5, "LRG": 0.28, "ELG": 0.22}
# Of emission-line galaxies, how many have another line taken for [OII] without a warning: 1 %
# (Raichoor et al. 2023; Lan et al. 2023); which lines is assumed.
ELG_FAILURES = 0.01
_TAKEN_FOR_OII = ("oiii", "hbeta", "halpha")


def draw_members(plan: ShardPlan, rng: np.random.Generator) -> tuple[Identity, list[Target]]:
    """Draw who and what the members of a shard are; `rng` decides places and order alone."""
    jobs: list[tuple[str, str | None]] = []
    for true_class, members in plan.members.items():
        jobs += [(true_class, name) for name in members.families]
        jobs += [(true_class, None)] * (members.count - len(members.families))
    jobs = [jobs[at] for at in rng.permutation(len(jobs))]
    classes = [true_class for true_class, _ in jobs]
    first = _FIRST_OBJECT + plan.first_object
    identity = draw_identity(rng, plan.healpix, classes, first, plan.tile)
    sample, drawn = [], dict.fromkeys(jobs, 0)
    for job in jobs:
        stream = plan.planting(":".join(filter(None, job)), drawn[job])
        drawn[job] += 1
        sample.append(_draw_member(stream, plan, *job))
    return identity, sample


def _draw_member(
    rng: np.random.Generator, plan: ShardPlan, true_class: str, name: str | None
) -> Target:
    of = _draw(rng, plan.program, true_class)
    family = FAMILIES_OF[true_class][name] if name else None
    # What a family cannot show at this redshift, it shows in another galaxy.
    while family and true_class == "galaxy" and not family.z_low <= of.z <= family.z_high:
        of = _draw(rng, plan.program, true_class)
    body, wave = embody(of, plan.ebv), np.nan
    if family and family.change_body:
        body, wave = family.change_body(body, rng, **family.draw(rng))
    is_failure = isinstance(of, Galaxy) and of.program == "ELG" and rng.random() < ELG_FAILURES
    if is_failure and family is None:
        body = _mistake_line(body, rng)
    flux = body.flux()
    target = Target(
        body.true_class,
        flux,
        expected_flux(body) if family else flux,
        flux,
        body.z_true,
        body.z_catalog,
        name,
        wave_rest=wave,
        planting=rng,
        called=("STAR", body.of.subtype) if isinstance(body.of, Star) else ("GALAXY", ""),
        selection=_SELECTIONS["MWS" if isinstance(of, Star) else of.program],
    )
    target.conditions = draw_conditions(rng, plan.survey, plan.program, 0.0)
    return target


def _draw(rng: np.random.Generator, program: str, true_class: str) -> Galaxy | Star:
    if true_class == "star":
        return draw_star(rng)
    chosen = str(rng.choice(list(_PROGRAMS), p=list(_PROGRAMS.values())))
    return draw_galaxy(rng, "BGS" if program == "bright" else chosen)


def _mistake_line(body: Body, rng: np.random.Generator) -> Body:
    seen = LINES[str(rng.choice(_TAKEN_FOR_OII))].wave
    wrong = (1 + body.z_true) * LINES["oii"].wave / seen - 1
    if wrong < 0:
        # Nothing lies that near: [OII] is taken for a line of the ultraviolet instead.
        wrong = (1 + body.z_true) * LINES["oii"].wave / LINES["mgii"].wave - 1
    return replace(body, z_catalog=wrong)
