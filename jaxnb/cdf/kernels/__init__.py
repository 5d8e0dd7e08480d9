"""What is particular to each distribution, beside its log-likelihood: a module for each.

A declaration names the module, in which are

`KERNEL`    the tails, from which come distribution functions, quantiles and truncation;
`entropy`   of the parameters, the entropy of arguments that are checked;
`mean`, `variance`
            of the parameters and `xp` (`jaxnb.cdf.moments`);
`mode`      of the parameters, for arrays only;
`rate`      of (deviates, *parameters), flat arrays on the linear scale, the rate of the Poisson
            counts that are drawn; or that, and what is added to the counts. It is NaN where a
            parameter is NaN or negative.
"""
