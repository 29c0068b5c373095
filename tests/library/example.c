/* Reads a net and prints the gradient of its output by one of its nodes. */
#include <bpgraph.h>
#include <stdio.h>

int main(int argc, char **argv) {
  const char *node = argc > 2 ? argv[2] : "W";
  bp_net *net = bp_net_load(argc > 1 ? argv[1] : "net.yaml", NULL);
  bp_result *result = net && bp_net_ok(net) ? bp_evaluate(net, NULL) : NULL;

  bp_shape shape;
  const double *gradient = result ? bp_gradient(result, node, &shape) : NULL;
  for (size_t i = 0; gradient && i < shape.size; i++)
    printf("d%s/d%s[%zu] = %.17g\n", bp_output(result), node, i, gradient[i]);

  for (size_t i = 0; net && i < bp_message_count(net); i++)
    fputs(bp_message_print(net, i, false), stderr);
  bp_result_free(result);
  bp_net_free(net);
  return gradient ? 0 : 1;
}
