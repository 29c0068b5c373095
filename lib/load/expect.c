#include "load/expect.h"

#include <math.h>
#include <string.h>

#include "base/number.h"

/* A block while it is read. */
struct reading {
  struct net *net;
  struct claims *block;
  struct scope scope;
  struct map let_names; /* name -> node of the block's graph; NODE_NONE: it failed */
  struct map known;     /* "s", "grad(s)" -> index into the block's stand_ins */
  VEC(size_t) seen;     /* of each node of the block's graph: the last claim that it was part of */
  size_t claims;        /* so far */
};

/* What a kind of claim is about. */
static const struct kind {
  const char *key;
  bool pair;     /* always "a/b" */
  bool may_pair; /* "a" or "a/b" */
  bool upward;   /* its formulas may say grad(u), for u beyond the claimed node */
} kinds[CLAIM_KINDS] = {[CLAIM_VALUE] = {"values", false, false, false},
                        [CLAIM_GRADIENT] = {"gradients", false, false, true},
                        [CLAIM_CONTRIBUTION] = {"contributions", true, false, true},
                        [CLAIM_JACOBIAN] = {"jacobians", true, false, false},
                        [CLAIM_HESSIAN] = {"hessians", false, true, false}};

static bool fail(struct net *net, tree_id id, enum diag diag, const char *format,
                 const char *text) {
  report_add(net->report, tree_mark(&net->tree, id), diag, format, text);
  return false;
}

static const char *quote(struct net *net, tree_id id) {
  return report_quote(net->report, tree_text(&net->tree, id), tree_at(&net->tree, id)->size);
}

static const char *name_of(struct net *net, node_id id) {
  struct text text;
  text_init(&text, net->arena, NULL, NULL);
  graph_print_name(&net->graph, id, &text);
  return text_string(&text);
}

/* ---- stand-ins ------------------------------------------------------------------------------ */

/* The start node of the block's graph that stands for a node's value, or the gradient at it. */
static node_id stand_in(struct reading *reading, node_id of, bool gradient, struct mark mark) {
  struct net *net = reading->net;
  struct graph *graph = &reading->block->graph;
  struct text name;
  text_init(&name, net->arena, NULL, NULL);
  text_puts(&name, gradient ? "grad(" : "");
  graph_print_name(&net->graph, of, &name);
  text_puts(&name, gradient ? ")" : "");
  const char *string = text_string(&name);
  int64_t at = map_add(net->arena, &reading->known, string, name.count,
                       (uint32_t)reading->block->stand_ins.count);
  if (at != MAP_NONE) return reading->block->stand_ins.at[at].node;
  const struct node *node = graph_node(&net->graph, of);
  struct dims dims = shape_dims(node->shape);
  /* Constants are known before anything runs: an axis, say. */
  bool constant = !gradient && (node->role == ROLE_CONSTANT || node->role == ROLE_LITERAL);
  node_id id = graph_start(graph, constant ? ROLE_CONSTANT : ROLE_INPUT,
                           shapes_add(&graph->shapes, &dims), constant ? node->value : NULL, mark);
  graph_name(graph, id, string, name.count);
  *vec_push(net->arena, &reading->block->stand_ins) = (struct stand_in){id, of, gradient};
  return id;
}

/* The stand-in that a node of the block's graph is; NULL where it is none. */
static const struct stand_in *find_stand_in(const struct claims *block, node_id id) {
  size_t low = 0, high = block->stand_ins.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (block->stand_ins.at[middle].node < id)
      low = middle + 1;
    else
      high = middle;
  }
  bool found = low < block->stand_ins.count && block->stand_ins.at[low].node == id;
  return found ? &block->stand_ins.at[low] : NULL;
}

/* ---- names in formulas ---------------------------------------------------------------------- */

/* The node that a name stands for in the net or, in a function's claims, in the call. */
static node_id find_outside(const struct reading *reading, const char *name, size_t size) {
  const struct net *net = reading->net;
  const struct call_site *call = reading->block->call;
  if (call) {
    int64_t local = function_local(call->function, name, size);
    if (local != MAP_NONE) return call->locals[local];
    return size == 6 && !memcmp(name, "output", 6) ? call->output : NODE_NONE;
  }
  int64_t at = map_find(&net->names, name, size);
  return at == MAP_NONE ? NODE_NONE : net->definitions.at[at].node;
}

