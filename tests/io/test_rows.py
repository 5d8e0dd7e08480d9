"""Some of the cells of a file are read as if it had no others."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from jaxnb.io import open_counts
from jaxnb.io.rows import some_cells


@pytest.mark.quick
@pytest.mark.parametrize("kept", ["some", "last", "first", "all"])
def test_blocks_and_the_whole_are_those_rows(tmp_path: Path, kept: str) -> None:
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(1.0, (23, 6)))
    sparse.save_npz(tmp_path / "x.npz", counts)
    which = {
        "some": rng.random(23) < 0.4,
        "last": np.arange(23) == 22,
        "first": np.arange(23) == 0,
        "all": np.ones(23, bool),
    }[kept]
    expected = counts.toarray()[which]
    with open_counts(tmp_path / "x.npz") as opened:
        part = some_cells(opened, which)
        assert part.shape == expected.shape
        np.testing.assert_array_equal(part.read().counts.toarray(), expected)
        for size in (1, 3, 8, 100):
            for start in range(0, len(expected), 2):
                blocks = [block.toarray() for block in part.blocks(size, start)]
                assert all(len(block) == size for block in blocks[:-1])
                np.testing.assert_array_equal(np.vstack(blocks), expected[start:])
        assert not list(part.blocks(3, len(expected)))
