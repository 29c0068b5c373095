/* The public interface: a thin layer that sets the guards for memory running out. */
#include "bpgraph.h"

#include <stdlib.h>
#include <string.h>

#include "export/describe.h"
#include "export/explain.h"
#include "export/export.h"
#include "handles.h"
#include "ops/registry.h"
#include "schemas.h"
#include "tensor/blas.h"
#include "version.h"

/* ---- memory ------------------------------------------------------------------------------ */

bool run_guarded(struct arena *arena, struct arena *other, void (*body)(void *), void *argument) {
  jmp_buf guard;
  arena->guard = &guard;
  if (other) other->guard = &guard;
  bool finished = setjmp(guard) == 0;
  if (finished) body(argument);
  arena->guard = NULL;
  if (other) other->guard = NULL;
  return finished;
}

static bool guarded(bp_net *net, struct arena *other, void (*body)(void *), void *argument) {
  return run_guarded(&net->arena, other, body, argument);
}

static void add_exhausted(void *argument) {
  bp_net *net = argument;
  report_add(&net->report, (struct mark){0, 0}, BP(OUT_OF_MEMORY), "out of memory");
}

void report_exhausted(bp_net *net) {
  if (!guarded(net, NULL, add_exhausted, net)) net->exhausted = true;
}

/* ---- loading ----------------------------------------------------------------------------- */

struct loading {
  bp_net *net;
  struct load_options options;
};

static void load(void *argument) {
  struct loading *loading = argument;
  const char *path = loading->options.path;
  loading->net->name = arena_copy(&loading->net->arena, path, strlen(path));
  net_load(&loading->net->net, &loading->net->arena, &loading->net->report, &loading->options);
  report_sort(&loading->net->report);
}

static bp_net *load_net(struct load_options options, const bp_load_options *given) {
  bp_net *net = calloc(1, sizeof *net);
  if (!net) return NULL;
  if (given) {
    options.data_root = given->data_root;
    options.set_count = given->set_count;
    options.sets = given->sets;
  }
  arena_init(&net->arena, NULL);
  report_init(&net->report, &net->arena);
  struct loading loading = {net, options};
  if (!guarded(net, NULL, load, &loading)) report_exhausted(net);
  return net;
}

bp_net *bp_net_load(const char *path, const bp_load_options *options) {
  return load_net((struct load_options){.path = path}, options);
}

bp_net *bp_net_parse(const char *name, const char *text, size_t size,
                     const bp_load_options *options) {
  return load_net((struct load_options){.path = name, .bytes = text, .size = size}, options);
}

bool bp_net_ok(const bp_net *net) { return !net->exhausted && !report_failed(&net->report); }

const char *bp_net_file(const bp_net *net, size_t i) {
  return i < net->net.files.count ? net->net.files.at[i] : NULL;
}

void bp_net_free(bp_net *net) {
  if (!net) return;
  arena_free(&net->arena);
  free(net);
}

/* ---- messages ---------------------------------------------------------------------------- */

static const char *const no_memory = "bpgraph: error: out of memory [BP901]\n";

size_t bp_message_count(const bp_net *net) { return net->report.messages.count + net->exhausted; }

static const struct message *message_at(const bp_net *net, size_t i) {
  return i < net->report.messages.count ? &net->report.messages.at[i] : NULL;
}

bp_severity bp_message_severity(const bp_net *net, size_t i) {
  const struct message *message = message_at(net, i);
  return message ? (bp_severity)message->severity : BP_FAILURE;
}

const char *bp_message_text(const bp_net *net, size_t i) {
  const struct message *message = message_at(net, i);
  return message ? message->text : "out of memory";
}

bp_severity bp_worst(const bp_net *net) {
  return net->exhausted ? BP_FAILURE : (bp_severity)report_worst(&net->report);
}

struct printing {
  bp_net *net;
  const struct message *message;
  bool color;
  const char *text;
};

static void print_message(void *argument) {
  struct printing *printing = argument;
  struct text text;
  text_init(&text, &printing->net->arena, NULL, NULL);
  if (printing->message)
    report_print(&printing->net->report, printing->message, printing->color, &text);
  else
    report_count(&printing->net->report, &text);
  printing->text = text_string(&text);
}

const char *bp_message_print(bp_net *net, size_t i, bool color) {
  struct printing printing = {net, message_at(net, i), color, no_memory};
  if (printing.message) guarded(net, NULL, print_message, &printing);
  return printing.text;
}

const char *bp_message_summary(bp_net *net) {
  struct printing printing = {net, NULL, false, ""};
  guarded(net, NULL, print_message, &printing);
  return printing.text;
}

/* ---- evaluating -------------------------------------------------------------------------- */

struct evaluating {
  bp_result *result;
  struct evaluate_options options;
  bool done;
};

static void run(void *argument) {
  struct evaluating *evaluating = argument;
  bp_result *result = evaluating->result;
  if (!evaluate(&result->result, &result->arena, &result->owner->net, &evaluating->options)) return;
  struct text name;
  text_init(&name, &result->arena, NULL, NULL);
  graph_print_name(&result->owner->net.graph, result->result.plan.output, &name);
  result->output = text_string(&name);
  evaluating->done = true;
}

