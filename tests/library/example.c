/* Reads a net and prints the gradient of its output by the parameter or input w. */
#include <bpgraph.h>
#include <stdio.h>

int main(int argc, char **argv) {
  bp_net *net = bp_net_load(argc > 1 ? argv[1] : "net.yaml", NULL);
  bp_result *result = net && bp_net_ok(net) ? bp_evaluate(net, NULL) : NULL;

  bp_shape shape;
  const double *gradient = result ? bp_gradient(result, "w", &shape) : NULL;
  for (size_t i = 0; gradient && i < shape.size; i++)
    printf("d%s/dw[%zu] = %.17g\n", bp_output(result), i, gradient[i]);

  for (size_t i = 0; net && i < bp_message_count(net); i++)
    fputs(bp_message_print(net, i, false), stderr);
  bp_result_free(result);
  bp_net_free(net);
  return gradient ? 0 : 1;
}
