# Differential expression by R packages with their defaults: Rscript glm_real.R FOLDER...
#
# Each FOLDER holds counts.csv (genes x samples, with names), design.csv (a matrix whose last column
# is tested, without names) and kept.csv (0 or 1 for each gene). Writes NAME.csv: p-value and adjusted
# p-value of each gene, and prints the CPU seconds. Names that end in "_kept" are given the kept genes
# alone; the others filter for themselves, which glmGamPoi does not, and are left out of "mock" folders.
suppressMessages({library(edgeR); library(DESeq2); library(glmGamPoi)})

edger <- function(Y, X) {
  data <- DGEList(Y)
  data <- calcNormFactors(data[filterByExpr(data, X), , keep.lib.sizes = FALSE])
  p <- glmQLFTest(glmQLFit(estimateDisp(data, X), X), coef = ncol(X))$table$PValue
  data.frame(p = p, q = p.adjust(p, "BH"), row.names = rownames(data))
}

deseq2 <- function(Y, X) {
  data <- DESeqDataSetFromMatrix(Y, DataFrame(row = colnames(Y)), X)
  found <- results(DESeq(data, quiet = TRUE), name = colnames(X)[ncol(X)], alpha = 0.05)
  data.frame(p = found$pvalue, q = found$padj, row.names = rownames(found))
}

glmgampoi <- function(Y, X) {
  # With the size factors of DESeq2: its own default divides by totals.
  fit <- glm_gp(Y, design = X, size_factors = estimateSizeFactorsForMatrix(Y), on_disk = FALSE)
  found <- test_de(fit, as.numeric(seq_len(ncol(X)) == ncol(X)))
  data.frame(p = found$pval, q = found$adj_pval, row.names = rownames(Y))
}

methods <- list(edgeR = edger, DESeq2 = deseq2, glmGamPoi = glmgampoi)
for (folder in commandArgs(TRUE)) {
  Y <- as.matrix(read.csv(file.path(folder, "counts.csv"), row.names = 1, check.names = FALSE))
  X <- unname(as.matrix(read.csv(file.path(folder, "design.csv"), header = FALSE)))
  colnames(X) <- c("Intercept", paste0("b", seq_len(ncol(X) - 1)))
  kept <- scan(file.path(folder, "kept.csv"), quiet = TRUE) == 1
  for (name in names(methods)) for (which in c("", "_kept")) {
    if (which == "" && (name == "glmGamPoi" || grepl("mock", folder))) next
    start <- sum(proc.time()[1:2])
    table <- suppressMessages(methods[[name]](if (which == "") Y else Y[kept, ], X))
    seconds <- sum(proc.time()[1:2]) - start
    write.csv(table, file.path(folder, paste0(name, which, ".csv")), na = "")
    cat(basename(folder), paste0(name, which), seconds, as.character(packageVersion(name)), "\n")
  }
}