static bool find_in_formula(struct scope *scope, const struct expr_item *name, struct value *out) {
  struct reading *reading = scope->context;
  int64_t at = map_find(&reading->let_names, name->name, name->size);
  if (at != MAP_NONE) {
    *out = make_node((node_id)at, name->mark, name->text);
    return (node_id)at != NODE_NONE;
  }
  node_id of = find_outside(reading, name->name, name->size);
  if (of == NODE_NONE) { /* pi, inf, a word, or what has failed */
    struct scope *outer = &reading->net->scope;
    return outer->find(outer, name, out);
  }
  *out = make_node(stand_in(reading, of, false, name->mark), name->mark, name->text);
  return true;
}

/* h.z: a node inside of a call. */
static bool find_member_in_formula(struct scope *scope, const struct value *operand,
                                   const struct expr_item *name, struct value *out) {
  struct reading *reading = scope->context;
  struct value outside = *operand;
  const struct stand_in *known =
      operand->kind == VALUE_NODE ? find_stand_in(reading->block, operand->node) : NULL;
  if (!known || known->gradient) return false;
  outside.node = known->of;
  if (!find_member(&reading->net->scope, &outside, name, out)) return false;
  *out = make_node(stand_in(reading, out->node, false, name->mark), name->mark, name->text);
  return true;
}

/* Reports the names of a formula that stand for nothing. */
static bool check_names(struct reading *reading, size_t first) {
  struct net *net = reading->net;
  const struct call_site *call = reading->block->call;
  bool fine = true;
  for (size_t i = first; i < net->pool.items.count; i++) {
    struct expr_item *item = &net->pool.items.at[i];
    const struct expr_item *next = i + 1 < net->pool.items.count ? item + 1 : NULL;
    item->id = UINT32_MAX;
    if (item->kind != EXPR_NAME || map_find(&reading->let_names, item->name, item->size) >= 0)
      continue;
    if (!call)
      fine = resolve_item(net, item, next) && fine;
    else if (find_outside(reading, item->name, item->size) == NODE_NONE)
      fine = resolve_in_function(net, item, next) && fine;
  }
  return fine;
}

