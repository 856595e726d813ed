"""Score tests: unit Gaussians on normal spectra, planted causes found and named."""

import numpy as np
import pytest
import torch

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Arm, Sampling
from catalog_schema.statistics import HYPOTHESES, SOURCES
from pipeline.science.measured import Finds
from pipeline.spectra.science.hypotheses import Hypotheses
from pipeline.spectra.science.pca import LinearBasis
from pipeline.spectra.science.restframe import find_window_starts, make_grid
from pipeline.spectra.science.templates import galaxy_light, star_light

NAMES = list(HYPOTHESES)
GRID = make_grid(SAMPLING.grid, 1.0, 2.0, 1e-4, 16)
WAVE = torch.from_numpy(GRID.wave.astype(np.float32))
LINES = sum(
    h * torch.exp(-0.5 * ((WAVE - c) / s) ** 2)
    for c, s, h in ((1549.0, 15.0, 2.0), (1909.0, 20.0, 1.0), (2798.0, 25.0, 1.0))
)
MEAN = 1.2 * (WAVE / 2500) ** -1.0 + LINES
COMPONENTS = torch.stack(
    [
        0.3 * MEAN,
        0.2 * torch.sin(WAVE / 300),
        0.15 * torch.cos(WAVE / 150),
        0.2 * LINES * (WAVE < 1700),
    ]
)
BASIS = LinearBasis(MEAN, COMPONENTS)
NOISE = 0.4


