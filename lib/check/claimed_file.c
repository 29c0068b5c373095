/* A file of gradients that the author's own program wrote: each array becomes a claim. */
#include <string.h>

#include "check/judge.h"
#include "load/data.h"

/* The file while it is read. */
struct claimed_file {
  struct judge *judge;
  struct claims *block;
  struct mark mark; /* the option */
  struct map seen;  /* the names so far */
};

static const char prefix[] = "value."; /* values of nodes, as our own .npz files have them */

static node_id find_named(struct claimed_file *file, const char *name, size_t size,
                          struct mark mark) {
  struct net *net = file->judge->net;
  node_id id = net_find(net, name, size);
  if (id != NODE_NONE) return id;
  report_add(net->report, mark, BP(NOT_A_NODE), report_quote(net->report, name, size));
  const char *nearest = net_nearest(net, name, size);
  if (nearest) report_hint(net->report, "did you mean '%s'?", nearest);
  return NODE_NONE;
}

static bool check_claimed_shape(struct claimed_file *file, enum claim_kind kind, node_id of,
                                const struct dims *dims, const char *name, struct mark mark) {
  struct judge *judge = file->judge;
  struct dims wanted = shape_dims(graph_node(&judge->net->graph, of)->shape);
  if (same_dims(dims, &wanted)) return true;
  struct text why;
  text_init(&why, judge->arena, NULL, NULL);
  text_printf(&why, "the claim for %s is ", name);
  dims_print(dims, &why);
  text_puts(&why, ", what it is about is ");
  dims_print(&wanted, &why);
  report_add(judge->net->report, mark, BP(BAD_CLAIM), text_string(&why));
  hint_claim_shape(judge->net->report, kind, dims, &wanted);
  return false;
}

/* A data_each_fn.  Goes on after a fault: all of them are reported. */
static bool take_array(void *user, const char *name, size_t size, struct mark mark,
                       const struct data *data) {
  struct claimed_file *file = user;
  struct net *net = file->judge->net;
  struct graph *graph = &file->block->graph;
  const char *subject = arena_copy(net->arena, name, size);
  enum claim_kind kind = CLAIM_GRADIENT;
  if (map_add(net->arena, &file->seen, subject, size, 0) != MAP_NONE) {
    report_add(net->report, mark, BP(DUPLICATE_KEY), report_quote(net->report, name, size));
    return true;
  }
  if (size > strlen(prefix) && !memcmp(name, prefix, strlen(prefix))) {
    kind = CLAIM_VALUE;
    subject += strlen(prefix);
  }
  node_id of = find_named(file, subject, strlen(subject), mark);
  if (of == NODE_NONE || !check_claimed_shape(file, kind, of, &data->dims, subject, mark))
    return true;
  const struct shape *shape = shapes_add(&graph->shapes, &data->dims);
  double *numbers = ARENA_ARRAY(net->arena, double, shape->size + 1);
  if (shape->size) memcpy(numbers, data->at, shape->size * sizeof *numbers);
  struct claim claim = {.kind = kind,
                        .of = of,
                        .by = NODE_NONE,
                        .subject = subject,
                        .mark = mark,
                        .text = mark,
                        .value = TREE_NONE,
                        .claimed = graph_start(graph, ROLE_LITERAL, shape, numbers, mark),
                        .decimals = DECIMALS_NONE,
                        .rough = data->rough};
  *vec_push(net->arena, &file->block->at) = claim;
  return true;
}

/* Adds a name to a list for people, who read ten of them. */
static void list_name(struct text *list, size_t *count, const char *comma, const char *name) {
  if ((*count)++ < 10) text_printf(list, "%s%s", *count > 1 ? comma : "", name);
}

/* Every gradient that is wanted has to be there. */
static bool is_parameter(const struct judge *judge, node_id id) {
  return graph_node(&judge->net->graph, id)->role == ROLE_PARAMETER;
}

/* Whether a file without this gradient will not do.  Where nobody says whose gradients are wanted,
 * those of the parameters are: programs that train have no others. */
static bool is_demanded(const struct judge *judge, node_id id) {
  const struct result *result = judge->result;
  bool parameters = false;
  for (size_t i = 0; i < result->wrt.count; i++)
    parameters = parameters || is_parameter(judge, result->wrt.at[i]);
  const bool said = judge->net->wrt_given || judge->options->evaluate.wrt;
  return said || !parameters || is_parameter(judge, id);
}

static void find_missing(struct claimed_file *file, const char *path) {
  struct judge *judge = file->judge;
  struct text missing, given;
  size_t count = 0, others = 0;
  text_init(&missing, judge->arena, NULL, NULL);
  text_init(&given, judge->arena, NULL, NULL);
  for (size_t i = 0; i < judge->result->wrt.count; i++) {
    const char *name = judge_name(judge, judge->result->wrt.at[i]);
    if (!is_demanded(judge, judge->result->wrt.at[i])) continue;
    if (map_find(&file->seen, name, strlen(name)) != MAP_NONE)
      list_name(&given, &others, ",", name);
    else if (!result_why_no_gradient(judge->result, judge->result->wrt.at[i]))
      list_name(&missing, &count, ", ", name);
  }
  if (count > 10) text_printf(&missing, " and %zu more", count - 10);
  if (!count) return;
  struct text why;
  text_init(&why, judge->arena, NULL, NULL);
  text_printf(&why, "%s has no gradient of %s", path, text_string(&missing));
  report_add(judge->net->report, file->mark, BP(BAD_CLAIM), text_string(&why));
  bool few = others > 0 && others <= 10;
  report_hint(judge->net->report, "--wrt says which gradients are wanted%s%s",
              few ? ": --wrt " : "", few ? text_string(&given) : "");
}

struct claims *judge_claimed_file(struct judge *judge, const char *path) {
  struct net *net = judge->net;
  path = arena_copy(net->arena, path, strlen(path));
  const struct source *source = report_source(net->report, "--gradients", path, strlen(path));
  if (!source) arena_exhausted(net->arena);
  struct claimed_file file = {.judge = judge, .block = new_claims(net)};
  file.mark = source_mark(source, path, strlen(path));
  file.block->title = path;
  /* The file is the user's own, wherever it lies. */
  struct data_request request = {
      .arena = net->arena, .report = net->report, .mark = file.mark, .root = "/", .path = path};
  if (!data_read_each(&request, take_array, &file)) return NULL;
  find_missing(&file, path); /* what is there is judged all the same */
  return file.block;
}