/* grad(u) */
static enum outcome call_in_formula(struct scope *scope, const struct expr_item *name,
                                    struct value *arguments, size_t count, struct value *out) {
  struct reading *reading = scope->context;
  if (name->size != 4 || memcmp(name->name, "grad", 4) != 0) return OUTCOME_UNKNOWN;
  if (count == 1 && arguments[0].kind == VALUE_FAILED) return OUTCOME_FAILED; /* was reported */
  const struct stand_in *of = count == 1 && arguments[0].kind == VALUE_NODE
                                  ? find_stand_in(reading->block, arguments[0].node)
                                  : NULL;
  if (!of || of->gradient) {
    report_add(scope->report, name->mark, BP(BAD_CLAIM), "grad takes the name of one node");
    return OUTCOME_FAILED;
  }
  *out = make_node(stand_in(reading, of->of, true, name->mark), name->mark, name->text);
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

/* Given numbers, as a literal of the block's graph. */
static node_id read_numbers_claimed(struct reading *reading, tree_id id) {
  struct graph *graph = &reading->block->graph;
  reading->net->rough = false;
  node_id given = read_value(reading->net, id);
  if (given == NODE_NONE) return NODE_NONE;
  const struct node *node = graph_node(&reading->net->graph, given);
  struct dims dims = shape_dims(node->shape);
  return graph_start(graph, ROLE_LITERAL, shapes_add(&graph->shapes, &dims), node->value,
                     node->mark);
}

static bool read_decimals(struct net *net, tree_id id, int *decimals) {
  double number;
  *decimals = DECIMALS_NONE;
  if (id == TREE_NONE) return true;
  *decimals = DECIMALS_WRITTEN;
  if (tree_is(&net->tree, id, "written")) return true;
  const struct tree_node *node = tree_at(&net->tree, id);
  if (node->kind != TREE_SCALAR ||
      number_parse(tree_text(&net->tree, id), node->size, &number) != NUMBER_INTEGER ||
      number < 0 || number > 17)
    return fail(net, id, BP(WRONG_KIND), "decimals is 'written' or a number from 0 to 17");
  *decimals = (int)number;
  return true;
}

/* {value: ..., decimals: ...} or {file: ..., key: ...} */
static node_id read_claim_mapping(struct reading *reading, struct claim *claim) {
  enum { VALUE, FILE_, KEY, SHAPE, DECIMALS, KEYS };
  static const struct key keys[KEYS] = {
      {"value", false}, {"file", false}, {"key", false}, {"shape", false}, {"decimals", false}};
  struct net *net = reading->net;
  tree_id found[KEYS], id = claim->value;
  if (!read_keys(net, id, "a claim", keys, KEYS, found)) return NODE_NONE;
  if ((found[VALUE] == TREE_NONE) == (found[FILE_] == TREE_NONE)) {
    fail(net, id, BP(BAD_CLAIM), "a claim in braces has either 'value' or 'file'");
    return NODE_NONE;
  }
  if (!read_decimals(net, found[DECIMALS], &claim->decimals)) return NODE_NONE;
  if (found[VALUE] == TREE_NONE) return read_numbers_claimed(reading, id); /* as a start value */
  claim->value = found[VALUE];
  if (tree_at(&net->tree, found[VALUE])->kind == TREE_MAPPING) {
    fail(net, found[VALUE], BP(WRONG_KIND), "numbers are expected here");
    return NODE_NONE;
  }
  return read_numbers_claimed(reading, found[VALUE]);
}

/* A claim's right side: a formula, numbers, or a mapping. */
static node_id read_claimed(struct reading *reading, struct claim *claim) {
  switch (tree_at(&reading->net->tree, claim->value)->kind) {
  case TREE_SCALAR: return lower_formula(reading, claim->value);
  case TREE_MAPPING: return read_claim_mapping(reading, claim);
  default: return read_numbers_claimed(reading, claim->value);
  }
}

/* ---- what a claim is about ------------------------------------------------------------------ */

static node_id find_subject(struct reading *reading, tree_id key, const char *name, size_t size) {
  struct net *net = reading->net;
  node_id of = find_outside(reading, name, size);
  if (of != NODE_NONE) return of;
  bool inside = reading->block->call != NULL;
  if (!inside && map_find(&net->names, name, size) != MAP_NONE) return NODE_NONE; /* reported */
  int64_t at = inside ? MAP_NONE : map_find(&net->inner, name, size);
  if (at != MAP_NONE) return (node_id)at;
  const char *dot = memchr(name, '.', size);
  int64_t call = dot && !inside ? map_find(&net->names, name, (size_t)(dot - name)) : MAP_NONE;
  if (call != MAP_NONE && net->definitions.at[call].node == NODE_NONE) return NODE_NONE;
  report_add(net->report, tree_mark(&net->tree, key), BP(NOT_A_NODE),
             report_quote(net->report, name, size));
  const char *nearest = inside ? NULL : net_nearest(net, name, size);
  if (nearest) report_hint(net->report, "did you mean '%s'?", nearest);
  if (inside) report_hint(net->report, "a function sees its own inputs and nodes only");
  return NODE_NONE;
}

static bool read_subject(struct reading *reading, tree_id key, struct claim *claim) {
  struct net *net = reading->net;
  const struct kind *kind = &kinds[claim->kind];
  const char *text = tree_text(&net->tree, key);
  size_t size = tree_at(&net->tree, key)->size;
  const char *slash = memchr(text, '/', size);
  claim->subject = arena_copy(net->arena, text, size);
  claim->of = claim->by = NODE_NONE;
  if (!slash && kind->pair)
    return fail(net, key, BP(BAD_CLAIM), "two names with '/' between are expected here");
  if (slash && !kind->pair && !kind->may_pair)
    return fail(net, key, BP(BAD_CLAIM), "one name is expected here");
  size_t first = slash ? (size_t)(slash - text) : size;
  claim->of = find_subject(reading, key, text, first);
  if (!slash) return claim->of != NODE_NONE;
  claim->by = find_subject(reading, key, slash + 1, size - first - 1);
  return claim->of != NODE_NONE && claim->by != NODE_NONE;
}

/* Whether a node was made by the definition of another. */
static bool belongs(const struct graph *graph, node_id id, node_id whole) {
  const struct node *owner = graph_node(graph, graph_node(graph, id)->owner);
  const struct node *outer = graph_node(graph, whole);
  if (owner == outer) return true;
  return owner->name && outer->name && owner->name_size > outer->name_size &&
         !memcmp(owner->name, outer->name, outer->name_size) &&
         owner->name[outer->name_size] == '.';
}

/* The first of the nodes that a definition made; what others do on the way back may be among them. */
static node_id first_of(const struct graph *graph, node_id whole) {
  node_id id = whole;
  while (id > 0 && (graph_node(graph, id - 1)->backward || belongs(graph, id - 1, whole))) id--;
  return id;
}

/* The output of a function is made of what comes after its nodes. */
static struct user output_of(const struct graph *graph, const struct call_site *call) {
  struct user user = {call->first, call->body};
  for (unsigned i = 0; i < function_locals(call->function); i++) {
    node_id local = call->locals[i];
    if (local == call->body) return (struct user){first_of(graph, local), local};
    if (local != NODE_NONE && local >= user.first) user.first = local + 1;
  }
  return user;
}

struct user claim_user(const struct graph *graph, const struct call_site *call, node_id user) {
  if (call && (user == call->output || user == call->body)) return output_of(graph, call);
  return (struct user){first_of(graph, user), user};
}

static bool uses(const struct graph *graph, const struct user *user, node_id of) {
  for (node_id id = user->first > of ? user->first : of + 1; id <= user->last; id++) {
    const struct node *node = graph_node(graph, id);
    const node_id *inputs = graph_inputs(graph, node);
    for (unsigned k = 0; k < node->count && !node->backward; k++)
      if (inputs[k] == of) return true;
  }
  return false;
}

/* ---- who uses whom -------------------------------------------------------------------------- */

/* The users of node i are at[first[i]] ... at[first[i + 1] - 1], in their order. */
struct users {
  size_t *first;
  node_id *at;
  size_t *seen; /* of each node: the last search that came by it */
  size_t searches;
  VEC(node_id) open;
};

static struct users *users_of(struct net *net) {
  const struct graph *graph = &net->graph;
  const size_t count = graph->nodes.count;
  if (net->users) return net->users;
  struct users *users = net->users = ARENA_NEW(net->arena, struct users);
  size_t *first = users->first = ARENA_ARRAY(net->arena, size_t, count + 2);
  users->seen = ARENA_ARRAY(net->arena, size_t, count + 1);
  for (size_t i = 0; i < count; i++) {
    const struct node *node = graph_node(graph, (node_id)i);
    for (unsigned k = 0; k < node->count; k++) first[graph_inputs(graph, node)[k] + (size_t)2]++;
  }
  for (size_t i = 1; i <= count; i++) first[i + 1] += first[i];
  users->at = ARENA_ARRAY(net->arena, node_id, first[count + 1] + 1);
  for (size_t i = 0; i < count;
       i++) { /* first[i + 1], where i's begin, moves on to where they end */
    const struct node *node = graph_node(graph, (node_id)i);
    for (unsigned k = 0; k < node->count; k++)
      users->at[first[graph_inputs(graph, node)[k] + (size_t)1]++] = (node_id)i;
  }
  return users;
}

/* Whether a path leads from one node to another: depth first, the latest users first, and none that
 * comes after the end of the path. */
static bool leads_to(struct net *net, node_id from, node_id to) {
  struct users *users = users_of(net);
  const size_t search = ++users->searches;
  users->open.count = 0;
  *vec_push(net->arena, &users->open) = from;
  while (users->open.count) {
    node_id id = users->open.at[--users->open.count];
    for (size_t i = users->first[id]; i < users->first[id + (size_t)1]; i++) {
      node_id user = users->at[i];
      if (user > to) break;
      if (user == to) return true;
      if (users->seen[user] == search) continue;
      users->seen[user] = search;
      *vec_push(net->arena, &users->open) = user;
    }
  }
  return false;
}

/* In a claim for v, grad(u) needs u beyond v: else the claim would be judged by itself. */
static bool check_grad(struct reading *reading, const struct claim *claim, node_id u) {
  struct net *net = reading->net;
  if (leads_to(net, claim->of, u)) return true;
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_printf(&why, "grad(%s) cannot tell the gradient of %s", name_of(net, u),
              name_of(net, claim->of));
  text_puts(&why, u == claim->of ? ": the claim is circular"
                                 : ": it does not lie between that and the output");
  return fail(net, claim->value, BP(BAD_CLAIM), text_string(&why));
}

/* The value of v is no claim for the value of v. */
static const char *circular_value(struct net *net, node_id v) {
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_printf(&why, "%s cannot tell the value of itself: the claim is circular", name_of(net, v));
  return text_string(&why);
}

/* Looks through what a claim is made of: whether it names anything of the net, and whether it may
 * say the gradients that it does. */
static bool check_parts(struct reading *reading, struct claim *claim) {
  struct net *net = reading->net;
  const struct graph *graph = &reading->block->graph;
  const size_t number = ++reading->claims;
  VEC(node_id) open = {0};
  bool fine = true;
  while (reading->seen.count < graph->nodes.count) *vec_push(net->arena, &reading->seen) = 0;
  *vec_push(net->arena, &open) = claim->claimed;
  while (open.count) {
    node_id id = open.at[--open.count];
    const struct node *node = graph_node(graph, id);
    const struct stand_in *known = node->op ? NULL : find_stand_in(reading->block, id);
    if (reading->seen.at[id] == number) continue;
    reading->seen.at[id] = number;
    claim->formula = claim->formula || known;
    if (known && claim->kind == CLAIM_VALUE && known->of == claim->of)
      fine = fail(net, claim->value, BP(BAD_CLAIM), circular_value(net, claim->of));
    if (known && known->gradient && kinds[claim->kind].upward)
      fine = check_grad(reading, claim, known->of) && fine;
    const node_id *inputs = graph_inputs(graph, node);
    for (unsigned k = 0; k < node->count; k++) *vec_push(net->arena, &open) = inputs[k];
  }
  arena_release(net->arena, open.at);
  return fine;
}

struct dims claim_dims(const struct graph *graph, enum claim_kind kind, node_id of, node_id by) {
  struct dims dims = shape_dims(graph_node(graph, of)->shape);
  if (kind != CLAIM_JACOBIAN && kind != CLAIM_HESSIAN) return dims;
  struct dims other = shape_dims(graph_node(graph, by == NODE_NONE ? of : by)->shape);
  for (unsigned i = 0; i < other.rank && dims.rank < RANK_MOST; i++)
    dims.at[dims.rank++] = other.at[i];
  return dims;
}

/* The axes of `dims` that broadcasting made of `wanted`: which it lacks, or has with 1 entry. */
static bool find_stretched(const struct dims *dims, const struct dims *wanted, bool *stretched) {
  bool any = false;
  if (dims->rank < wanted->rank) return false;
  for (unsigned i = 0, more = dims->rank - wanted->rank; i < dims->rank; i++) {
    int64_t size = i < more ? 1 : wanted->at[i - more];
    stretched[i] = i < more || size != dims->at[i];
    if (stretched[i] && size != 1) return false;
    any = any || stretched[i];
  }
  return any;
}

/* Whether the two are the same but for axes with 1 entry. */
static bool same_but_ones(const struct dims *a, const struct dims *b) {
  unsigned i = 0, k = 0;
  for (;;) {
    while (i < a->rank && a->at[i] == 1) i++;
    while (k < b->rank && b->at[k] == 1) k++;
    if (i == a->rank || k == b->rank) return i == a->rank && k == b->rank;
    if (a->at[i++] != b->at[k++]) return false;
  }
}

void hint_claim_shape(struct report *report, enum claim_kind kind, const struct dims *dims,
                      const struct dims *wanted) {
  bool gradient = kind == CLAIM_GRADIENT || kind == CLAIM_CONTRIBUTION;
  bool stretched[RANK_MOST], reversed = dims->rank == wanted->rank;
  for (unsigned i = 0; i < dims->rank && reversed; i++)
    reversed = dims->at[i] == wanted->at[dims->rank - 1 - i];
  if (reversed) {
    report_hint(report, "its transpose would fit");
  } else if (same_but_ones(dims, wanted)) {
    report_hint(report, dims->rank < wanted->rank
                            ? "keepdims=true keeps the axes that are summed, with 1 entry"
                            : "without keepdims=true the axes that are summed are dropped");
  } else if (gradient && find_stretched(dims, wanted, stretched)) {
    unsigned first = 0;
    while (!stretched[first]) first++;
    report_hint(report,
                "broadcasting repeats it along axis %u: its gradient is a sum over that axis",
                first);
  }
}

static bool check_shape(struct reading *reading, const struct claim *claim) {
  struct net *net = reading->net;
  struct dims wanted = claim_dims(&net->graph, claim->kind, claim->of, claim->by);
  struct dims dims = shape_dims(graph_node(&reading->block->graph, claim->claimed)->shape);
  if (!dims.rank || same_dims(&dims, &wanted)) return true;
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_puts(&why, "the claim is ");
  dims_print(&dims, &why);
  text_puts(&why, ", what it is about is ");
  dims_print(&wanted, &why);
  fail(net, claim->value, BP(BAD_CLAIM), text_string(&why));
  hint_claim_shape(net->report, claim->kind, &dims, &wanted);
  return false;
}

/* A user's contribution needs a user. */
static bool check_pair(struct reading *reading, tree_id key, const struct claim *claim) {
  struct net *net = reading->net;
  if (claim->kind != CLAIM_CONTRIBUTION) return true;
  const struct user user = claim_user(&net->graph, reading->block->call, claim->by);
  if (uses(&net->graph, &user, claim->of)) return true;
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_printf(&why, "in '%s' the first is no input of the second", quote(net, key));
  return fail(net, key, BP(BAD_CLAIM), text_string(&why));
}

/* ---- blocks --------------------------------------------------------------------------------- */

static void read_claim(struct reading *reading, enum claim_kind kind, tree_id key, tree_id value) {
  struct claim claim = {.kind = kind, .value = value, .decimals = DECIMALS_NONE};
  claim.mark = tree_mark(&reading->net->tree, key);
  claim.text = tree_mark(&reading->net->tree, value);
  bool known = read_subject(reading, key, &claim);
  claim.claimed = read_claimed(reading, &claim);
  claim.rough = !claim.formula && reading->net->rough;
  reading->net->rough = false;
  if (!known || claim.claimed == NODE_NONE) return;
  if (check_parts(reading, &claim) && check_pair(reading, key, &claim) &&
      check_shape(reading, &claim))
    *vec_push(reading->net->arena, &reading->block->at) = claim;
}

static void read_mapping(struct reading *reading, enum claim_kind kind, tree_id mapping) {
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
    size_t size = tree_at(&net->tree, key)->size;
    if (check_name(net, key)) {
      node_id node = lower_formula(reading, value);
      if (map_add(net->arena, &reading->let_names, name, size, node) != MAP_NONE)
        fail(net, key, BP(DUPLICATE_KEY), quote(net, key));
    }
    key = tree_next(&net->tree, value);
  }
}