bp_result *bp_evaluate(bp_net *net, const bp_evaluate_options *given) {
  if (!bp_net_ok(net)) return NULL;
  bp_result *result = calloc(1, sizeof *result);
  if (!result) {
    report_exhausted(net);
    return NULL;
  }
  result->owner = net;
  arena_init(&result->arena, NULL);
  struct evaluating evaluating = {.result = result};
  if (given)
    evaluating.options = (struct evaluate_options){.of = given->of,
                                                   .upstream = given->upstream,
                                                   .wrt = given->wrt,
                                                   .all = given->all,
                                                   .table = given->table,
                                                   .no_gradients = given->no_gradients};
  if (!guarded(net, &result->arena, run, &evaluating)) report_exhausted(net);
  if (evaluating.done) return result;
  bp_result_free(result);
  return NULL;
}

void bp_result_free(bp_result *result) {
  if (!result) return;
  arena_free(&result->arena);
  free(result);
}

static node_id find_node(const bp_result *result, const char *node, bp_shape *shape) {
  node_id id = net_find(result->result.net, node, strlen(node));
  if (id != NODE_NONE && shape) {
    const struct shape *own = graph_node(&result->result.net->graph, id)->shape;
    *shape = (bp_shape){own->rank, own->dim, own->size};
  }
  return id;
}

const double *bp_value(const bp_result *result, const char *node, bp_shape *shape) {
  node_id id = find_node(result, node, shape);
  return id == NODE_NONE ? NULL : run_value(&result->result.run, id);
}

const double *bp_gradient(const bp_result *result, const char *node, bp_shape *shape) {
  node_id id = find_node(result, node, shape);
  return id == NODE_NONE || !result->result.gradients ? NULL : run_bar(&result->result.run, id);
}

const char *bp_output(const bp_result *result) { return result->output; }

/* ---- exporting --------------------------------------------------------------------------- */

struct exporting {
  const bp_result *result;
  struct arena *arena;
  export_fn *export;
  bp_write *write;
  void *user;
  bool written;
};

static void export_result(void *argument) {
  struct exporting *exporting = argument;
  struct text out;
  text_init(&out, exporting->arena, exporting->write, exporting->user);
  struct result view = result_view(&exporting->result->result, exporting->arena);
  exporting->export(&view, &out);
  exporting->written = text_flush(&out);
}

bool bp_export(const bp_result *result, const char *format, bp_write *write, void *user) {
  struct arena arena;
  arena_init(&arena, NULL);
  struct exporting exporting = {.result = result, .arena = &arena, .write = write, .user = user};
  exporting.export = export_find(format, strlen(format));
  if (exporting.export) guarded(result->owner, &arena, export_result, &exporting);
  arena_free(&arena);
  return exporting.written;
}

const char *bp_format_of(const char *path) { return export_format(path); }
const char *bp_format_name(size_t i) { return export_name(i); }

/* ---- the rest ---------------------------------------------------------------------------- */

const char *bp_version(void) { return BPGRAPH_VERSION; }
const char *bp_yaml_version(void) { return yaml_library_version(); }
const char *bp_blas_description(void) { return blas_description(); }
void bp_set_threads(int threads) { blas_threads(threads); }

const char *bp_schema(const char *name) {
  for (size_t i = 0; schemas[i].name; i++)
    if (!strcmp(schemas[i].name, name)) return schemas[i].text;
  return NULL;
}

const char *bp_op_name(size_t i) { return op_at(i) ? op_at(i)->name : NULL; }
const char *bp_op_family(size_t i) { return op_at(i) ? op_at(i)->family : NULL; }
const char *bp_op_meaning(size_t i) { return op_at(i) ? op_at(i)->meaning : NULL; }
const char *bp_op_nearest(const char *name) { return op_nearest(name, strlen(name)); }

struct describing {
  struct arena arena;
  const struct op *op; /* NULL: all */
  const char *format;
  bp_write *write;
  void *user;
  bool written;
};

static void describe(void *argument) {
  struct describing *describing = argument;
  struct text out;
  text_init(&out, &describing->arena, describing->write, describing->user);
  if (!strcmp(describing->format, "json"))
    describe_json(describing->op, &out);
  else if (describing->op)
    describe_op(describing->op, &out);
  else
    list_ops(&out);
  describing->written = text_flush(&out);
}

bool bp_op_describe(const char *name, const char *format, bp_write *write, void *user) {
  struct describing describing = {.format = format, .write = write, .user = user};
  if (strcmp(format, "json") != 0 && strcmp(format, "text") != 0) return false;
  if (name) describing.op = op_find(name, strlen(name));
  if (name && !describing.op) return false;
  arena_init(&describing.arena, NULL);
  run_guarded(&describing.arena, NULL, describe, &describing);
  arena_free(&describing.arena);
  return describing.written;
}

struct explaining {
  struct arena arena;
  const char *code; /* NULL: all */
  bp_write *write;
  void *user;
  bool written;
};

static void explain(void *argument) {
  struct explaining *explaining = argument;
  struct text out;
  text_init(&out, &explaining->arena, explaining->write, explaining->user);
  if (explaining->code)
    explain_code(explaining->code, &out);
  else
    list_codes(&out);
  explaining->written = text_flush(&out);
}

bool bp_is_code(const char *code) { return explain_knows(code); }

bool bp_explain(const char *code, bp_write *write, void *user) {
  struct explaining explaining = {.code = code, .write = write, .user = user};
  if (code && !explain_knows(code)) return false;
  arena_init(&explaining.arena, NULL);
  run_guarded(&explaining.arena, NULL, explain, &explaining);
  arena_free(&explaining.arena);
  return explaining.written;
}
