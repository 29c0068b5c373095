/* The gamma function's logarithm and its derivatives. */
#ifndef BPGRAPH_OPS_GAMMA_H
#define BPGRAPH_OPS_GAMMA_H

/* ln |gamma(x)|; inf at 0, -1, -2 ... */
double log_gamma(double x);

/* The (n+1)-th derivative of ln gamma: psi(x) for n = 0, psi'(x) for n = 1 ...; NaN at 0, -1, ... for
 * n = 0 as in SciPy's sense of a pole with both signs, inf there for odd n. */
double polygamma(int n, double x);

#endif
