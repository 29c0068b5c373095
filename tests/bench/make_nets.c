/* make_nets KIND [COUNT]: writes one of the benchmarks' nets to standard output.
 *   ten      ten lines, for the time from start to exit
 *   ops      COUNT scalar nodes, `n17: {op: add, inputs: [n3, n12]}`
 *   text     the same net, `n17: n3 + n12`
 *   tape     COUNT scalar nodes, a quarter of them sin, exp and tanh
 *   product  y = x w, 64x4096 by 4096x4096
 *   mlp      784-128-10, relu, softmax cross-entropy, batch 64
 * The scalar nets take their inputs from the last 1000 nodes. Each node is drawn until its value is
 * neither tiny nor large, and multiplications are preferred where the gradients grow, sums where
 * they fade, so that a million nodes later both are still of moderate size. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_NODES = 10, WINDOW = 1000 };

enum op { ADD, SUB, MUL, SIN, EXP, TANH };

static const struct {
  const char *name, *sign;
} OPS[] = {{"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"sin", ""}, {"exp", ""}, {"tanh", ""}};

struct node {
  enum op op;
  long a, b;
  double value;
  double growth; /* the mean square of its derivatives by the start nodes, were signs random */
};

static double uniform(void) { /* in [0, 1) */
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) * 0x1p-53;
}

static void evaluate(struct node *node, const struct node *a, const struct node *b) {
  double x = a->value;
  double y = b->value;
  double by_a = 1; /* the local derivatives */
  double by_b = 0;
  switch (node->op) {
  case ADD: node->value = x + y, by_b = 1; break;
  case SUB: node->value = x - y, by_b = -1; break;
  case MUL: node->value = x * y, by_a = y, by_b = x; break;
  case SIN: node->value = sin(x), by_a = cos(x); break;
  case EXP: node->value = exp(x), by_a = node->value; break;
  case TANH: node->value = tanh(x), by_a = 1 - node->value * node->value; break;
  }
  node->growth = by_a * by_a * a->growth + by_b * by_b * b->growth;
}

static struct node draw(const struct node *nodes, long i, bool unary) {
  struct node node = {.op = SIN + (enum op)(3 * uniform())};
  double window = (double)(i < WINDOW ? i : WINDOW);
  do {
    node.a = i - 1 - (long)(window * uniform());
    node.b = i - 1 - (long)(window * uniform());
    const struct node *a = &nodes[node.a];
    const struct node *b = &nodes[node.b];
    if (!unary) {
      bool shrink = uniform() < (a->growth + b->growth > 2 ? 0.9 : 0.1);
      node.op = shrink ? MUL : uniform() < 0.5 ? ADD : SUB;
    }
    evaluate(&node, a, b);
  } while (node.a == node.b || fabs(node.value) < 1e-4 || fabs(node.value) > 2);
  return node;
}

static void print_node(long i, const struct node *node, bool spelled) {
  const char *name = OPS[node->op].name;
  bool unary = node->op >= SIN;
  if (spelled && unary)
    printf("  n%ld: {op: %s, inputs: [n%ld]}\n", i, name, node->a);
  else if (spelled)
    printf("  n%ld: {op: %s, inputs: [n%ld, n%ld]}\n", i, name, node->a, node->b);
  else if (unary)
    printf("  n%ld: %s(n%ld)\n", i, name, node->a);
  else
    printf("  n%ld: n%ld %s n%ld\n", i, node->a, OPS[node->op].sign, node->b);
}

static bool scalar_net(long count, bool spelled, double unary_share) {
  struct node *nodes = malloc(((size_t)count + START_NODES) * sizeof *nodes);
  if (!nodes) return false;
  puts("bpgraph: 1\ninputs:");
  for (long i = 0; i < START_NODES; i++) {
    nodes[i] = (struct node){.value = (double)(i % 2 ? 6 + i : -6 - i) / 16, .growth = 1};
    printf("  n%ld: %.4f\n", i, nodes[i].value);
  }
  puts("nodes:");
  for (long i = START_NODES; i < count + START_NODES; i++) {
    nodes[i] = draw(nodes, i, uniform() < unary_share);
    print_node(i, &nodes[i], spelled);
  }
  printf("output: n%ld\n", count + START_NODES - 1);
  free(nodes);
  return true;
}

static const char TEN[] = "bpgraph: 1\n"
                          "title: The lecture's first graph\n"
                          "inputs:\n"
                          "  x: -2\n"
                          "  y: 5\n"
                          "  z: -4\n"
                          "nodes:\n"
                          "  q: x + y\n"
                          "  f: q * z\n"
                          "output: f\n";

static const char PRODUCT[] =
    "bpgraph: 1\n"
    "inputs:\n"
    "  x: {uniform: {shape: [64, 4096], low: -0.5, high: 0.5, seed: 1}}\n"
    "parameters:\n"
    "  w: {uniform: {shape: [4096, 4096], low: -0.5, high: 0.5, seed: 2}}\n"
    "nodes:\n"
    "  y: x @ w\n"
    "output: y\n"
    "upstream: {uniform: {shape: [64, 4096], low: -0.5, high: 0.5, seed: 3}}\n";

/* The labels are one-hot rows, row r of class r mod 10. */
static void mlp(void) {
  puts("bpgraph: 1\n"
       "inputs:\n"
       "  x: {uniform: {shape: [64, 784], low: -0.5, high: 0.5, seed: 1}}\n"
       "parameters:\n"
       "  W1: {uniform: {shape: [784, 128], low: -0.5, high: 0.5, seed: 2}}\n"
       "  b1: {uniform: {shape: [128], low: -0.5, high: 0.5, seed: 3}}\n"
       "  W2: {uniform: {shape: [128, 10], low: -0.5, high: 0.5, seed: 4}}\n"
       "  b2: {uniform: {shape: [10], low: -0.5, high: 0.5, seed: 5}}\n"
       "constants:\n"
       "  t:");
  for (int row = 0; row < 64; row++) {
    for (int column = 0; column < 10; column++)
      printf("%s%d", column ? ", " : "    - [", row % 10 == column);
    puts("]");
  }
  puts("nodes:\n"
       "  h: relu(x @ W1 + b1)\n"
       "  s: h @ W2 + b2\n"
       "  J: softmax_cross_entropy(s, t)\n"
       "output: J\n"
       "wrt: [W1, b1, W2, b2]");
}

int main(int argc, char **argv) {
  const char *kind = argc > 1 ? argv[1] : "";
  long count = argc > 2 ? strtol(argv[2], NULL, 10) : 1000000;
  bool ok = count > 0 && count <= 100000000;
  if (strcmp(kind, "ten") == 0)
    fputs(TEN, stdout);
  else if (strcmp(kind, "product") == 0)
    fputs(PRODUCT, stdout);
  else if (strcmp(kind, "mlp") == 0)
    mlp();
  else if (ok && strcmp(kind, "ops") == 0)
    ok = scalar_net(count, true, 0);
  else if (ok && strcmp(kind, "text") == 0)
    ok = scalar_net(count, false, 0);
  else if (ok && strcmp(kind, "tape") == 0)
    ok = scalar_net(count, true, 0.25);
  else
    ok = false;
  if (!ok || fflush(stdout) != 0 || ferror(stdout)) {
    fputs("usage: make_nets ten|ops|text|tape|product|mlp [COUNT]\n", stderr);
    return 2;
  }
  return 0;
}
