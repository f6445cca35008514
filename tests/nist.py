"""Linear regression with certified answers: NIST's Statistical Reference Datasets, and one LAD optimum.

Source: National Institute of Standards and Technology, Statistical Reference Datasets, Linear Regression
(https://www.itl.nist.gov/div898/strd/lls/lls.shtml). Certified values have 15 significant digits.
Data are kept as the decimal strings that were published, since 0.1 has no exact float64:

    filip = NIST["Filip"]
    filip.columns, filip.target      [n, d] and [n] as float64
    filip.design()                   [n, p] of Fractions, exact: for whoever computes in more digits
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Certified:
    """A least-squares problem and its certified answer.

    Attributes:
        x: n rows of d decimal strings, without a column of ones.
        y: n decimal strings.
        terms: what each coefficient multiplies: `intercept`, a column's name, or a power `x^3`.
        coefficients: one decimal string a term, as certified.
        residual_sum_of_squares: the sum over all rows (not the mean), as certified.
    """

    x: tuple[tuple[str, ...], ...]
    y: tuple[str, ...]
    terms: tuple[str, ...]
    coefficients: tuple[str, ...]
    residual_sum_of_squares: str

    @property
    def names(self) -> list[str]:
        """The d column names of x."""
        return [term for term in self.terms if term != "intercept" and "^" not in term]

    @property
    def columns(self) -> np.ndarray:
        """x as float64, [n, d]."""
        return np.array([[float(value) for value in row] for row in self.x])

    @property
    def target(self) -> np.ndarray:
        """y as float64, [n]."""
        return np.array([float(value) for value in self.y])

    @property
    def theta(self) -> np.ndarray:
        """The certified coefficients as float64, [p], in the order of `terms`."""
        return np.array([float(value) for value in self.coefficients])

    @property
    def intercept(self) -> bool:
        """Whether the model has an intercept."""
        return "intercept" in self.terms

    @property
    def degree(self) -> int:
        """The highest power of a column in the model."""
        return max(int(term.partition("^")[2] or 1) for term in self.terms)

    def design(self) -> list[list[Fraction]]:
        """The design exactly, [n, p], in the order of `terms`."""
        rows = []
        for row in self.x:
            values = dict(zip(self.names, map(Fraction, row), strict=True))
            rows.append([_term(term, values) for term in self.terms])
        return rows


def _term(term: str, values: dict[str, Fraction]) -> Fraction:
    if term == "intercept":
        return Fraction(1)
    name, _, power = term.partition("^")
    return values[name] ** int(power or 1)


def _polynomial(degree: int) -> tuple[str, ...]:
    return ("intercept", "x", *(f"x^{power}" for power in range(2, degree + 1)))


def _numbers(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _one_column(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple((value,) for value in text.split())


def _wampler(y: str, coefficient: str, residual_sum_of_squares: str) -> Certified:
    """A polynomial of degree 5 on x = 0…20; the k-th certified coefficient is `coefficient` to the k."""
    powers = [Fraction(coefficient) ** power for power in range(6)]
    return Certified(
        x=tuple((str(value),) for value in range(21)),
        y=_numbers(y),
        terms=_polynomial(5),
        coefficients=tuple(repr(float(power)) for power in powers),
        residual_sum_of_squares=residual_sum_of_squares,
    )


# Published formulas: Wampler1 is 1 + x + x² + x³ + x⁴ + x⁵, and Wampler2 the same in x/10.
# Wampler3, 4 and 5 are Wampler1 plus these errors times 1, 100 and 10,000.
_HALF = (759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048)
WAMPLER_ERRORS = (*_HALF, 2048, *reversed(_HALF))

_WAMPLER_1 = """1 6 63 364 1365 3906 9331 19608 37449 66430 111111 177156 271453 402234 579195 813616
                1118481 1508598 2000719 2613660 3368421"""
_WAMPLER_2 = """1.00000 1.11111 1.24992 1.42753 1.65984 1.96875 2.38336 2.94117 3.68928 4.68559 6.00000
                7.71561 9.92992 12.75603 16.32384 20.78125 26.29536 33.05367 41.26528 51.16209 63.00000"""
_WAMPLER_3 = """760 -2042 2111 -1684 3888 1858 11379 17560 39287 64382 113159 175108 273291 400186 581243
                811568 1121004 1506550 2002767 2611612 3369180"""
_WAMPLER_4 = """75901 -204794 204863 -204436 253665 -200894 214131 -185192 221249 -138370 315911 -27644
                455253 197434 783995 608816 1370781 1303798 2205519 2408860 3444321"""
_WAMPLER_5 = """7590001 -20479994 20480063 -20479636 25231365 -20476094 20489331 -20460392 18417449
                -20413570 20591111 -20302844 18651453 -20077766 21059195 -19666384 26348481 -18971402
                22480719 -17866340 10958421"""

_LONGLEY = """
60323  83.0 234289 2356 1590 107608 1947
61122  88.5 259426 2325 1456 108632 1948
60171  88.2 258054 3682 1616 109773 1949
61187  89.5 284599 3351 1650 110929 1950
63221  96.2 328975 2099 3099 112075 1951
63639  98.1 346999 1932 3594 113270 1952
64989  99.0 365385 1870 3547 115094 1953
63761 100.0 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955
67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957
66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959
69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961
70551 116.9 554894 4007 2827 130081 1962
"""
_LONGLEY_ROWS = [line.split() for line in _LONGLEY.strip().splitlines()]

NIST: dict[str, Certified] = {
    "Norris": Certified(
        x=_one_column(
            """0.2 337.4 118.2 884.6 10.1 226.5 666.3 996.3 448.6 777.0 558.2 0.4 0.6 775.5 666.9 338.0
            447.5 11.6 556.0 228.1 995.8 887.6 120.2 0.3 0.3 556.8 339.1 887.2 999.0 779.0 11.1 118.3
            229.2 669.1 448.9 0.5"""
        ),
        y=_numbers(
            """0.1 338.8 118.1 888.0 9.2 228.1 668.5 998.5 449.1 778.9 559.2 0.3 0.1 778.1 668.8 339.3
            448.9 10.8 557.7 228.3 998.0 888.8 119.6 0.3 0.6 557.6 339.3 888.0 998.5 778.9 10.2 117.6
            228.9 668.4 449.2 0.2"""
        ),
        terms=("intercept", "x"),
        coefficients=("-0.262323073774029", "1.00211681802045"),
        residual_sum_of_squares="26.6173985294224",
    ),
    "Pontius": Certified(
        x=tuple((str(150_000 * step),) for step in range(1, 21)) * 2,
        y=_numbers(
            """.11019 .21956 .32949 .43899 .54803 .65694 .76562 .87487 .98292 1.09146 1.20001 1.30822
            1.41599 1.52399 1.63194 1.73947 1.84646 1.95392 2.06128 2.16844 .11052 .22018 .32939 .43886
            .54798 .65739 .76596 .87474 .98300 1.09150 1.20004 1.30818 1.41613 1.52408 1.63159 1.73965
            1.84696 1.95445 2.06177 2.16829"""
        ),
        terms=_polynomial(2),
        coefficients=("0.673565789473684E-03", "0.732059160401003E-06", "-0.316081871345029E-14"),
        residual_sum_of_squares="0.155761768796992E-05",
    ),
    "NoInt1": Certified(
        x=tuple((str(value),) for value in range(60, 71)),
        y=tuple(str(value) for value in range(130, 141)),
        terms=("x",),
        coefficients=("2.07438016528926",),
        residual_sum_of_squares="127.272727272727",
    ),
    "NoInt2": Certified(
        x=(("4",), ("5",), ("6",)),
        y=("3", "4", "4"),
        terms=("x",),
        coefficients=("0.727272727272727",),
        residual_sum_of_squares="0.272727272727273",
    ),
    "Filip": Certified(
        x=_one_column(
            """-6.860120914 -4.324130045 -4.358625055 -4.358426747 -6.955852379 -6.661145254
            -6.355462942 -6.118102026 -7.115148017 -6.815308569 -6.519993057 -6.204119983 -5.853871964
            -6.109523091 -5.79832982 -5.482672118 -5.171791386 -4.851705903 -4.517126416 -4.143573228
            -3.709075441 -3.499489089 -6.300769497 -5.953504836 -5.642065153 -5.031376979 -4.680685696
            -4.329846955 -3.928486195 -8.56735134 -8.363211311 -8.107682739 -7.823908741 -7.522878745
            -7.218819279 -6.920818754 -6.628932138 -6.323946875 -5.991399828 -8.781464495 -8.663140179
            -8.473531488 -8.247337057 -7.971428747 -7.676129393 -7.352812702 -7.072065318 -6.774174009
            -6.478861916 -6.159517513 -6.835647144 -6.53165267 -6.224098421 -5.910094889 -5.598599459
            -5.290645224 -4.974284616 -4.64454848 -4.290560426 -3.885055584 -3.408378962 -3.13200249
            -8.726767166 -8.66695597 -8.511026475 -8.165388579 -7.886056648 -7.588043762 -7.283412422
            -6.995678626 -6.691862621 -6.392544977 -6.067374056 -6.684029655 -6.378719832 -6.065855188
            -5.752272167 -5.132414673 -4.811352704 -4.098269308 -3.66174277 -3.2644011"""
        ),
        y=_numbers(
            """0.8116 0.9072 0.9052 0.9039 0.8053 0.8377 0.8667 0.8809 0.7975 0.8162 0.8515 0.8766 0.8885
            0.8859 0.8959 0.8913 0.8959 0.8971 0.9021 0.909 0.9139 0.9199 0.8692 0.8872 0.89 0.891 0.8977
            0.9035 0.9078 0.7675 0.7705 0.7713 0.7736 0.7775 0.7841 0.7971 0.8329 0.8641 0.8804 0.7668
            0.7633 0.7678 0.7697 0.77 0.7749 0.7796 0.7897 0.8131 0.8498 0.8741 0.8061 0.846 0.8751 0.8856
            0.8919 0.8934 0.894 0.8957 0.9047 0.9129 0.9209 0.9219 0.7739 0.7681 0.7665 0.7703 0.7702
            0.7761 0.7809 0.7961 0.8253 0.8602 0.8809 0.8301 0.8664 0.8834 0.8898 0.8964 0.8963 0.9074
            0.9119 0.9228"""
        ),
        terms=_polynomial(10),
        coefficients=(
            "-1467.48961422980",
            "-2772.17959193342",
            "-2316.37108160893",
            "-1127.97394098372",
            "-354.478233703349",
            "-75.1242017393757",
            "-10.8753180355343",
            "-1.06221498588947",
            "-0.670191154593408E-01",
            "-0.246781078275479E-02",
            "-0.402962525080404E-04",
        ),
        residual_sum_of_squares="0.795851382172941E-03",
    ),
    "Longley": Certified(
        x=tuple(tuple(row[1:]) for row in _LONGLEY_ROWS),
        y=tuple(row[0] for row in _LONGLEY_ROWS),
        terms=("intercept", "x1", "x2", "x3", "x4", "x5", "x6"),
        coefficients=(
            "-3482258.63459582",
            "15.0618722713733",
            "-0.358191792925910E-01",
            "-2.02022980381683",
            "-1.03322686717359",
            "-0.511041056535807E-01",
            "1829.15146461355",
        ),
        residual_sum_of_squares="836424.055505915",
    ),
    "Wampler1": _wampler(_WAMPLER_1, "1", "0"),
    "Wampler2": _wampler(_WAMPLER_2, "0.1", "0"),
    "Wampler3": _wampler(_WAMPLER_3, "1", "83554268.0000000"),
    "Wampler4": _wampler(_WAMPLER_4, "1", "835542680000.000"),
    "Wampler5": _wampler(_WAMPLER_5, "1", "8355426800000000"),
}

# Least absolute deviations on the stack-loss data (Brownlee 1965; statsmodels.datasets.stackloss holds
# the 21 rows): stackloss on air flow, water temperature and acid concentration, to the digits that R's
# quantreg publishes for its example rq(stack.loss ~ stack.x, 0.5).
STACKLOSS_LAD = {
    "intercept": -39.68986,
    "AIRFLOW": 0.8318841,
    "WATERTEMP": 0.5739130,
    "ACIDCONC": -0.0608696,
}
STACKLOSS_LAD_SUM = 42.08116  # the sum (not the mean) of absolute residuals there


@dataclass(frozen=True)
class Analysis:
    """Certified beside the coefficients: their standard deviations, R² and the F statistic of the analysis of variance."""

    deviations: tuple[float, ...]
    r2: float
    f: float


_WAMPLER_DEVIATIONS = (2152.32624678170, 2363.55173469681, 779.343524331583, 101.475507550350, 5.64566512170752)

NIST_ANALYSIS: dict[str, Analysis] = {
    "Norris": Analysis((0.232818234301152, 0.429796848199937e-3), 0.999993745883712, 5436385.54079785),
    "Pontius": Analysis(
        (0.107938612033077e-3, 0.157817399981659e-9, 0.486652849992036e-16), 0.999999900178537, 185330865.995752
    ),
    "NoInt1": Analysis((0.165289256198347e-1,), 0.999365492298663, 15750.2500000000),
    "NoInt2": Analysis((0.420827318078432e-1,), 0.993348115299335, 298.6666666666667),
    "Filip": Analysis(
        (
            298.084530995537, 559.779865474950, 466.477572127796, 227.204274477751, 71.6478660875927, 15.2897178747400,
            2.23691159816033, 0.221624321934227, 0.142363763154724e-1, 0.535617408889821e-3, 0.896632837373868e-5,
        ),
        0.996727416185620,
        2162.43954511489,
    ),
    "Longley": Analysis(
        (
            890420.383607373, 84.9149257747669, 0.334910077722432e-1, 0.488399681651699, 0.214274163161675,
            0.226073200069370, 455.478499142212,
        ),
        0.995479004577296,
        330.285339234588,
    ),
    "Wampler1": Analysis((0.0,) * 6, 1.0, float("inf")),
    "Wampler2": Analysis((0.0,) * 6, 1.0, float("inf")),
    "Wampler3": Analysis((*_WAMPLER_DEVIATIONS, 0.112324854679312), 0.999995559025820, 675524.458240122),
    "Wampler4": Analysis(
        (215232.624678170, 236355.173469681, 77934.3524331583, 10147.5507550350, 564.566512170752, 11.2324854679312),
        0.957478440825662,
        67.5524458240122,
    ),
    "Wampler5": Analysis(
        (21523262.4678170, 23635517.3469681, 7793435.24331583, 1014755.07550350, 56456.6512170752, 1123.24854679312),
        0.224668921574940e-2,
        6.7552445824012241e-03,
    ),
}  # fmt: skip
"""As certified, of the problems in `NIST`."""