class Windows:
    """Spectra drawn from the model's own prior, and what is left of them after the fit."""

    def __init__(self, n: int, seed: int = 0, noise: float = NOISE) -> None:
        rng = np.random.default_rng(seed)
        g = torch.Generator().manual_seed(seed)
        z = rng.uniform(1.05, 1.95, n)
        start, _ = find_window_starts(GRID, SAMPLING.grid, z)
        self.start, self.z = torch.from_numpy(start.astype(np.int64)), torch.from_numpy(z).float()
        self.pixels = self.start[:, None] + torch.arange(GRID.window)
        self.weight = torch.full((n, GRID.window), noise**-2)
        self.weight[torch.rand(n, GRID.window, generator=g) < 0.1] = 0
        latent = torch.randn(n, len(COMPONENTS), generator=g)
        self.light = (MEAN + latent @ COMPONENTS).gather(1, self.pixels)
        self.flux = self.light + noise * torch.randn(self.light.shape, generator=g)

    @property
    def observed(self) -> torch.Tensor:
        return WAVE[self.pixels] * (1 + self.z[:, None])

    def test(self, basis: LinearBasis = BASIS) -> torch.Tensor:
        return self.examine(basis)[0]

    def examine(self, basis: LinearBasis = BASIS) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scores about the posterior mean."""
        return Hypotheses(basis, WAVE, SAMPLING, 0.0).test(*self.fit())

    def locate(self) -> Finds:
        """Return what they are the significances of."""
        return Hypotheses(BASIS, WAVE, SAMPLING, 0.0).locate(*self.fit())

    def fit(self) -> tuple[torch.Tensor, ...]:
        """Return residual, weight, model, start and z, the posterior mean solved in the pixels."""
        model = MEAN[self.pixels]
        for k, place in enumerate(self.pixels):
            design = COMPONENTS[:, place].T
            normal = design.T @ (design * self.weight[k, :, None]) + torch.eye(len(COMPONENTS))
            target = design.T @ (self.weight[k] * (self.flux[k] - model[k]))
            model[k] += design @ torch.linalg.solve(normal, target)
        residual = torch.where(self.weight > 0, self.flux - model, 0.0)
        return residual, self.weight, model, self.start, self.z


def column(scores: torch.Tensor, name: str) -> torch.Tensor:
    return scores[:, NAMES.index(name)]


@pytest.mark.parametrize("noise", [0.1, 0.4, 4.0])
def test_unit_gaussian_on_normal_spectra_at_any_noise(noise: float) -> None:
    scores = Windows(400, noise=noise).test()
    assert scores.shape == (400, len(NAMES))
    assert torch.isfinite(scores).all()
    # 400 values; templates made of a noisy fit lean a little towards it.
    assert scores.mean(0).abs().max() < 0.3
    torch.testing.assert_close(scores.std(0), torch.ones(len(NAMES)), atol=0.14, rtol=0)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_equals_the_definition(spread: float) -> None:
    windows = Windows(2)
    rng = torch.Generator().manual_seed(1)
    residual = torch.randn(2, GRID.window // 16, generator=rng).double()
    noise = 1 / windows.weight.double().reshape(2, -1, 16).sum(2)
    expected = []
    for k in range(2):
        free = torch.cat([COMPONENTS, spread * MEAN[None]])[:, windows.pixels[k]].double()
        design = free.reshape(len(free), -1, 16).mean(2)
        n = torch.diag(noise[k])
        inverse = torch.linalg.inv(n + design.T @ design)
        one = torch.ones(len(inverse)).double()
        scatter = one @ inverse @ n @ inverse @ n @ inverse @ one
        expected.append(float(one @ inverse @ residual[k] / scatter.sqrt()))
    found = Hypotheses(BASIS, WAVE, SAMPLING, spread).test(
        residual.repeat_interleave(16, 1).float(),
        windows.weight,
        windows.flux,
        windows.start,
        windows.z,
    )[0]
    assert column(found, "flat").tolist() == pytest.approx(expected, rel=1e-3)


def test_a_latent_off_its_best_looks_like_no_template() -> None:
    """The residual about a latent one standard deviation off is as that about the best one."""
    windows = Windows(100, seed=6, noise=0.1)
    residual = torch.where(windows.weight > 0, windows.flux - MEAN[windows.pixels], 0.0)
    scores = Hypotheses(BASIS, WAVE, SAMPLING).test(
        residual, windows.weight, windows.flux, windows.start, windows.z
    )[0]
    assert scores.abs().median(0).values.max() < 3


def test_an_arm_that_is_not_there_has_no_score() -> None:
    windows = Windows(4, seed=1)
    two = Sampling(SAMPLING.grid, SAMPLING.arms[:2])
    scores = Hypotheses(BASIS, WAVE, two).test(
        windows.flux, windows.weight, windows.flux, windows.start, windows.z
    )[0]
    absent = [name for name in NAMES if column(scores, name).isnan().any()]
    assert absent == ["z_offset", "z_tilt"]


def plant(name: str, windows: Windows) -> torch.Tensor:
    observed, rest = windows.observed, WAVE[windows.pixels]
    if name.endswith("_offset"):
        low, high = SAMPLING.spans[name[0]]
        return 0.15 * windows.flux * ((observed >= low) & (observed < high))
    if name == "reddening":
        return windows.flux * (10 ** (-0.06 * (1e4 / rest) ** 1.2) - 10 ** (-0.06 * 2.9))
    if name.startswith("blackbody"):
        kelvin = float(name.split("_")[1])
        shape = observed**-5 / torch.expm1(1.4388e8 / observed / kelvin)
        return shape / shape.median(1, keepdim=True).values
    return torch.ones_like(rest)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("b_offset", 1),
        ("r_offset", 1),
        ("z_offset", 1),
        ("reddening", -1),
        ("blackbody_3200", 1),
        ("blackbody_7000", 1),
    ],
)
def test_planted_cause_is_found_and_named(name: str, sign: int) -> None:
    windows = Windows(40, seed=2)
    windows.flux = windows.flux + plant(name, windows)
    scores = windows.test()
    assert (sign * column(scores, name)).median() > 8
    named = [HYPOTHESES[NAMES[k]] for k in scores.abs().argmax(1).tolist()]
    assert named.count(HYPOTHESES[name]) >= 0.9 * len(named)


def test_what_the_model_can_absorb_is_no_anomaly() -> None:
    windows = Windows(100, seed=3)
    before = windows.test()
    windows.flux = windows.flux + 2 * COMPONENTS[1][windows.pixels]
    # Two standard deviations along a component are shared by all templates, and are not much.
    assert (windows.test() - before).abs().median() < 1
    assert windows.test().abs().median() < 1.5


def test_flux_unit_does_not_matter() -> None:
    windows = Windows(20, seed=4)
    residual = torch.where(windows.weight > 0, windows.flux - MEAN[windows.pixels], 0.0)
    tested = [
        Hypotheses(LinearBasis(f * MEAN, f * COMPONENTS), WAVE, SAMPLING).test(
            f * residual, windows.weight / f**2, f * windows.flux, windows.start, windows.z
        )[0]
        for f in (1.0, 4.0)
    ]
    # Sky and lines come in the unit of the noise, the others in that of the model: any scale goes.
    same = [k for k, name in enumerate(NAMES) if name != "sky"]
    torch.testing.assert_close(tested[0][:, same], tested[1][:, same], rtol=1e-3, atol=1e-3)


def test_company_and_binning_of_the_basis_do_not_matter() -> None:
    windows = Windows(6, seed=5)
    together = windows.test()
    binned = LinearBasis(MEAN.reshape(-1, 4).mean(1), COMPONENTS.reshape(4, -1, 4).mean(2))
    torch.testing.assert_close(windows.test(binned), together, rtol=1e-3, atol=1e-3)
    mirrored = LinearBasis(MEAN, -COMPONENTS.flip(0))
    torch.testing.assert_close(windows.test(mirrored), together, rtol=1e-3, atol=1e-3)


def test_of_no_pixel_nothing_is_known() -> None:
    windows = Windows(2)
    blank = torch.zeros_like(windows.flux)
    scores = Hypotheses(BASIS, WAVE, SAMPLING).test(
        blank, blank, windows.flux, windows.start, windows.z
    )[0]
    assert torch.isnan(scores).all()


def light_of(name: str, observed: np.ndarray) -> np.ndarray:
    if name == "star":
        return star_light(observed, 3300.0)
    if name == "galaxy":
        return galaxy_light(observed / 1.43, 1.0, 0.0)
    return np.interp(observed / 2.9, WAVE.numpy(), MEAN.numpy())


@pytest.mark.parametrize("name", SOURCES)
def test_light_of_a_second_source_stands_out_whatever_its_redshift(name: str) -> None:
    windows = Windows(40, seed=3, noise=0.4)
    light = np.stack([light_of(name, wave.numpy()) for wave in windows.observed])
    light = torch.from_numpy(light / np.median(light, axis=1, keepdims=True)).float()
    found, plain_flux = [], windows.flux
    for share in (0.0, 0.3):
        windows.flux = plain_flux + share * light
        found.append(windows.examine()[1])
    plain, shown = (scores[:, list(SOURCES).index(name)] for scores in found)
    assert torch.isfinite(plain).all()
    # The best of many redshifts of pure noise, and light of a third of the quasar's.
    assert plain.median() < 5
    assert shown.median() > plain.median() + 4


def pick(finds: Finds, name: str) -> Finds:
    return Finds(*(each[:, [*HYPOTHESES, *SOURCES].index(name)] for each in finds))


def test_amplitude_over_error_is_the_score_of_every_hypothesis_and_source() -> None:
    windows = Windows(24, seed=9)
    finds = windows.locate()
    scores = torch.cat(windows.examine(), 1).numpy()
    sign = np.where(np.array([*HYPOTHESES, *SOURCES]) == "reddening", -1, 1)
    np.testing.assert_allclose(sign * finds.value / finds.error, scores, rtol=1e-5, atol=1e-5)
    for names, waves in zip(finds.name, finds.wave, strict=True):
        for name, what, wave in zip((*HYPOTHESES, *SOURCES), names, waves, strict=True):
            is_arm = name.endswith(("_offset", "_tilt"))
            assert what.endswith(f"seen best at {wave:,.0f} Å") != is_arm
            assert (f"arm {name[0]}, " in what) == is_arm
    rest = windows.observed.numpy() / (1 + windows.z.numpy()[:, None])
    assert (finds.wave > 0.99 * rest.min(1, keepdims=True)).all()
    assert (finds.wave < 1.01 * rest.max(1, keepdims=True)).all()


def count_covered(finds: Finds, truth: np.ndarray, n_sigma: float) -> float:
    return float(np.mean(np.abs(finds.value - truth) < n_sigma * finds.error))


# Factors of the model are told to first order: where the model takes much of one for its own
# light, they come out too large.
@pytest.mark.parametrize(
    ("name", "amplitude"),
    [
        ("b_offset", 0.015),
        ("z_offset", -0.03),
        ("slope", 0.06),
        ("reddening", 0.004),
        ("flat", 0.1),
    ],
)
def test_a_planted_amplitude_is_recovered_within_its_error(name: str, amplitude: float) -> None:
    windows = Windows(300, seed=11, noise=0.1)
    plain, rest = windows.flux, WAVE[windows.pixels]
    light, truth = windows.light, np.full(300, amplitude)
    if name.endswith("_offset"):
        low, high = SAMPLING.spans[name[0]]
        added = amplitude * light * ((windows.observed >= low) & (windows.observed < high))
    elif name == "slope":
        added = amplitude * light * torch.log(rest / 3000)
    elif name == "reddening":
        added = -0.4 * np.log(10) * 1.39 * amplitude * light * (1e4 / rest) ** 1.2
    else:
        added = torch.full_like(light, amplitude)
    windows.flux = plain + added
    finds = pick(windows.locate(), name)
    if name == "flat":
        used = windows.weight > 0
        truth = ((added * used).sum(1) / (windows.flux * used).sum(1)).numpy()
    assert np.median(np.abs(finds.value) / finds.error) > 3
    assert np.median(finds.value / truth) == pytest.approx(1, abs=0.15)
    assert 0.55 < count_covered(finds, truth, 1) < 0.8
    assert count_covered(finds, truth, 2) > 0.88


@pytest.mark.parametrize("name", SOURCES)
def test_a_second_source_is_recovered_with_its_redshift_and_share(name: str) -> None:
    windows = Windows(200, seed=13)
    light = np.stack([light_of(name, wave.numpy()) for wave in windows.observed])
    light = torch.from_numpy(0.5 * light / np.median(light, axis=1, keepdims=True)).float()
    windows.flux, used = windows.flux + light, windows.weight > 0
    truth = ((light * used).sum(1) / (windows.flux * used).sum(1)).numpy()
    finds = pick(windows.locate(), name)
    assert np.isfinite(finds.value).mean() > 0.97
    is_found = np.isfinite(finds.value)
    if name != "star":
        wanted = {"galaxy": 0.43, "second_quasar": 1.9}[name]
        is_found &= np.abs(finds.z - wanted) < 0.02 * (1 + wanted)
    assert is_found.mean() > 0.95
    expected = {"star": "star of 3,300 K", "galaxy": "old galaxy", "second_quasar": "second quasar"}
    assert np.mean([each.startswith(expected[name]) for each in finds.name]) > 0.9
    here = Finds(*(each[is_found] for each in finds))
    assert np.median(here.value / truth[is_found]) == pytest.approx(1, abs=0.05)
    assert 0.5 < count_covered(here, truth[is_found], 1) < 0.85


def test_an_arm_that_no_survey_has_is_not_located() -> None:
    one = Sampling(SAMPLING.grid, (Arm("r", 0, SAMPLING.grid.size),))
    finds = Hypotheses(BASIS, WAVE, one, 0.0).locate(*Windows(3).fit())
    absent, there = pick(finds, "b_offset"), pick(finds, "slope")
    assert np.isnan(np.stack(absent[:3])).all()
    assert np.isfinite(np.stack(there[:3])).all()
    assert set(absent.name) == {""}


def test_without_a_pixel_nothing_is_located_and_no_place_named() -> None:
    windows = Windows(2)
    blank = torch.zeros_like(windows.flux)
    finds = Hypotheses(BASIS, WAVE, SAMPLING).locate(
        blank, blank, windows.flux, windows.start, windows.z
    )
    assert np.isnan(np.stack(finds[:3])).all()
    assert not any("seen best" in name for name in finds.name.ravel())


def take_templates(mean: torch.Tensor, weight: torch.Tensor, z: float) -> dict[str, np.ndarray]:
    """Return each template's shape over the bins of one window, which single bins give away.

    Without components the score of a residual in one bin is the template there, over its norm.
    """
    nothing = LinearBasis(mean, torch.zeros(1, len(mean)))
    start, _ = find_window_starts(GRID, SAMPLING.grid, np.array([z]))
    n = GRID.window // 16
    pixels = int(start[0]) + torch.arange(GRID.window)
    residual = torch.eye(n).repeat_interleave(16, dim=1)
    scores = Hypotheses(nothing, WAVE, SAMPLING, 0.0).test(
        residual,
        weight.expand(n, -1),
        mean[pixels].expand(n, -1),
        torch.full((n,), int(start[0])),
        torch.full((n,), z),
    )[0]
    shapes = scores / weight.reshape(n, 16).sum(1).clamp(min=1e-9)[:, None]
    rest = WAVE[pixels].reshape(n, 16).mean(1).numpy()
    return {"rest": rest} | {name: shapes[:, k].numpy() for k, name in enumerate(NAMES)}


def same_shape(found: np.ndarray, expected: np.ndarray, rtol: float = 2e-3) -> None:
    one, other = (values.astype(np.float64) for values in (found, expected))
    one, other = one / np.abs(one).max(), other / np.abs(other).max()
    np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-4)


def test_templates_are_the_causes_that_they_are_named_for() -> None:
    z = 1.5
    found = take_templates(torch.full_like(WAVE, 2.0), torch.ones(GRID.window), z)
    rest = found["rest"]
    observed = rest * (1 + z)
    same_shape(found["flat"], np.ones_like(rest))
    same_shape(found["slope"], np.log(rest / 3000))
    same_shape(found["curvature"], np.log(rest / 3000) ** 2)
    same_shape(found["reddening"], rest**-1.2)
    blends = ((2480.0, 110.0, 1.0), (2950.0, 80.0, 0.5), (4570.0, 70.0, 0.6), (5270.0, 80.0, 0.5))
    bells = [h * np.exp(-0.5 * ((rest - c) / s) ** 2) for c, s, h in blends]
    same_shape(found["iron"], sum(bells))
    for kelvin in (3200, 4000, 5000, 7000):
        same_shape(
            found[f"blackbody_{kelvin}"],
            observed**-5 / np.expm1(1.4388e8 / observed / kelvin),
        )
    for name, (low, high) in SAMPLING.spans.items():
        same_shape(found[f"{name}_offset"], ((observed >= low) & (observed < high)).astype(float))
    # Iron goes with the continuum.
    falling = take_templates((WAVE / 3000) ** -2, torch.ones(GRID.window), z)["iron"]
    same_shape(falling, sum(bells) * rest**-2.0, rtol=0.2)
    # A continuum alone has no lines.
    assert np.isnan(found["lines"]).all()


def test_lines_are_what_stands_above_the_continuum_and_the_blue_ones_end_at_2000() -> None:
    found = take_templates(1 + LINES, torch.ones(GRID.window), 1.5)
    rest, lines = found["rest"], found["lines"]
    same_shape(lines[rest < 2100], take_lines(rest[rest < 2100]), rtol=0.15)
    blue = found["blue_lines"]
    assert not blue[rest > 2000].any()
    same_shape(blue[rest < 2000], lines[rest < 2000])
    assert (blue[(rest > 1930) & (rest < 1990)] > 0).any()


def take_lines(rest: np.ndarray) -> np.ndarray:
    binned = LINES.reshape(-1, 16).mean(1).numpy()
    return np.interp(rest, WAVE.reshape(-1, 16).mean(1).numpy(), binned)


def test_sky_is_the_variance_up_to_a_ceiling() -> None:
    n = GRID.window // 16
    noise = np.linspace(0.5, 80, n)
    weight = torch.from_numpy((1 / noise).repeat(16)).float()
    weight[160:176] = 0
    expected = np.minimum(noise, 50)
    expected[10] = 0
    found = take_templates(torch.full_like(WAVE, 2.0), weight, 1.5)["sky"]
    same_shape(np.delete(found, 10), np.delete(expected, 10))
    assert found[10] == 0


def test_bits_do_not_depend_on_how_many_are_tested_together() -> None:
    windows = Windows(37, seed=7)
    tester = Hypotheses(BASIS, WAVE, SAMPLING)
    values = (windows.flux, windows.weight, windows.flux, windows.start, windows.z)
    together = tester.test(*values)
    for n in (1, 2, 5, 13, 36):
        alone = tester.test(*(each[:n] for each in values))
        for one, all_of_them in zip(alone, together, strict=True):
            assert torch.equal(one, all_of_them[:n])
