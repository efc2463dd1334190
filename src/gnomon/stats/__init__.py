"""Ground floor: the statistics that every printed figure goes through.

`Estimate` is a value with its interval; `intervals`, `resample` and `weights` make them, `agreement` those of raters,
`survey` those of designed samples, `judge` those of a judge that errs; `order` compares noisy scores and chooses among
many. NumPy and SciPy only, imported when a function is used.
"""

from gnomon.stats.estimate import Estimate

__all__ = [
    "Estimate",
    "bootstrap",
    "cohen_kappa",
    "effective_sample_size",
    "exact",
    "fleiss_kappa",
    "gwet_ac1",
    "kish_deff",
    "krippendorff_alpha",
    "mean",
    "order",
    "paired_difference",
    "ppi_mean",
    "proportion_difference",
    "rogan_gladen",
    "survey_mean",
    "wilson",
]

_HOMES = {
    "bootstrap": "resample",
    "cohen_kappa": "agreement",
    "effective_sample_size": "weights",
    "exact": "intervals",
    "fleiss_kappa": "agreement",
    "gwet_ac1": "agreement",
    "kish_deff": "survey",
    "krippendorff_alpha": "agreement",
    "mean": "intervals",
    "paired_difference": "intervals",
    "ppi_mean": "judge",
    "proportion_difference": "intervals",
    "rogan_gladen": "judge",
    "survey_mean": "survey",
    "wilson": "intervals",
}


def __getattr__(name: str) -> object:
    """Import a function's module, or the package `order`, when it is first asked for."""
    from importlib import import_module

    if name == "order":
        return import_module("gnomon.stats.order")
    if name in _HOMES:
        return getattr(import_module(f"gnomon.stats.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
