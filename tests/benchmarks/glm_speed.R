# CPU seconds of glmGamPoi, of the fit alone: Rscript glm_speed.R FOLDER METHOD...
#
# FOLDER holds counts.mtx (rows x genes), design.csv and size_factors.csv without headers. Prints
# METHOD and seconds. With the method "command" the whole of a session: read, fit, test, write.
suppressMessages({library(Matrix); library(glmGamPoi)})
words <- commandArgs(TRUE)
folder <- words[1]
read <- function(name) unname(as.matrix(read.csv(file.path(folder, name), header = FALSE)))
Y <- t(as.matrix(readMM(file.path(folder, "counts.mtx"))))
X <- read("design.csv"); s <- as.vector(read("size_factors.csv"))
rownames(Y) <- paste0("g", seq_len(nrow(Y))); colnames(X) <- paste0("b", seq_len(ncol(X)))

fit <- function(counts, cox_reid) glm_gp(counts, design = X, size_factors = s, on_disk = FALSE,
  overdispersion = TRUE, overdispersion_shrinkage = FALSE, do_cox_reid_adjustment = cox_reid)

if (identical(words[2], "command")) {
  found <- glm_gp(Y, design = X, size_factors = s, on_disk = FALSE)
  table <- test_de(found, contrast = as.numeric(seq_len(ncol(X)) == ncol(X)))
  write.csv(table, file.path(folder, "table.csv"))
} else {
  invisible(fit(Y[seq_len(min(20, nrow(Y))), ], TRUE))  # loads what is loaded on demand
  for (name in words[-1]) {
    start <- proc.time()
    invisible(fit(Y, name == "cox-reid"))
    cat(name, (proc.time() - start)[["user.self"]], "\n")
  }
}
