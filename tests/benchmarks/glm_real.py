"""Bulk differential expression of airway and pasilla by the defaults of several packages.

    pip download --no-deps inmoose && tar xf inmoose-*.tar.gz
    python tests/benchmarks/glm_real.py inmoose-*/inmoose/data

The counts are those of the Bioconductor packages airway and pasilla, which the source distribution
of InMoose has as well. First, the genes that each package finds at a false discovery rate of 5 %,
with its own filter of genes with few counts (glmGamPoi has none) and with ours; then the p-values
of three factors that airway does not have: labels that are balanced within the pairs of samples of
each cell line, so nothing is true of them. Rscript with edgeR, DESeq2 and glmGamPoi is needed;
PyDESeq2 is optional.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
from glm_data import cpu
from timing import machine

from jaxnb import glm

SCRIPT = Path(__file__).with_suffix(".R")
PACKAGES = ("edgeR", "DESeq2", "glmGamPoi", "PyDESeq2")
FIRST = 50


class Data(NamedTuple):
    """Counts (samples x genes), and the last factor of a formula, which is tested."""

    name: str
    counts: pd.DataFrame
    obs: pd.DataFrame
    formula: str
    contrast: tuple[str, str, str]


def read(folder: Path) -> Iterator[Data]:
    """Both data sets, then airway with factors that do not exist."""
    counts = pd.read_csv(folder / "pasilla" / "pasilla_gene_counts.tsv", sep="\t", index_col=0).T
    obs = pd.read_csv(folder / "pasilla" / "pasilla_sample_annotation.csv", index_col=0)
    obs = obs.set_axis(obs.index.str.removesuffix("fb")).loc[counts.index]
    contrast = ("condition", "treated", "untreated")
    yield Data("pasilla", counts, obs, "~ type + condition", contrast)
    data = anndata.read_h5ad(folder / "airway" / "airway.h5ad")
    counts, obs = data.to_df().astype(int), data.obs.astype(str)
    yield Data("airway", counts, obs, "~ cell + dex", ("dex", "trt", "untrt"))
    lines = {cell: place for place, cell in enumerate(obs["cell"].unique())}
    for number, signs in enumerate(((1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1)), 1):
        sign = obs["cell"].map(lines).map(lambda place, signs=signs: signs[place])
        mock = np.where((obs["dex"] == "trt") == (sign > 0), "B", "A")
        made = obs.assign(mock=mock)
        yield Data(f"mock {number}", counts, made, "~ cell + dex + mock", ("mock", "B", "A"))


def ours(data: Data) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Our p-values, the design and the genes with enough counts."""
    fit = glm.fit(data.counts, data.formula, obs=data.obs, filter_low=True)
    table = fit.test(*data.contrast)
    found = table[["p_value", "p_adjusted"]].set_axis(["p", "q"], axis=1)
    kept = (table["status"] != "low counts").to_numpy() & (data.counts.sum() > 0).to_numpy()
    found.loc[~kept] = np.nan
    return found, fit.design.matrix, kept


def of_r(sets: list[Data], parts: list[tuple]) -> list[dict[str, pd.DataFrame]]:
    """Tables of the R packages, with all genes and with the kept ones."""
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / data.name.replace(" ", "_") for data in sets]
        for data, (_, design, kept), folder in zip(sets, parts, folders, strict=True):
            folder.mkdir()
            data.counts.T.to_csv(folder / "counts.csv")
            np.savetxt(folder / "design.csv", design, delimiter=",", fmt="%g")
            np.savetxt(folder / "kept.csv", kept, fmt="%d")
        subprocess.run(["Rscript", SCRIPT, *folders], stdout=sys.stderr, check=True)
        return [
            {
                file.stem: pd.read_csv(file, index_col=0)
                for file in folder.glob("*.csv")
                if file.stem.removesuffix("_kept") in PACKAGES
            }
            for folder in folders
        ]


def of_pydeseq2(data: Data, kept: np.ndarray) -> pd.DataFrame:
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    one = DefaultInference(n_cpus=1)
    counts = data.counts.loc[:, kept]
    fit = DeseqDataSet(
        counts=counts, metadata=data.obs, design=data.formula, inference=one, quiet=True
    )
    fit.deseq2()
    found = DeseqStats(fit, contrast=list(data.contrast), inference=one, quiet=True)
    found.summary()
    return found.results_df[["pvalue", "padj"]].set_axis(["p", "q"], axis=1)


def compared(own: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """Genes found by both, the rank correlation of the p-values, and of the first genes."""
    both = own.join(theirs, rsuffix="_theirs", how="inner")
    found = ((both["q"] < 0.05) & (both["q_theirs"] < 0.05)).sum()
    known = both.dropna(subset=["p", "p_theirs"])
    correlation = known["p"].corr(known["p_theirs"], method="spearman")
    first = [set(table["p"].nsmallest(FIRST).index) for table in (own, theirs)]
    return [f"{found:,}", f"{correlation:.3f}", str(len(first[0] & first[1]))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(machine(), file=sys.stderr)
    sets = list(read(options.folder))
    parts = []
    for data in sets:
        ours(data)  # compiles
        seconds, part = cpu(lambda data=data: ours(data))
        print(f"{data.name} jaxnb {seconds:.1f} s of CPU", file=sys.stderr)
        parts.append(part)
    tables = of_r(sets, parts)
    for data, (own, _, kept), found in zip(sets, parts, tables, strict=True):
        mock = data.name.startswith("mock")
        for name, genes in (("PyDESeq2", kept | True), ("PyDESeq2_kept", kept)):
            if importlib.util.find_spec("pydeseq2") and not (mock and name == "PyDESeq2"):
                seconds, found[name] = cpu(lambda data=data, genes=genes: of_pydeseq2(data, genes))
                print(f"{data.name} {name} {seconds:.1f} s of CPU", file=sys.stderr)
        if not mock:
            report(data, own, found)
            continue
        for name, table in {"jaxnb": own, **dict(sorted(found.items()))}.items():
            p = table["p"].dropna()
            shares = ", ".join(f"{np.mean(p < level):.2%}" for level in (0.05, 0.01, 0.001))
            false = int((table["q"] < 0.05).sum())
            print(f"{data.name}: {name} {shares} below 0.05, 0.01, 0.001; {false} found")


def report(data: Data, own: pd.DataFrame, found: dict[str, pd.DataFrame]) -> None:
    print(f"\n{data.name}, {data.formula}: jaxnb finds {(own['q'] < 0.05).sum():,} genes\n")
    print("| package | genes | found | found by both | correlation | first 50 |")
    print("|---" * 6 + "|")
    for package in PACKAGES:
        for name, genes in ((package, "own filter"), (f"{package}_kept", "ours")):
            if name in found:
                number = f"{(found[name]['q'] < 0.05).sum():,}"
                cells = [package, genes, number, *compared(own, found[name])]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
