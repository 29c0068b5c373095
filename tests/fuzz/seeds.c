/* Writes small nets for the fuzzer to start from, some for every op: seeds FOLDER. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ops/registry.h"

enum { SAMPLES_MOST = 3 };

/* One input for each shape of "2,3; 3"; returns how many. */
static unsigned write_inputs(FILE *file, const struct op *op, const char *shapes) {
  for (unsigned k = 0;; k++) {
    unsigned row = op->most == OP_ANY ? 0 : k;
    struct op_domain domain = row < OP_INPUTS ? op->domain[row] : (struct op_domain){0, 0};
    bool integers = (op->indices | op->labels) >> k & 1;
    fprintf(file, "  x%u: {%s: {shape: [", k, integers ? "full" : "uniform");
    for (; *shapes && *shapes != ';'; shapes++) fputc(*shapes, file);
    if (integers)
      fputs("], value: 0}}\n", file);
    else if (domain.low < domain.high)
      fprintf(file, "], low: %g, high: %g}}\n", domain.low, domain.high);
    else
      fputs("], low: -2, high: 2}}\n", file);
    if (!*shapes++) return k + 1;
  }
}

static void write_net(FILE *file, const struct op *op, const struct op_sample *sample) {
  fputs("bpgraph: 1\ninputs:\n", file);
  unsigned count = write_inputs(file, op, sample->shapes);
  fprintf(file, "nodes:\n  y: %s(", op->name);
  for (unsigned k = 0; k < count; k++) fprintf(file, "%sx%u", k ? ", " : "", k);
  fprintf(file, "%s%s)\n  L: sum(y * y)\n", *sample->attrs ? ", " : "", sample->attrs);
}

static bool write_seed(const char *folder, const struct op *op, int number) {
  char path[4096];
  snprintf(path, sizeof path, "%s/op-%s-%d.yaml", folder, op->name, number + 1);
  FILE *file = fopen(path, "w");
  if (!file) return false;
  write_net(file, op, &op->samples[number]);
  return fclose(file) == 0;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  mkdir(argv[1], 0777);
  for (size_t i = 0; op_at(i); i++) {
    const struct op *op = op_at(i);
    for (int k = 0; k < SAMPLES_MOST && op->samples && op->samples[k].shapes; k++)
      if (!write_seed(argv[1], op, k)) {
        perror(argv[1]);
        return 1;
      }
  }
  return 0;
}
