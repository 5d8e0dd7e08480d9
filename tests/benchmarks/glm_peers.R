# Estimates of negative binomial regression by R packages: Rscript glm_peers.R FOLDER...
#
# Each FOLDER holds counts.csv (genes x rows), design.csv and size_factors.csv, none with a header. Each
# method writes METHOD.csv: the coefficients, the dispersion and whether the package says that it
# converged, one line a gene.
suppressMessages({library(MASS); library(stats)})
options(warn = -1)
read <- function(folder, name) {
  unname(as.matrix(read.csv(file.path(folder, name), header = FALSE)))
}

glmgampoi <- function(cox_reid) {
  fit <- suppressMessages(glmGamPoi::glm_gp(Y, design = X, size_factors = s, on_disk = FALSE,
    overdispersion = TRUE, overdispersion_shrinkage = FALSE, do_cox_reid_adjustment = cox_reid))
  list(fit$Beta, fit$overdispersions, rep(TRUE, nrow(Y)))
}

edger <- function() {
  # Its library sizes would be 0 for a row without counts; the offset is what counts.
  data <- edgeR::DGEList(Y, lib.size = s * mean(colSums(Y)))
  data$offset <- matrix(log(s), nrow(Y), ncol(Y), byrow = TRUE)
  data <- edgeR::estimateGLMCommonDisp(data, design = X)
  data <- edgeR::estimateGLMTagwiseDisp(data, design = X, prior.df = 0, trend = FALSE)
  fit <- edgeR::glmFit(data, design = X, dispersion = data$tagwise.dispersion, prior.count = 0)
  list(fit$coefficients, data$tagwise.dispersion, rep(TRUE, nrow(Y)))
}

deseq2 <- function() {
  suppressMessages(library(DESeq2))
  data <- DESeqDataSetFromMatrix(Y, colData = data.frame(row = colnames(Y)), design = X)
  sizeFactors(data) <- s
  data <- estimateDispersionsGeneEst(data, modelMatrix = X, quiet = TRUE)
  alpha <- mcols(data)$dispGeneEst
  dispersions(data) <- alpha
  data <- nbinomWaldTest(data, modelMatrix = X, betaPrior = FALSE, quiet = TRUE)
  list(coef(data) * log(2), alpha, mcols(data)$betaConv)
}

glm_nb <- function() {
  fits <- lapply(seq_len(nrow(Y)), function(gene) {
    warned <- FALSE
    fit <- tryCatch(
      withCallingHandlers(
        glm.nb(Y[gene, ] ~ X - 1 + offset(log(s)), control = glm.control(maxit = 100)),
        warning = function(w) { warned <<- TRUE; invokeRestart("muffleWarning") }),
      error = function(e) NULL)
    if (is.null(fit)) c(rep(NA, ncol(X) + 1), FALSE) else c(coef(fit), 1 / fit$theta, !warned)
  })
  table <- do.call(rbind, fits)
  list(table[, seq_len(ncol(X)), drop = FALSE], table[, ncol(X) + 1], table[, ncol(X) + 2])
}

methods <- list(glmgampoi_ml = function() glmgampoi(FALSE), glm_nb = glm_nb,
  glmgampoi_cr = function() glmgampoi(TRUE), edger = edger, deseq2 = deseq2)
for (folder in commandArgs(TRUE)) {
  Y <- read(folder, "counts.csv"); X <- read(folder, "design.csv")
  s <- as.vector(read(folder, "size_factors.csv"))
  storage.mode(Y) <- "integer"
  rownames(Y) <- paste0("g", seq_len(nrow(Y))); colnames(Y) <- paste0("c", seq_len(ncol(Y)))
  colnames(X) <- paste0("b", seq_len(ncol(X)))
  for (name in names(methods)) {
    found <- tryCatch(methods[[name]](), error = function(e) {
      message(basename(folder), ", ", name, ": ", conditionMessage(e))
      NULL
    })
    if (is.null(found)) next
    table <- cbind(found[[1]], found[[2]], as.numeric(found[[3]]))
    write.table(table, file.path(folder, paste0(name, ".csv")), sep = ",", row.names = FALSE,
      col.names = FALSE, na = "nan")
  }
}
