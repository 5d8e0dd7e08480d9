# Regression with a random intercept by glmmTMB and lme4: Rscript mixed_peers.R FOLDER SLOWEST
#
# FOLDER holds counts.csv (cells x genes) and cells.csv (log size factor, donor, condition), without
# headers; peers.csv is written: method, gene, log-likelihood, intercept, effect, sd, alpha, CPU s.
# glmer.nb is run on the first SLOWEST genes alone.
suppressMessages({library(glmmTMB); library(lme4)})
options(warn = -1)
arguments <- commandArgs(TRUE)
read <- function(name) unname(as.matrix(read.csv(file.path(arguments[1], name), header = FALSE)))
X <- read("counts.csv"); cells <- read("cells.csv")
data <- data.frame(size = cells[, 1], donor = factor(cells[, 2]), condition = cells[, 3])
formula <- x ~ condition + offset(size) + (1 | donor)

found <- list()
add <- function(method, gene, fit, theta, sd, beta, seconds) {
  found[[length(found) + 1]] <<- data.frame(method, gene, as.numeric(logLik(fit)), beta[1], beta[2],
    sd, 1 / theta, seconds)
}
for (gene in seq_len(ncol(X))) {
  data$x <- X[, gene]
  for (REML in c(FALSE, TRUE)) {
    began <- proc.time()
    fit <- try(glmmTMB(formula, data = data, family = nbinom2, REML = REML), silent = TRUE)
    seconds <- sum((proc.time() - began)[1:2])
    if (inherits(fit, "try-error")) next
    add(if (REML) "glmmTMB, REML" else "glmmTMB, ML", gene, fit, sigma(fit),
      attr(VarCorr(fit)$cond$donor, "stddev"), fixef(fit)$cond, seconds)
  }
  if (gene <= as.integer(arguments[2])) {
    began <- proc.time()
    fit <- try(suppressMessages(glmer.nb(formula, data = data)), silent = TRUE)
    seconds <- sum((proc.time() - began)[1:2])
    if (inherits(fit, "try-error")) next
    add("glmer.nb", gene, fit, getME(fit, "glmer.nb.theta"), attr(VarCorr(fit)$donor, "stddev"),
      fixef(fit), seconds)
  }
}
write.table(do.call(rbind, found), file.path(arguments[1], "peers.csv"), sep = ",",
  row.names = FALSE, col.names = FALSE)
