"""The comparison in words and numbers: the printed table, the summary, the CSV file."""

import csv
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnb.cli.tables import opened_table, separator_of
from jaxnb.fit import FitResult, FitStatus
from jaxnb.fit.comparison import Comparison

__all__ = ["next_step", "one_gene", "printed_table", "summary", "write_csv"]

_WIDEST_NAME = 16
_SIGNIFICANT = 0.05
_LINE = 100

# Title, column of the comparison's table, format. Columns that were not fitted are left out.
_PRINTED = (
    ("mean", "nb_mean", ".3g"),
    ("theta", "nb_theta", ".3g"),
    ("log-lik", "nb_log_likelihood", ".1f"),
    ("mean ", "zinb_mean", ".3g"),
    ("theta ", "zinb_theta", ".3g"),
    ("infl. ", "zinb_zero_inflation", ".1%"),
    ("log-lik ", "zinb_log_likelihood", ".1f"),
    ("q-value", "q_value", ".1e"),
    ("BIC", "bic_choice", "s"),
    ("zeros", "zeros_observed", ".1%"),
    ("Poisson", "poisson_zeros", ".1%"),
    ("NB", "nb_zeros", ".1%"),
    ("ZINB", "zinb_zeros", ".1%"),
)


def printed_table(comparison: Comparison, *, top: int) -> str:
    """The genes on which the fits differ most, under a line that says so."""
    table = comparison.table
    ranking, reason = _ranking(comparison)
    shown = ranking[:top]
    names = [str(name)[:_WIDEST_NAME] for name in table["gene"][shown]]
    columns = [_column("gene", names, left=True)]
    for title, name, form in _PRINTED:
        if name in table:
            cells = [_formatted(value, form) for value in table[name][shown]]
            columns.append(_column(title.strip(), cells))
    lines = ["  ".join(cells) for cells in zip(*columns, strict=True)]
    table_lines = [_groups(comparison, columns), *lines]
    if len(ranking) == 1:
        return "\n".join(table_lines)
    head = f"The {len(shown)} of {len(ranking)} genes with {reason}:"
    return "\n".join([head, "", *table_lines])


def summary(comparison: Comparison) -> str:
    """What was found, in plain words."""
    table = comparison.table
    genes = len(table["gene"])
    lines = [
        f"{genes} genes in {comparison.rows} cells; {np.mean(table['zeros_observed']):.1%} of the "
        f"counts are zero. Expected: {_expected(comparison)}.",
        f"By BIC, {_choices(table['bic_choice'])}. {_advice(comparison)}".rstrip(),
    ]
    for name, fit in comparison.fits.items():
        if name != "Poisson":
            lines.append(f"{name} fits: {_statuses(fit)}.")
    return "\n".join(fill(line, _LINE, subsequent_indent="  ") for line in lines)


def one_gene(comparison: Comparison) -> str:
    """What was found of the only gene, in plain words."""
    lines = [f"Lowest BIC: {comparison.table['bic_choice'][0]}."]
    for name, fit in comparison.fits.items():
        if name != "Poisson":
            lines += [f"{name} fit: {s.message}." for s in FitStatus if s == fit.status[0]]
    return "\n".join(fill(line, _LINE, subsequent_indent="  ") for line in lines)


def next_step(comparison: Comparison, out: Path | None, plot: Path | None) -> str:
    """What is worth doing with these results, one line."""
    if any(np.any(fit.status == FitStatus.NOT_CONVERGED) for fit in comparison.fits.values()):
        return (
            "next: leave out the genes whose status is not_converged: their estimates mean nothing."
        )
    inflated = np.any(comparison.table.get("q_value", np.ones(1)) < _SIGNIFICANT)
    if inflated:
        todo = (
            "see whether the genes with a small q-value mark a cell type (then fit each type by "
            "itself) before calling their zeros dropout"
        )
    elif "q_value" in comparison.table:
        todo = "use the NB: no gene has significantly more zeros than it explains"
    else:
        todo = "leave --family out to test for zero inflation"
    places = " and ".join(str(place) for place in (plot, out) if place is not None)
    line = f"next: {f'look at {places}; ' if places else ''}{todo}."
    return fill(line, _LINE, subsequent_indent="  ")


