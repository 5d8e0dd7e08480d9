"""Which of the two axes are the cells? Their names and fields usually tell."""

import re
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jaxnb._errors import InputError

__all__ = ["SUMMARIES", "Names", "kind_of_names", "listed", "refuse_transposed"]

# The rows below the genes in the files of htseq-count, before and since its version 0.6, and STAR.
SUMMARIES = frozenset(
    "__no_feature __ambiguous __too_low_aQual __not_aligned __alignment_not_unique no_feature "
    "ambiguous too_low_aQual not_aligned alignment_not_unique N_unmapped N_multimapping "
    "N_noFeature N_ambiguous".split()
)

Names = NDArray[np.str_] | None
Kind = Literal["cells", "genes"]

# Ten or more letters of DNA, alone or with what tools put around them: the "-1" of Cell Ranger, the
# "-0" of scanpy's concatenate, the "_2" and "sample_" of Seurat, and the ".1" of R's make.names.
_BARCODE = re.compile(r"(?:.*[_\-.:#])?[ACGT]{10,}(?:[_\-.:#]\w*)*")

# Ensembl, with a genome before it as in 10x's mixed-species references; FlyBase; WormBase; yeast
# and Arabidopsis; mitochondrial genes and ribosomal proteins, which every expression matrix has.
_GENE = re.compile(
    r"(?:\w+_+)?ENS[A-Z]*G\d{6,}(?:[._].*)?|FBGN\d{7}|WBGENE\d{8}|Y[A-P][LR]\d{3}[WC](?:-[A-Z])?"
    r"|AT[1-5CM]G\d{5}|MT-(?:ND\dL?|CO\d|CYB|ATP\d|RNR\d|T[A-Z]\d?)|RP[LS]\d+[AXYL]?\d?"
)
# Genes that most references name so, in capitals; mouse symbols are compared in capitals too. Left
# out: symbols that also name cell types or samples, such as CD4 and CD8A.
_SYMBOLS = frozenset(
    """
    ACTB ACTG1 ACTA2 ALB APOE APOA1 B2M CALM1 CST3 COL1A1 EEF1A1 EEF2 EPCAM FOS FTH1 FTL GAPDH GFAP
    GNB1 GNLY HBA1 HBA2 HBB HLA-A HLA-B HLA-C HLA-DRA HMGB1 HPRT1 HSP90AA1 HSP90AB1 HSPA8 IGKC JUN
    JUNB LDHA LGALS1 LYZ MALAT1 MKI67 MS4A1 NEAT1 NKG7 NPM1 PPBP PPIA PTMA PTPRC S100A4 S100A8
    S100A9 SRGN TMSB10 TMSB4X TP53 TPT1 TUBA1A TUBA1B TUBB TYROBP UBA52 UBB UBC VIM XIST YWHAZ
    SAMD11 NOC2L KLHL17 HES4 ISG15 AGRN XKR4 SOX17 MRPL15 LYPLA1 TCEA1
    """.split()
)

# Fields that scanpy, Seurat's converters and Cell Ranger give to one axis only. `total_counts` and
# `n_counts` are in both.
_FIELDS_OF_GENES = frozenset(
    "gene_ids gene_id gene_name gene_names gene_symbols gene_symbol feature_types feature_name "
    "genome highly_variable highly_variable_rank dispersions_norm n_cells n_cells_by_counts "
    "Accession Gene mt ribo".split()
)
_FIELDS_OF_CELLS = frozenset(
    "n_genes n_genes_by_counts pct_counts_mt leiden louvain cell_type celltype barcode barcodes "
    "doublet_score nCount_RNA nFeature_RNA seurat_clusters orig.ident percent.mt phase donor_id "
    "CellID ClusterID cell_id".split()
)

_LOOKED_AT = 20_000  # names; more tell nothing new
_ENOUGH_BARCODES = 0.5  # of the names
_ENOUGH_GENES = 2  # matches: a cell has no reason to be called GAPDH or ENSG00000111640


def kind_of_names(names: Names) -> Kind | None:
    """Whether names are those of cells or of genes; None where they do not tell."""
    if names is None or not names.size:
        return None
    looked_at = [str(name) for name in names[:_LOOKED_AT]]
    # The ends first: a long column of barcodes is settled by a few.
    barcodes = sum(_BARCODE.fullmatch(name) is not None for name in looked_at[:200])
    if barcodes >= _ENOUGH_BARCODES * len(looked_at[:200]):
        return "cells"
    genes = sum(_is_gene(name.upper()) for name in looked_at)
    return "genes" if genes >= min(_ENOUGH_GENES, len(looked_at)) else None


def kind_of_fields(fields: Iterable[str]) -> Kind | None:
    """Whether the annotation fields of an axis are those of cells or of genes."""
    present = set(fields)
    genes, cells = len(present & _FIELDS_OF_GENES), len(present & _FIELDS_OF_CELLS)
    if genes == cells:
        return None
    return "genes" if genes > cells else "cells"


def refuse_transposed(
    file: object,
    cells: Names,
    genes: Names,
    fields: tuple[dict[str, Any], dict[str, Any]],
    *,
    transpose: bool,
) -> None:
    """Refuse a matrix whose names or fields say that its genes are where the cells should be.

    Args:
        file: named in the message.
        cells: names of the axis that is about to be used as the cells.
        genes: the same for the genes.
        fields: annotation of the two axes, in the same order.
        transpose: whether the user asked for the exchange that led here.

    Raises:
        InputError: one axis is probably the other, and nothing speaks against it.
    """
    evidence = [
        (kind_of_names(cells), "cells", f"names such as {listed(cells, 2)}"),
        (kind_of_names(genes), "genes", f"names such as {listed(genes, 2)}"),
        (kind_of_fields(fields[0]), "cells", f"fields such as {_few(fields[0])}"),
        (kind_of_fields(fields[1]), "genes", f"fields such as {_few(fields[1])}"),
    ]
    known = [(kind, expected, what) for kind, expected, what in evidence if kind is not None]
    wrong = [(kind, expected, what) for kind, expected, what in known if kind != expected]
    if not wrong or 2 * len(wrong) <= len(known):
        return
    kind, expected, what = wrong[0]
    remedy = (
        "leave --transpose out (transpose=False)"
        if transpose
        else "add --transpose (transpose=True)"
    )
    raise InputError(
        f"{file}: the matrix is probably transposed: its {expected} would have {what}, as {kind} "
        f"have; {remedy}, or add --no-orientation-check (check_orientation=False) if it is right"
    )


def listed(names: Names, count: int) -> str:
    """The first few names, for messages."""
    if names is None:
        return "no names"
    more = ", ..." if names.size > count else ""
    return ", ".join(str(name)[:40] for name in names[:count]) + more


def _few(fields: Iterable[str]) -> str:
    return ", ".join(sorted(set(fields) & (_FIELDS_OF_CELLS | _FIELDS_OF_GENES))[:3])


def _is_gene(name: str) -> bool:
    return name in _SYMBOLS or _GENE.fullmatch(name) is not None