/* A number that must not be below 0; *number keeps its default where none is given. */
static void read_number(struct net *net, tree_id id, const char *what, bool integer,
                        double *number) {
  double given;
  if (id == TREE_NONE) return;
  const struct tree_node *node = tree_at(&net->tree, id);
  enum number_kind kind = node->kind == TREE_SCALAR && node->flags & TREE_PLAIN
                              ? number_parse(tree_text(&net->tree, id), node->size, &given)
                              : NUMBER_NONE;
  bool fits = kind == NUMBER_INTEGER || (kind == NUMBER_FLOAT && !integer);
  if (fits && given >= 0 && !isinf(given))
    *number = given;
  else
    fail(net, id, BP(WRONG_KIND), what);
}

static void read_keep(struct reading *reading, tree_id list) {
  struct net *net = reading->net;
  if (list == TREE_NONE) return;
  if (tree_at(&net->tree, list)->kind != TREE_LIST) {
    fail(net, list, BP(WRONG_KIND), "keep must be a list of names: [x]");
    return;
  }
  for (tree_id item = tree_first(&net->tree, list); item != TREE_NONE;
       item = tree_next(&net->tree, item)) {
    node_id id =
        find_subject(reading, item, tree_text(&net->tree, item), tree_at(&net->tree, item)->size);
    if (id == NODE_NONE) continue;
    if (graph_node(&net->graph, id)->op)
      fail(net, item, BP(WRONG_KIND), "keep is for start nodes: the others follow from them");
    else
      *vec_push(net->arena, &reading->block->points.keep) = id;
  }
}