def write_csv(table: dict[str, NDArray[Any]], file: Path, named: Path) -> None:
    """All columns for all genes; infinities as ``inf``, unknown standard errors left empty.

    Args:
        table: columns by their names.
        file: where to write.
        named: the name that the file will have, whose ending says how.
    """
    with opened_table(file, named) as text:
        writer = csv.writer(text, delimiter=separator_of(named), lineterminator="\n")
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow([_plain(value) for value in row])


def _plain(value: Any) -> str:
    if not isinstance(value, np.floating):
        return str(value)
    digits = 9 if value.dtype == np.float32 else 12
    return "" if np.isnan(value) else f"{value:.{digits}g}"


def _ranking(comparison: Comparison) -> tuple[NDArray[np.intp], str]:
    table, fits = comparison.table, comparison.fits
    if "lr_statistic" in table:
        gain = table["lr_statistic"]
        reason = "the strongest evidence for zero inflation (ZINB against NB)"
    else:
        (name,) = set(fits) - {"Poisson"}
        gain = fits[name].log_likelihood - fits["Poisson"].log_likelihood
        reason = f"the strongest evidence against a Poisson distribution ({name} against Poisson)"
    return np.argsort(-gain, kind="stable"), reason


def _formatted(value: Any, form: str) -> str:
    return format(str(value) if form == "s" else float(value), form)


def _column(title: str, cells: list[str], *, left: bool = False) -> list[str]:
    width = max(map(len, [title, *cells]))
    return [cell.ljust(width) if left else cell.rjust(width) for cell in [title, *cells]]


def _groups(comparison: Comparison, columns: list[list[str]]) -> str:
    """A line above the titles that says which fit the columns are of."""
    names = [name for _, name, _ in _PRINTED if name in comparison.table]
    groups = ["" if name in ("q_value", "bic_choice") else _group(name) for name in names]
    line = " " * len(columns[0][0])
    at = 0
    while at < len(groups):
        end = at
        while end < len(groups) and groups[end] == groups[at]:
            end += 1
        width = sum(len(column[0]) for column in columns[at + 1 : end + 1]) + 2 * (end - at - 1)
        title = groups[at] and f" {groups[at]} ".center(width, "-")
        line += "  " + title.ljust(width)
        at = end
    return line.rstrip()


def _group(name: str) -> str:
    return "zeros: observed, expected" if "zeros" in name else name.split("_")[0].upper()


def _expected(comparison: Comparison) -> str:
    return ", ".join(f"{name} {np.mean(zeros):.1%}" for name, zeros in comparison.zeros.items())


def _choices(choice: NDArray[np.str_]) -> str:
    words = {
        "Poisson": "a Poisson distribution is enough for {}",
        "NB": "{} need an NB",
        "ZIP": "{} a zero-inflated Poisson (ZIP)",
        "ZINB": "{} a ZINB",
        "-": "{} have no counts",
        "?": "{} are undecided",
    }
    found = [text.format(np.sum(choice == name)) for name, text in words.items() if name in choice]
    return ", ".join(found)


def _advice(comparison: Comparison) -> str:
    if "q_value" not in comparison.table:
        return ""
    genes = int(np.sum(comparison.table["q_value"] < _SIGNIFICANT))
    return f"At a false discovery rate of 5%, {genes} genes have more zeros than the NB explains."


def _statuses(fit: FitResult) -> str:
    counted = [(status, int(np.sum(fit.status == status))) for status in FitStatus]
    # What happened is before the colon; the reason after it is for those who look at one gene.
    return ", ".join(f"{n} {status.message.partition(':')[0]}" for status, n in counted if n)
