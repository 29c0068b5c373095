/* `expect`: what the author claims.  Each claim is read as far as it can be without judging it: its
 * names, its formula (which is lowered, so that its shape is known), its numbers.  The nodes that
 * this makes are taken off the graph again. */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "load/functions.h"
#include "load/net.h"

/* A name of `let`, and the gradients that its formula uses. */
struct let {
  node_id node;
  size_t first_grad, grad_count;
};

struct reading {
  struct net *net;
  struct scope scope;
  struct map let_names;
  VEC(struct let) lets;
  VEC(node_id) grads; /* u of every grad(u), in order of appearance */
};

/* What a kind of claim is about. */
struct kind {
  const char *key;
  bool pair;             /* always "a/b" */
  bool may_pair;         /* "a" or "a/b" */
  bool formula_of_grads; /* grad(u) stands in its formulas, for u beyond the claimed node */
};

static bool fail(struct net *net, tree_id id, enum diag diag, const char *format,
                 const char *text) {
  report_add(net->report, tree_mark(&net->tree, id), diag, format, text);
  return false;
}

static const char *quote(struct net *net, tree_id id) {
  return report_quote(net->report, tree_text(&net->tree, id), tree_at(&net->tree, id)->size);
}

/* ---- names in formulas ---------------------------------------------------------------------- */

static void use_grads(struct reading *reading, size_t first, size_t count) {
  for (size_t i = 0; i < count; i++) {
    node_id id = reading->grads.at[first + i];
    *vec_push(reading->net->arena, &reading->grads) = id;
  }
}

static bool find_in_formula(struct scope *scope, const struct expr_item *name, struct value *out) {
  struct reading *reading = scope->context;
  int64_t at = map_find(&reading->let_names, name->name, name->size);
  if (at != MAP_NONE) {
    const struct let *let = &reading->lets.at[at];
    if (let->node == NODE_NONE) return false;
    *out = make_node(let->node, name->mark, name->text);
    use_grads(reading, let->first_grad, let->grad_count);
    return true;
  }
  struct expr_item resolved = *name;
  at = map_find(&reading->net->names, name->name, name->size);
  resolved.id = at == MAP_NONE ? UINT32_MAX : (uint32_t)at;
  struct scope *outer = &reading->net->scope;
  return outer->find(outer, &resolved, out);
}

static bool find_member_in_formula(struct scope *scope, const struct value *operand,
                                   const struct expr_item *name, struct value *out) {
  struct reading *reading = scope->context;
  return find_member(&reading->net->scope, operand, name, out);
}

/* Reports the names of a formula that stand for nothing. */
static bool check_names(struct reading *reading, size_t first) {
  struct net *net = reading->net;
  bool fine = true;
  for (size_t i = first; i < net->pool.items.count; i++) {
    struct expr_item *item = &net->pool.items.at[i];
    if (item->kind != EXPR_NAME || map_find(&reading->let_names, item->name, item->size) >= 0)
      continue;
    struct expr rest = net->pool;
    net->pool.items.at = item;
    net->pool.items.count = i + 1 < rest.items.count && item->word ? 2 : 1;
    fine = resolve_names(net, 0) && fine;
    net->pool = rest;
  }
  return fine;
}

/* grad(u): a stand-in of u's shape. */
static enum outcome call_in_formula(struct scope *scope, const struct expr_item *name,
                                    struct value *arguments, size_t count, struct value *out) {
  struct reading *reading = scope->context;
  if (name->size != 4 || memcmp(name->name, "grad", 4) != 0) return OUTCOME_UNKNOWN;
  if (count != 1 || arguments[0].kind != VALUE_NODE ||
      !graph_node(scope->graph, arguments[0].node)->name) {
    report_add(scope->report, name->mark, BP(BAD_CLAIM), "grad takes the name of one node");
    return OUTCOME_FAILED;
  }
  node_id of = arguments[0].node;
  const struct shape *shape = graph_node(scope->graph, of)->shape;
  *vec_push(scope->arena, &reading->grads) = of;
  *out = make_node(graph_start(scope->graph, ROLE_INPUT, shape, NULL, name->mark), name->mark,
                   name->text);
  return OUTCOME_DONE;
}

/* ---- formulas and numbers ------------------------------------------------------------------- */

static node_id lower_formula(struct reading *reading, tree_id id) {
  struct net *net = reading->net;
  size_t first = net->pool.items.count;
  struct value value;
  bool read = emit_expression(net, id) && check_names(reading, first) &&
              lower_expr(&reading->scope, net->pool.items.at + first, net->pool.items.count - first,
                         &value);
  net->pool.items.count = first;
  return read ? value_node(&reading->scope, &value) : NODE_NONE;
}