enum { POINTS_MOST = 1000000 }; /* as of the option --points */

static void read_count(struct net *net, tree_id id, size_t *count) {
  double number = (double)*count;
  read_number(net, id, "points is a number of points, 0 or more", true, &number);
  if (number <= POINTS_MOST)
    *count = (size_t)number;
  else
    fail(net, id, BP(WRONG_KIND), "points is at most 1000000");
}

static void read_points(struct reading *reading, tree_id id) {
  enum { COUNT, SPREAD, SEED, KEEP, KEYS };
  static const struct key keys[KEYS] = {
      {"count", false}, {"spread", false}, {"seed", false}, {"keep", false}};
  struct net *net = reading->net;
  struct points *points = &reading->block->points;
  tree_id found[KEYS];
  if (id == TREE_NONE) return;
  if (tree_at(&net->tree, id)->kind != TREE_MAPPING) {
    read_count(net, id, &points->count);
    return;
  }
  double seed = 0;
  if (!read_keys(net, id, "points", keys, KEYS, found)) return;
  read_count(net, found[COUNT], &points->count);
  read_number(net, found[SPREAD], "spread must be a number, 0 or more", false, &points->spread);
  read_number(net, found[SEED], "seed must be an integer, 0 or more", true, &seed);
  points->seed = seed < 0x1p63 ? (uint64_t)seed : UINT64_MAX;
  read_keep(reading, found[KEEP]);
}

