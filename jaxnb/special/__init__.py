"""Special functions without cancellation, the building blocks of the likelihoods."""
