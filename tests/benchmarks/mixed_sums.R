# Tests of the last coefficient on sums over the cells of donors: Rscript mixed_sums.R FOLDER
#
# FOLDER holds counts.csv (genes x sums), size_factors.csv and design.csv, without headers; p.csv is
# written: p-values of edgeR's quasi-likelihood F test and of limma-voom.
suppressMessages({library(edgeR); library(limma)})
folder <- commandArgs(TRUE)[1]
read <- function(name) as.matrix(read.csv(file.path(folder, name), header = FALSE))
X <- read("design.csv"); size <- as.vector(read("size_factors.csv"))
data <- DGEList(read("counts.csv"), lib.size = 1e6 * size)
data <- estimateDisp(data, X)
by_edger <- glmQLFTest(glmQLFit(data, X), coef = ncol(X))$table$PValue
by_voom <- eBayes(lmFit(voom(data, X), X))$p.value[, ncol(X)]
write.table(cbind(by_edger, by_voom), file.path(folder, "p.csv"), sep = ",", row.names = FALSE,
  col.names = FALSE)