static bool check_decimals(struct net *net, tree_id id) {
  double number;
  if (id == TREE_NONE || tree_is(&net->tree, id, "written")) return true;
  const struct tree_node *node = tree_at(&net->tree, id);
  if (node->kind == TREE_SCALAR &&
      number_parse(tree_text(&net->tree, id), node->size, &number) == NUMBER_INTEGER &&
      number >= 0 && number <= 17)
    return true;
  return fail(net, id, BP(WRONG_KIND), "decimals is 'written' or a number from 0 to 17");
}

/* {value: ..., decimals: ...} or {file: ..., key: ...} */
static node_id read_claim_mapping(struct reading *reading, tree_id id) {
  enum { VALUE, FILE_, KEY, SHAPE, DECIMALS, KEYS };
  static const struct key keys[KEYS] = {
      {"value", false}, {"file", false}, {"key", false}, {"shape", false}, {"decimals", false}};
  struct net *net = reading->net;
  tree_id found[KEYS];
  if (!read_keys(net, id, "a claim", keys, KEYS, found)) return NODE_NONE;
  if ((found[VALUE] == TREE_NONE) == (found[FILE_] == TREE_NONE)) {
    fail(net, id, BP(BAD_CLAIM), "a claim in braces has either 'value' or 'file'");
    return NODE_NONE;
  }
  if (!check_decimals(net, found[DECIMALS])) return NODE_NONE;
  if (found[VALUE] == TREE_NONE) {
    /* The same keys as a start value's, decimals aside. */
    return read_value(net, id);
  }
  if (tree_at(&net->tree, found[VALUE])->kind == TREE_MAPPING) {
    fail(net, found[VALUE], BP(WRONG_KIND), "numbers are expected here");
    return NODE_NONE;
  }
  return read_value(net, found[VALUE]);
}

/* A claim's right side: a formula, numbers, or a mapping. */
static node_id read_claimed(struct reading *reading, tree_id id) {
  switch (tree_at(&reading->net->tree, id)->kind) {
  case TREE_SCALAR: return lower_formula(reading, id);
  case TREE_MAPPING: return read_claim_mapping(reading, id);
  default: return read_value(reading->net, id);
  }
}

/* ---- what a claim is about ------------------------------------------------------------------ */

struct subject {
  node_id of, by; /* by: NODE_NONE where there is one name only */
};

static node_id find_subject(struct net *net, tree_id key, const char *name, size_t size) {
  int64_t at = map_find(&net->names, name, size);
  if (at != MAP_NONE) return net->definitions.at[at].node; /* NODE_NONE: reported before */
  at = map_find(&net->inner, name, size);
  if (at != MAP_NONE) return (node_id)at;
  const char *dot = memchr(name, '.', size);
  int64_t call = dot ? map_find(&net->names, name, (size_t)(dot - name)) : MAP_NONE;
  if (call != MAP_NONE && net->definitions.at[call].node == NODE_NONE) return NODE_NONE;
  report_add(net->report, tree_mark(&net->tree, key), BP(NOT_A_NODE),
             report_quote(net->report, name, size));
  const char *nearest = net_nearest(net, name, size);
  if (nearest) report_hint(net->report, "did you mean '%s'?", nearest);
  return NODE_NONE;
}

static bool read_subject(struct net *net, tree_id key, const struct kind *kind,
                         struct subject *subject) {
  const char *text = tree_text(&net->tree, key);
  size_t size = tree_at(&net->tree, key)->size;
  const char *slash = memchr(text, '/', size);
  *subject = (struct subject){NODE_NONE, NODE_NONE};
  if (!slash && kind->pair)
    return fail(net, key, BP(BAD_CLAIM), "two names with '/' between are expected here");
  if (slash && !kind->pair && !kind->may_pair)
    return fail(net, key, BP(BAD_CLAIM), "one name is expected here");
  size_t first = slash ? (size_t)(slash - text) : size;
  subject->of = find_subject(net, key, text, first);
  if (slash) {
    subject->by = find_subject(net, key, slash + 1, size - first - 1);
    if (subject->by == NODE_NONE) return false;
  }
  return subject->of != NODE_NONE;
}

/* Whether `user`, or a part of its expression, has `of` among its inputs. */
static bool uses(const struct graph *graph, node_id user, node_id of) {
  for (node_id id = user + 1; id-- > 0;) {
    const struct node *node = graph_node(graph, id);
    if (node->owner != user) break;
    const node_id *inputs = graph_inputs(graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] == of) return true;
  }
  return false;
}

