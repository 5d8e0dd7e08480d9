"""What fits and regression share: any counts checked once, size factors, sums over cells, files."""
