"""Names tell cells from genes, and say nothing where they do not."""

import numpy as np
import pytest

from jaxnb import datasets
from jaxnb.io import InputError
from jaxnb.io.names import kind_of_fields, kind_of_names, refuse_transposed

CELLS = [
    ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1"],
    ["AAACCTGAGAAACCAT", "TTTGGTGAGAAACCGC"],
    ["AAACCTGAGAAACCAT.1", "TTTGGTGAGAAACCGC.1"],
    ["AAACCTGAGAAACCAT-1-0", "TTTGGTGAGAAACCGC-1-3"],
    ["AAACCTGAGAAACCAT-1_2", "TTTGGTGAGAAACCGC-1_2"],
    ["sample_1_AAACCTGAGAAACCAT-1", "pbmc#TTTGGTGAGAAACCGC-1"],
]
GENES = [
    ["ENSG00000111640", "ENSG00000075624.17"],
    ["ENSMUSG00000029580", "ENSDARG00000037746"],
    ["GRCh38_ENSG00000111640", "mm10___ENSMUSG00000029580"],
    ["ACTB", "X1", "X2", "GAPDH"],
    ["Actb", "Malat1", "Xkr4"],
    ["mt-Nd1", "mt-Co1"],
    ["RPL13A", "RPS6"],
    ["FBgn0000008", "FBgn0000014"],
    ["YAL001C", "YBR020W"],
    ["AT1G01010", "AT2G01021"],
    ["GAPDH"],
]
NEITHER = [
    ["cell1", "cell2"],
    ["P1001_501", "plate3_A01"],
    ["GATA1", "TAGLN", "CAT"],
    ["0", "1", "2"],
    ["CD4", "CD8A", "NK"],
    ["one", "GAPDH", "three"],
]


@pytest.mark.quick
@pytest.mark.parametrize("names", CELLS)
def test_barcodes(names: list[str]) -> None:
    assert kind_of_names(np.array(names)) == "cells"


@pytest.mark.quick
@pytest.mark.parametrize("names", GENES)
def test_genes(names: list[str]) -> None:
    assert kind_of_names(np.array(names)) == "genes"


@pytest.mark.quick
@pytest.mark.parametrize("names", NEITHER)
def test_other_names(names: list[str]) -> None:
    assert kind_of_names(np.array(names)) is None


def test_real_symbols_are_genes() -> None:
    genes = datasets.pbmc68k().genes
    assert kind_of_names(genes) == "genes"
    # One gene in ten is enough, because common ones are among them.
    assert all(kind_of_names(genes[start::10]) == "genes" for start in range(10))


def test_fields() -> None:
    assert kind_of_fields(["gene_ids", "highly_variable", "total_counts"]) == "genes"
    assert kind_of_fields(["leiden", "total_counts"]) == "cells"
    assert kind_of_fields(["total_counts"]) is None
    assert kind_of_fields([]) is None


@pytest.mark.parametrize(
    ("cells", "genes", "fields", "refused"),
    [
        (CELLS[0], GENES[0], ({}, {}), False),
        (GENES[0], CELLS[0], ({}, {}), True),
        (GENES[0], NEITHER[0], ({}, {}), True),
        (NEITHER[0], CELLS[0], ({}, {}), True),
        (NEITHER[0], NEITHER[1], ({}, {}), False),
        (NEITHER[0], NEITHER[1], ({"gene_ids": 0}, {}), True),
        (NEITHER[0], NEITHER[1], ({}, {"leiden": 0}), True),
        # What speaks for it is not fewer than what speaks against it.
        (CELLS[0], NEITHER[0], ({"gene_ids": 0}, {}), False),
        (GENES[0], GENES[1], ({}, {}), False),
        (None, None, ({}, {}), False),
    ],
)
def test_refused_if_most_of_what_is_known_is_wrong(cells, genes, fields, refused) -> None:
    axes = [None if names is None else np.array(names) for names in (cells, genes)]
    if not refused:
        refuse_transposed("m.csv", *axes, fields, transpose=False)
        return
    with pytest.raises(InputError, match="add --transpose"):
        refuse_transposed("m.csv", *axes, fields, transpose=False)
    with pytest.raises(InputError, match="leave --transpose out"):
        refuse_transposed("m.csv", *axes, fields, transpose=True)