/* Whether a path leads from one node to another. */
static bool leads_to(struct net *net, node_id from, node_id to) {
  if (to <= from) return false;
  bool *reached = ARENA_ARRAY(net->arena, bool, (size_t)(to - from) + 1);
  reached[0] = true;
  for (node_id id = from + 1; id <= to; id++) {
    const struct node *node = graph_node(&net->graph, id);
    const node_id *inputs = graph_inputs(&net->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (inputs[k] >= from && reached[inputs[k] - from]) reached[id - from] = true;
  }
  return reached[to - from];
}

/* In a claim for v, grad(u) needs u beyond v: else the claim would be judged by itself. */
static bool check_grads(struct reading *reading, tree_id value, const struct subject *subject,
                        size_t first) {
  struct net *net = reading->net;
  bool fine = true;
  for (size_t i = first; i < reading->grads.count; i++) {
    node_id u = reading->grads.at[i];
    if (leads_to(net, subject->of, u)) continue;
    struct text why;
    text_init(&why, net->arena, NULL, NULL);
    text_puts(&why, "grad(");
    graph_print_name(&net->graph, u, &why);
    text_puts(&why, ") cannot tell the gradient of ");
    graph_print_name(&net->graph, subject->of, &why);
    text_puts(&why, u == subject->of ? ": the claim is circular"
                                     : ": it does not lie between that and the output");
    fail(net, value, BP(BAD_CLAIM), text_string(&why));
    fine = false;
  }
  return fine;
}

/* The shape of what is claimed. */
static struct dims wanted_dims(const struct net *net, const struct kind *kind,
                               const struct subject *subject) {
  struct dims dims = shape_dims(graph_node(&net->graph, subject->of)->shape);
  bool square = kind->may_pair && subject->by == NODE_NONE;
  bool matrix = kind->may_pair || !kind->formula_of_grads;
  if (!matrix || (subject->by == NODE_NONE && !square)) return dims;
  struct dims other =
      shape_dims(graph_node(&net->graph, square ? subject->of : subject->by)->shape);
  for (unsigned i = 0; i < other.rank && dims.rank < RANK_MOST; i++)
    dims.at[dims.rank++] = other.at[i];
  return dims;
}

static bool check_shape(struct net *net, tree_id value, const struct dims *wanted,
                        node_id claimed) {
  struct dims dims = shape_dims(graph_node(&net->graph, claimed)->shape);
  if (!dims.rank || same_dims(&dims, wanted)) return true;
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_puts(&why, "the claim is ");
  dims_print(&dims, &why);
  text_puts(&why, ", what it is about is ");
  dims_print(wanted, &why);
  return fail(net, value, BP(BAD_CLAIM), text_string(&why));
}

/* ---- blocks --------------------------------------------------------------------------------- */

static void read_claim(struct reading *reading, const struct kind *kind, tree_id key,
                       tree_id value) {
  struct net *net = reading->net;
  struct subject subject;
  size_t grads = reading->grads.count;
  bool known = read_subject(net, key, kind, &subject);
  node_id claimed = read_claimed(reading, value);
  if (!known || claimed == NODE_NONE) return;
  if (kind->formula_of_grads && !check_grads(reading, value, &subject, grads)) return;
  if (kind->formula_of_grads && subject.by != NODE_NONE &&
      !uses(&net->graph, subject.by, subject.of)) {
    struct text why;
    text_init(&why, net->arena, NULL, NULL);
    text_printf(&why, "in '%s' the first is no input of the second", quote(net, key));
    fail(net, key, BP(BAD_CLAIM), text_string(&why));
    return;
  }
  struct dims wanted = wanted_dims(net, kind, &subject);
  check_shape(net, value, &wanted, claimed);
}

static void read_claims(struct reading *reading, const struct kind *kind, tree_id mapping) {
  struct net *net = reading->net;
  struct map seen = {0};
  if (tree_at(&net->tree, mapping)->kind != TREE_MAPPING) {
    fail(net, mapping, BP(WRONG_KIND), "a mapping is expected here: 'name: claim'");
    return;
  }
  for (tree_id key = tree_first(&net->tree, mapping); key != TREE_NONE;) {
    tree_id value = tree_next(&net->tree, key);
    int64_t before =
        map_add(net->arena, &seen, tree_text(&net->tree, key), tree_at(&net->tree, key)->size, key);
    if (before == MAP_NONE) {
      read_claim(reading, kind, key, value);
    } else {
      fail(net, key, BP(DUPLICATE_KEY), quote(net, key));
      report_see(net->report, tree_mark(&net->tree, (tree_id)before), "it is defined here first");
    }
    key = tree_next(&net->tree, value);
  }
}

static void read_let(struct reading *reading, tree_id mapping) {
  struct net *net = reading->net;
  if (mapping == TREE_NONE) return;
  if (tree_at(&net->tree, mapping)->kind != TREE_MAPPING) {
    fail(net, mapping, BP(WRONG_KIND), "let must be a mapping: 'name: formula'");
    return;
  }
  for (tree_id key = tree_first(&net->tree, mapping); key != TREE_NONE;) {
    tree_id value = tree_next(&net->tree, key);
    const char *name = tree_text(&net->tree, key);
    size_t size = tree_at(&net->tree, key)->size, first = reading->grads.count;
    if (check_name(net, key)) {
      node_id node = lower_formula(reading, value);
      if (map_add(net->arena, &reading->let_names, name, size, (uint32_t)reading->lets.count) !=
          MAP_NONE)
        fail(net, key, BP(DUPLICATE_KEY), quote(net, key));
      else
        *vec_push(net->arena, &reading->lets) =
            (struct let){node, first, reading->grads.count - first};
    }
    key = tree_next(&net->tree, value);
  }
}

/* A number that must not be below `least`. */
static void check_number(struct net *net, tree_id id, const char *what, double least,
                         bool integer) {
  double number;
  if (id == TREE_NONE) return;
  const struct tree_node *node = tree_at(&net->tree, id);
  enum number_kind kind = node->kind == TREE_SCALAR && node->flags & TREE_PLAIN
                              ? number_parse(tree_text(&net->tree, id), node->size, &number)
                              : NUMBER_NONE;
  bool fits = kind == NUMBER_INTEGER || (kind == NUMBER_FLOAT && !integer);
  if (!fits || !(number >= least) || isinf(number)) fail(net, id, BP(WRONG_KIND), what);
}

static void read_keep(struct net *net, tree_id list) {
  if (list == TREE_NONE) return;
  if (tree_at(&net->tree, list)->kind != TREE_LIST) {
    fail(net, list, BP(WRONG_KIND), "keep must be a list of names: [x]");
    return;
  }
  for (tree_id item = tree_first(&net->tree, list); item != TREE_NONE;
       item = tree_next(&net->tree, item))
    find_subject(net, item, tree_text(&net->tree, item), tree_at(&net->tree, item)->size);
}

static void read_points(struct net *net, tree_id id) {
  enum { COUNT, SPREAD, SEED, KEEP, KEYS };
  static const struct key keys[KEYS] = {
      {"count", false}, {"spread", false}, {"seed", false}, {"keep", false}};
  tree_id found[KEYS];
  static const char *const wants = "points is a number of points, 0 or more";
  if (id == TREE_NONE) return;
  if (tree_at(&net->tree, id)->kind != TREE_MAPPING) {
    check_number(net, id, wants, 0, true);
    return;
  }
  if (!read_keys(net, id, "points", keys, KEYS, found)) return;
  check_number(net, found[COUNT], wants, 0, true);
  check_number(net, found[SPREAD], "spread must be a number, 0 or more", 0, false);
  check_number(net, found[SEED], "seed must be an integer, 0 or more", 0, true);
  read_keep(net, found[KEEP]);
}

static const struct kind kinds[] = {{"values", false, false, false},
                                    {"gradients", false, false, true},
                                    {"contributions", true, false, true},
                                    {"jacobians", true, false, false},
                                    {"hessians", false, true, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void read_block(struct net *net, tree_id block) {
  enum { TITLE, RTOL, ATOL, POINTS, LET, OTHERS };
  struct key keys[OTHERS + KINDS] = {
      {"title", false}, {"rtol", false}, {"atol", false}, {"points", false}, {"let", false}};
  tree_id found[OTHERS + KINDS];
  for (size_t i = 0; i < KINDS; i++) keys[OTHERS + i] = (struct key){kinds[i].key, false};
  if (!read_keys(net, block, "expect", keys, OTHERS + KINDS, found)) return;
  if (found[TITLE] != TREE_NONE && tree_at(&net->tree, found[TITLE])->kind != TREE_SCALAR)
    fail(net, found[TITLE], BP(WRONG_KIND), "title must be a text");
  check_number(net, found[RTOL], "rtol must be a number, 0 or more", 0, false);
  check_number(net, found[ATOL], "atol must be a number, 0 or more", 0, false);
  read_points(net, found[POINTS]);
  struct reading reading = {.net = net, .scope = net->scope};
  reading.scope.find = find_in_formula;
  reading.scope.call = call_in_formula;
  reading.scope.member = find_member_in_formula;
  reading.scope.context = &reading;
  read_let(&reading, found[LET]);
  for (size_t i = 0; i < KINDS; i++)
    if (found[OTHERS + i] != TREE_NONE) read_claims(&reading, &kinds[i], found[OTHERS + i]);
  net->scope.stack = reading.scope.stack; /* it may have grown */
}

void read_expect(struct net *net, tree_id expect) {
  size_t nodes = net->graph.nodes.count, arcs = net->graph.arcs.count;
  if (tree_at(&net->tree, expect)->kind == TREE_LIST) {
    for (tree_id block = tree_first(&net->tree, expect); block != TREE_NONE;
         block = tree_next(&net->tree, block))
      read_block(net, block);
  } else {
    read_block(net, expect);
  }
  net->graph.nodes.count = nodes;
  net->graph.arcs.count = arcs;
}