struct claims *new_claims(struct net *net) {
  struct claims *block = ARENA_NEW(net->arena, struct claims);
  *block = (struct claims){.rtol = NAN, .atol = NAN};
  block->points.count = 8;
  block->points.spread = 0.5;
  graph_init(&block->graph, net->arena, net->report);
  return block;
}

static void read_title(struct reading *reading, tree_id id) {
  struct net *net = reading->net;
  if (id == TREE_NONE) return;
  const struct tree_node *node = tree_at(&net->tree, id);
  if (node->kind != TREE_SCALAR)
    fail(net, id, BP(WRONG_KIND), "title must be a text");
  else
    reading->block->title = arena_copy(net->arena, tree_text(&net->tree, id), node->size);
}

static void read_block(struct net *net, tree_id tree, const struct call_site *call) {
  enum { TITLE, RTOL, ATOL, POINTS, LET, OTHERS };
  struct key keys[OTHERS + CLAIM_KINDS] = {
      {"title", false}, {"rtol", false}, {"atol", false}, {"points", false}, {"let", false}};
  tree_id found[OTHERS + CLAIM_KINDS];
  for (size_t i = 0; i < CLAIM_KINDS; i++) keys[OTHERS + i] = (struct key){kinds[i].key, false};
  if (!read_keys(net, tree, "expect", keys, OTHERS + CLAIM_KINDS, found)) return;
  struct reading reading = {.net = net, .block = new_claims(net), .scope = net->scope};
  struct claims *block = reading.block;
  *vec_push(net->arena, &net->claims) = block;
  block->call = call;
  reading.scope.graph = &block->graph;
  reading.scope.find = find_in_formula;
  reading.scope.call = call_in_formula;
  reading.scope.member = find_member_in_formula;
  reading.scope.context = &reading;
  read_title(&reading, found[TITLE]);
  read_number(net, found[RTOL], "rtol must be a number, 0 or more", false, &block->rtol);
  read_number(net, found[ATOL], "atol must be a number, 0 or more", false, &block->atol);
  read_points(&reading, found[POINTS]);
  read_let(&reading, found[LET]);
  for (size_t i = 0; i < CLAIM_KINDS; i++)
    if (found[OTHERS + i] != TREE_NONE)
      read_mapping(&reading, (enum claim_kind)i, found[OTHERS + i]);
  net->scope.stack = reading.scope.stack; /* it may have grown */
}

static void read_blocks(struct net *net, tree_id expect, const struct call_site *call) {
  size_t nodes = net->graph.nodes.count, arcs = net->graph.arcs.count;
  if (tree_at(&net->tree, expect)->kind != TREE_LIST) {
    read_block(net, expect, call);
  } else {
    for (tree_id block = tree_first(&net->tree, expect); block != TREE_NONE;
         block = tree_next(&net->tree, block))
      read_block(net, block, call);
  }
  net->graph.nodes.count = nodes; /* given numbers were read as nodes of the net */
  net->graph.arcs.count = arcs;
}

void read_expect(struct net *net, tree_id expect) { read_blocks(net, expect, NULL); }

void read_function_claims(struct net *net) {
  for (size_t i = 0; i < net->calls_made.count; i++) {
    const struct call_site *call = &net->calls_made.at[i];
    tree_id expect = function_expect(call->function);
    size_t errors = net->report->counts[SEVERITY_ERROR];
    if (expect != TREE_NONE) read_blocks(net, expect, call);
    if (net->report->counts[SEVERITY_ERROR] == errors) continue;
    report_see(net->report, call->mark, "in this call of %s", function_name(call->function));
    return; /* the other calls have the same claims */
  }
}
