/* Names become nodes, in topological order (Kahn): in the order of the file wherever the inputs
 * are known, the others as soon as the last of theirs is. */
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"
#include "load/functions.h"
#include "load/net.h"

static bool fail_at(struct net *net, tree_id id, enum diag diag, const char *format,
                    const char *text) {
  report_add(net->report, tree_mark(&net->tree, id), diag, format, text);
  return false;
}

/* ---- YAML's traps ------------------------------------------------------------------------ */

/* `x #1`: YAML takes what follows " #" for a comment. */
static bool is_comment_trap(struct net *net, tree_id id) {
  const uint32_t end = tree_mark(&net->tree, id).end;
  const char *at = report_bytes(net->report, (struct mark){end - 1, end}) + 1;
  const char *hash = at;
  while (*hash == ' ' || *hash == '\t') hash++;
  if (*hash != '#' || hash == at || hash[1] == ' ' || hash[1] == '\t' || hash[1] == '\n' ||
      hash[1] == '\r' || hash[1] == '\0' || hash[1] == '#')
    return false;
  size_t size = strcspn(hash, " \t\r\n");
  report_add(net->report, source_mark(net->source, hash, size), BP(YAML_TRAP),
             "YAML takes this for a comment: the expression ends before it");
  report_hint(net->report, "put a blank after # if it is a comment");
  return true;
}

static bool is_unbalanced(const char *text, size_t size) {
  int open = 0;
  for (size_t i = 0; i < size; i++) {
    open += text[i] == '(' || text[i] == '[';
    open -= text[i] == ')' || text[i] == ']';
  }
  return open > 0;
}

/* `&a + 1`: points to the anchor, which stands before what is left of the expression. */
static void report_anchor(struct net *net, tree_id id) {
  struct mark mark = tree_mark(&net->tree, id);
  const char *at = report_bytes(net->report, mark), *first = net->source->bytes;
  while (at > first && *at != '&') at--;
  report_add(net->report, source_mark(net->source, at, strcspn(at, " \t\r\n")), BP(YAML_TRAP),
             "YAML reads & as the start of an anchor");
  report_hint(net->report, "put the expression into quotes");
}

static bool is_trap(struct net *net, tree_id id) {
  const struct tree_node *node = tree_at(&net->tree, id);
  const char *text = tree_text(&net->tree, id);
  if (!(node->flags & TREE_PLAIN)) return false;
  if (node->flags & TREE_FLOW && is_unbalanced(text, node->size)) {
    fail_at(net, id, BP(YAML_TRAP), "braces and brackets cut the expression at the comma");
    report_hint(net->report, "put it into quotes or on a line of its own");
    return true;
  }
  if (node->flags & TREE_ANCHOR && (!node->size || strchr("+-*/@<>=!,)", text[0]))) {
    report_anchor(net, id);
    return true;
  }
  return is_comment_trap(net, id);
}

/* ---- expressions ------------------------------------------------------------------------- */

static bool emit_scalar(struct net *net, tree_id id) {
  const struct tree_node *node = tree_at(&net->tree, id);
  const char *text = tree_text(&net->tree, id);
  bool looks_like_number = node->size && (strchr("+-.0123456789", text[0]) || node->size < 6);
  double number;
  if (is_trap(net, id)) return false;
  if (!node->size) {
    fail_at(net, id, BP(EXPECTED), "an expression is missing here");
    return false;
  }
  if (looks_like_number && number_parse(text, node->size, &number) != NUMBER_NONE)
    return emit_constant(net, id);
  struct expr_text expr = tree_expr_text(&net->tree, id);
  return expr_parse(net->arena, net->report, &expr, false, &net->pool);
}

/* A node inside a call, h.s; false where it is something else. */
static bool emit_dotted(struct net *net, tree_id id) {
  const char *text = tree_text(&net->tree, id), *end = text + tree_at(&net->tree, id)->size;
  for (const char *at = text; at < end; at++) {
    size_t size = utf8_name(at, (size_t)(end - at));
    if (!size || (at + size < end && at[size] != '.')) return false;
    at += size;
    if (at + 1 == end) return false;
  }
  for (const char *at = text; at < end; at++) {
    size_t size = utf8_name(at, (size_t)(end - at));
    struct expr_item *item =
        emit_item(net, at == text ? EXPR_NAME : EXPR_MEMBER, tree_mark(&net->tree, id));
    item->name = at;
    item->size = (uint32_t)size;
    at += size;
  }
  return true;
}

/* One input of an op that is spelled out: a name or a number. */
static bool emit_input(struct net *net, tree_id id) {
  const struct tree_node *node = tree_at(&net->tree, id);
  const char *text = tree_text(&net->tree, id);
  double number;
  if (node->kind == TREE_SCALAR) {
    if (node->size && utf8_name(text, node->size) == node->size) {
      struct expr_item *item = emit_item(net, EXPR_NAME, tree_mark(&net->tree, id));
      item->name = text;
      item->size = node->size;
      return true;
    }
    if (number_parse(text, node->size, &number) != NUMBER_NONE) return emit_constant(net, id);
    if (emit_dotted(net, id)) return true;
  }
  fail_at(net, id, BP(WRONG_KIND), "an input is the name of a node or a number");
  report_hint(net->report, "write the whole node as an expression, or name this part");
  return false;
}

static bool emit_truth(struct net *net, const struct op *op, const struct attr_spec *spec,
                       tree_id value) {
  bool yes = tree_is(&net->tree, value, "true");
  bool plain = (tree_at(&net->tree, value)->flags & TREE_PLAIN) != 0;
  if (plain && (yes || tree_is(&net->tree, value, "false"))) {
    emit_item(net, EXPR_TRUTH, tree_mark(&net->tree, value))->number = yes;
    return true;
  }
  report_add(net->report, tree_mark(&net->tree, value), BP(WRONG_ATTRIBUTE), op->name, spec->name,
             "true or false");
  return false;
}

/* An attribute's value as its specification wants it: some texts are no expressions. */
static bool emit_attribute(struct net *net, const struct op *op, tree_id key, tree_id value) {
  const struct tree_node *name = tree_at(&net->tree, key);
  int at = op ? op_attr(op, tree_text(&net->tree, key), name->size) : -1;
  bool text = at >= 0 && (op->attrs[at].type == ATTR_TEXT || op->attrs[at].type == ATTR_WORD);
  bool fine = true;
  if (text && tree_at(&net->tree, value)->kind == TREE_SCALAR) {
    struct expr_item *item = emit_item(net, EXPR_TEXT, tree_mark(&net->tree, value));
    item->name = tree_text(&net->tree, value);
    item->size = tree_at(&net->tree, value)->size;
  } else if (at >= 0 && op->attrs[at].type == ATTR_BOOL) {
    fine = emit_truth(net, op, &op->attrs[at], value);
  } else {
    size_t first = net->pool.items.count;
    fine = emit_constant(net, value);
    struct expr_item *item = net->pool.items.at + first;
    if (fine && net->pool.items.count == first + 1 && item->kind == EXPR_NAME) item->word = true;
  }
  struct expr_item *keyword = emit_item(net, EXPR_KEYWORD, tree_mark(&net->tree, key));
  keyword->name = tree_text(&net->tree, key);
  keyword->size = name->size;
  return fine;
}

/* {op: NAME, inputs: [...], ATTRIBUTE: ...} */
struct spelled {
  tree_id op, inputs, expr, shape, description, label;
  bool twice; /* one of these is; reported */
};

static bool note_key(struct net *net, tree_id key, tree_id value, const char *name,
                     struct spelled *s, tree_id *out) {
  if (!tree_is(&net->tree, key, name)) return false;
  if (*out == TREE_NONE) {
    *out = value;
    return true;
  }
  fail_at(net, key, BP(DUPLICATE_KEY), name);
  report_see(net->report, tree_mark(&net->tree, *out - 1), "it is defined here first");
  s->twice = true;
  return true;
}

static struct spelled read_spelled(struct net *net, tree_id id) {
  const struct tree *tree = &net->tree;
  struct spelled s = {TREE_NONE, TREE_NONE, TREE_NONE, TREE_NONE, TREE_NONE, TREE_NONE, false};
  for (tree_id key = tree_first(tree, id); key != TREE_NONE;) {
    tree_id value = tree_next(tree, key);
    (void)(note_key(net, key, value, "op", &s, &s.op) ||
           note_key(net, key, value, "inputs", &s, &s.inputs) ||
           note_key(net, key, value, "shape", &s, &s.shape) ||
           note_key(net, key, value, "expr", &s, &s.expr) ||
           note_key(net, key, value, "description", &s, &s.description) ||
           note_key(net, key, value, "label", &s, &s.label));
    key = tree_next(tree, value);
  }
  return s;
}

/* The key of a mapping that is most like `name`, or TREE_NONE. */
static tree_id find_like(const struct net *net, tree_id mapping, const char *name) {
  size_t size = strlen(name), limit = edit_limit(size);
  for (tree_id key = tree_first(&net->tree, mapping); key != TREE_NONE;) {
    uint32_t own = tree_at(&net->tree, key)->size;
    if (edit_distance(tree_text(&net->tree, key), own, name, size, limit) <= limit) return key;
    key = tree_next(&net->tree, tree_next(&net->tree, key));
  }
  return TREE_NONE;
}

/* Reports that a key is missing, or a misspelt one that seems to be meant for it. */
static bool fail_missing(struct net *net, tree_id mapping, const char *name) {
  tree_id like = find_like(net, mapping, name);
  if (like == TREE_NONE) return fail_at(net, mapping, BP(MISSING_KEY), name);
  fail_at(net, like, BP(UNKNOWN_KEY),
          report_quote(net->report, tree_text(&net->tree, like), tree_at(&net->tree, like)->size));
  report_hint(net->report, "did you mean '%s'?", name);
  return false;
}

static bool emit_inputs(struct net *net, tree_id mapping, tree_id inputs, uint32_t *count) {
  if (inputs == TREE_NONE) return fail_missing(net, mapping, "inputs");
  if (tree_at(&net->tree, inputs)->kind != TREE_LIST) {
    fail_at(net, inputs, BP(WRONG_KIND), "inputs must be a list");
    if (tree_at(&net->tree, inputs)->kind == TREE_SCALAR)
      report_hint(net->report, "write [%s]",
                  report_quote(net->report, tree_text(&net->tree, inputs),
                               tree_at(&net->tree, inputs)->size));
    return false;
  }
  bool fine = true;
  *count = tree_at(&net->tree, inputs)->size;
  for (tree_id item = tree_first(&net->tree, inputs); item != TREE_NONE;
       item = tree_next(&net->tree, item))
    fine = emit_input(net, item) && fine;
  return fine;
}

static bool emit_shape(struct net *net, tree_id shape) {
  if (!emit_constant(net, shape)) return false;
  emit_call(net, CALL_SHAPE, 2, tree_mark(&net->tree, shape));
  return true;
}

static bool emit_op(struct net *net, tree_id id, const struct spelled *s) {
  const struct tree *tree = &net->tree;
  if (tree_at(tree, s->op)->kind != TREE_SCALAR)
    return fail_at(net, s->op, BP(WRONG_KIND), "the name of an op is expected here");
  const char *name = tree_text(tree, s->op);
  uint32_t size = tree_at(tree, s->op)->size, count = 0;
  const struct op *op = vocabulary_find(&net->words, name, size);
  bool fine = emit_inputs(net, id, s->inputs, &count);
  if (s->inputs == TREE_NONE) return false;
  bool own_shape = op && op_attr(op, "shape", 5) >= 0;
  for (tree_id key = tree_first(tree, id); key != TREE_NONE;) {
    tree_id value = tree_next(tree, key);
    bool attribute = value != s->op && value != s->inputs && value != s->description &&
                     value != s->label && (value != s->shape || own_shape);
    if (attribute) {
      fine = emit_attribute(net, op, key, value) && fine;
      count++;
    }
    key = tree_next(tree, value);
  }
  struct expr_item *call = emit_item(net, EXPR_CALL, tree_mark(tree, s->op));
  call->name = name;
  call->size = size;
  call->count = count;
  call->text = (struct mark){0, 0}; /* shown as a call, not as YAML */
  if (fine && s->shape != TREE_NONE && !own_shape) fine = emit_shape(net, s->shape);
  return fine;
}

static bool emit_expr_mapping(struct net *net, tree_id id, const struct spelled *s) {
  static const struct key keys[] = {
      {"expr", true}, {"shape", false}, {"description", false}, {"label", false}};
  tree_id values[4];
  if (!read_keys(net, id, "a node", keys, 4, values)) return false;
  if (tree_at(&net->tree, s->expr)->kind != TREE_SCALAR)
    return fail_at(net, s->expr, BP(WRONG_KIND), "an expression is expected here");
  return emit_scalar(net, s->expr) && (s->shape == TREE_NONE || emit_shape(net, s->shape));
}

/* Whether a mapping has the looks of a start value: {zeros: [2]}. */
static bool is_start_value(const struct net *net, tree_id id) {
  for (tree_id key = tree_first(&net->tree, id); key != TREE_NONE;) {
    if (is_source(tree_text(&net->tree, key), tree_at(&net->tree, key)->size)) return true;
    key = tree_next(&net->tree, tree_next(&net->tree, key));
  }
  return false;
}

bool emit_expression(struct net *net, tree_id id) {
  const struct tree_node *node = tree_at(&net->tree, id);
  if (node->kind == TREE_SCALAR) return emit_scalar(net, id);
  if (node->kind == TREE_LIST) {
    fail_at(net, id, BP(WRONG_KIND), "a list is no expression");
    if (node->flags & TREE_FLOW)
      report_hint(net->report, "put given numbers under inputs, parameters or constants");
    else
      report_hint(net->report, "YAML reads '- ' as the start of a list item: write -x");
    return false;
  }
  struct spelled s = read_spelled(net, id);
  if (s.twice) return false;
  net->has_captions |= s.label != TREE_NONE || s.description != TREE_NONE;
  if (s.expr != TREE_NONE && s.op != TREE_NONE)
    return fail_at(net, s.op - 1, BP(WRONG_KIND), "a node has either 'op' or 'expr'");
  if (s.expr != TREE_NONE) return emit_expr_mapping(net, id, &s);
  if (s.op != TREE_NONE) return emit_op(net, id, &s);
  if (find_like(net, id, "expr") != TREE_NONE) return fail_missing(net, id, "expr");
  fail_at(net, id, BP(WRONG_KIND), "a node is an expression, or has 'op' or 'expr'");
  if (is_start_value(net, id))
    report_hint(net->report, "put start values under inputs, parameters or constants");
  else
    report_hint(net->report, "write x + 1, or {op: add, inputs: [x, 1]}");
  return false;
}

/* ---- names ------------------------------------------------------------------------------- */

bool is_known_word(const struct expr_item *item) {
  return item->size == 2   ? !memcmp(item->name, "pi", 2)
         : item->size == 3 ? !memcmp(item->name, "inf", 3)
                           : false;
}

/* Names that mean something elsewhere, and what to write here. */
static const char *name_habit(const struct expr_item *item) {
  static const char *const habits[][2] = {
      {"e", "write exp(1), or exp(x) for e**x"},
      {"None", "leave the attribute out; for x[None] write "
               "expand_dims(x, axis=0)"},
      {"newaxis", "write expand_dims(x, axis=0)"},
      {"True", "write 1"},
      {"False", "write 0"},
      {"nan", "a value may be .nan, an expression has no name for it"},
      {"NaN", "a value may be .nan, an expression has no name for it"},
      {"Inf", "write inf"},
      {"infinity", "write inf"},
      {"PI", "write pi"},
      {"\xcf\x80", "write pi"}};
  for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
    if (strlen(habits[i][0]) == item->size && !memcmp(habits[i][0], item->name, item->size))
      return habits[i][1];
  return NULL;
}

void report_undefined(struct net *net, const struct expr_item *item) {
  if (net->doubtful || map_find(&net->lost, item->name, item->size) != MAP_NONE) return;
  report_add(net->report, item->mark, BP(UNDEFINED_NAME),
             report_quote(net->report, item->name, item->size));
  if (report_full(net->report)) return;
  const char *habit = name_habit(item);
  if (habit) {
    report_hint(net->report, "%s", habit);
    return;
  }
  const char *nearest = net_nearest(net, item->name, item->size);
  if (map_find(&net->function_names, item->name, item->size) != MAP_NONE)
    report_hint(net->report, "it is a function: write %.*s(...)", (int)item->size, item->name);
  else if (vocabulary_find(&net->words, item->name, item->size))
    report_hint(net->report, "it is an op: write %.*s(...)", (int)item->size, item->name);
  else if (nearest)
    report_hint(net->report, "did you mean '%s'?", nearest);
}

bool resolve_item(struct net *net, struct expr_item *item, const struct expr_item *next) {
  int64_t at = map_find(&net->names, item->name, item->size);
  item->id = at == MAP_NONE ? UINT32_MAX : (uint32_t)at;
  if (at != MAP_NONE || is_known_word(item)) return true;
  /* perhaps a word of the op; see bind_attr */
  if (next && next->kind == EXPR_KEYWORD && item->word) return true;
  report_undefined(net, item);
  return false;
}

bool resolve_names(struct net *net, size_t first) {
  bool fine = true;
  for (size_t i = first; i < net->pool.items.count; i++) {
    struct expr_item *item = &net->pool.items.at[i];
    const struct expr_item *next = i + 1 < net->pool.items.count ? item + 1 : NULL;
    if (item->kind == EXPR_NAME) fine = resolve_item(net, item, next) && fine;
  }
  return fine;
}

bool lower_pool(struct net *net, size_t first, struct value *out) {
  return lower_expr(&net->scope, net->pool.items.at + first, net->pool.items.count - first, out);
}

/* ---- building ---------------------------------------------------------------------------- */

static const enum role section_role[] = {ROLE_INPUT, ROLE_PARAMETER, ROLE_CONSTANT, ROLE_NODE};

/* Numbers the parts of an expression and makes the named node their owner. */
static void own_parts(struct net *net, node_id first, node_id owner) {
  uint32_t part = 0;
  for (node_id id = first; id < net->graph.nodes.count; id++) {
    struct node *node = &net->graph.nodes.at[id];
    bool owned = id == owner || node->name || node->owner != id || node->backward;
    if (owned) continue; /* inside a call, or by one */
    node->owner = owner;
    if (node->op) node->part = ++part;
  }
}

node_id build_node(struct net *net, node_id first, const struct value *value) {
  node_id id = value_node(&net->scope, value);
  if (id == NODE_NONE) return NODE_NONE;
  if (!graph_node(&net->graph, id)->op && id >= first) {
    net->graph.nodes.at[id].role = ROLE_CONSTANT; /* a number with a name */
    own_parts(net, first, id);
    return id;
  }
  if (id < first || graph_node(&net->graph, id)->name) /* another node's name alone */
    id = graph_add(&net->graph, net->words.copy, NULL, 1, &id, value->mark, value->text);
  if (id == NODE_NONE) return NODE_NONE;
  /* The call of a function is shown as such, not as the function's last step. */
  if (value->text.start) net->graph.nodes.at[id].text = value->text;
  own_parts(net, first, id);
  return id;
}

static tree_id value_of(const struct net *net, uint32_t index) {
  return tree_next(&net->tree, net->definitions.at[index].key);
}

/* The text of --set NAME=VALUE for this definition, or NULL. */
static const char *setting_of(const struct net *net, uint32_t index) {
  for (size_t i = net->settings.count; i-- > 0;)
    if (net->settings.at[i].definition == index) return net->settings.at[i].value;
  return NULL;
}

static void finish(struct net *net, uint32_t index, const struct expr_item *items, size_t count,
                   bool syntax) {
  struct definition *definition = &net->definitions.at[index];
  const struct map_entry *name = &net->names.entries.at[index];
  node_id first = (node_id)net->graph.nodes.count, id = NODE_NONE;
  struct value value;
  bool start = definition->section != SECTION_NODES;
  net->in_value = start;
  net->in_option = setting_of(net, index) != NULL;
  net->naming = name->name;
  net->naming_size = name->size;
  enter_expression(net, name->name, name->size, items, count);
  if (syntax && lower_expr(&net->scope, items, count, &value))
    id = start
             ? finish_value(net, &value, setting_of(net, index) ? TREE_NONE : value_of(net, index),
                            section_role[definition->section])
             : build_node(net, first, &value);
  net->in_value = net->in_option = false;
  definition->node = id;
  definition->state = id == NODE_NONE ? STATE_FAILED : STATE_BUILT;
  if (id != NODE_NONE) graph_name(&net->graph, id, name->name, name->size);
}

/* The place of an option's text, which is a source of its own. */
static struct mark option_mark(const struct net *net, const char *text) {
  const struct report *report = net->report;
  for (size_t i = 0; i < report->sources.count; i++) {
    const struct source *source = report->sources.at[i];
    if (text >= source->bytes && text <= source->bytes + source->size)
      return source_mark(source, text, strlen(text));
  }
  return (struct mark){0, 0};
}

bool emit_option(struct net *net, const char *text) {
  struct mark mark = option_mark(net, text);
  struct expr_text expr = {.at = text, .size = strlen(text), .base = mark.start};
  double number;
  enum number_kind kind = number_parse(text, strlen(text), &number);
  if (kind == NUMBER_INTEGER || kind == NUMBER_FLOAT) { /* .nan and .inf are no expressions */
    emit_item(net, EXPR_NUMBER, mark)->number = number;
    return true;
  }
  if (text[0] != '@') return expr_parse(net->arena, net->report, &expr, true, &net->pool);
  if (!text[1]) { /* a file, from the working folder */
    report_add(net->report, mark, BP(WRONG_KIND), "a path is missing here");
    return false;
  }
  struct expr_item *path = emit_item(net, EXPR_TEXT, mark);
  path->name = text + 1;
  path->size = (uint32_t)strlen(text + 1);
  emit_call(net, "file", 1, mark);
  return true;
}

static bool emit_definition(struct net *net, uint32_t index) {
  const char *setting = setting_of(net, index);
  if (setting) return emit_option(net, setting);
  tree_id value = value_of(net, index);
  return net->definitions.at[index].section == SECTION_NODES ? emit_expression(net, value)
                                                             : emit_value(net, value);
}

/* Makes a definition wait for the names in its syntax that are not built yet; how many. */
static uint32_t wait_for_names(struct net *net, uint32_t index, size_t first) {
  uint32_t unmet = 0;
  for (size_t i = first; i < net->pool.items.count; i++) {
    const struct expr_item *item = &net->pool.items.at[i];
    if (item->kind != EXPR_NAME || item->id == UINT32_MAX) continue;
    struct definition *needed = &net->definitions.at[item->id];
    if (needed->state != STATE_WAITING) continue;
    *vec_push(net->arena, &net->waits) = (struct wait){index, needed->waiters};
    needed->waiters = (uint32_t)net->waits.count - 1;
    unmet++;
  }
  return unmet;
}

/* Builds all that waited for this definition alone, and what waited for those. */
static void wake(struct net *net, uint32_t index) {
  VEC(uint32_t) ready = {0};
  *vec_push(net->arena, &ready) = index;
  while (ready.count) {
    struct definition *built = &net->definitions.at[ready.at[--ready.count]];
    for (uint32_t at = built->waiters; at != NO_WAIT; at = net->waits.at[at].next) {
      uint32_t sleeper = net->waits.at[at].definition;
      struct waiting *waiting = &net->waiting.at[net->definitions.at[sleeper].waiting];
      if (--waiting->unmet) continue;
      finish(net, sleeper, net->pool.items.at + waiting->first_item, waiting->item_count, true);
      *vec_push(net->arena, &ready) = sleeper;
    }
    built->waiters = NO_WAIT;
  }
  arena_release(net->arena, ready.at);
}

/* A start value of plain numbers needs no syntax. */
static bool define_numbers(struct net *net, uint32_t index) {
  struct definition *definition = &net->definitions.at[index];
  const struct map_entry *name = &net->names.entries.at[index];
  if (definition->section == SECTION_NODES || setting_of(net, index)) return false;
  node_id id = NODE_NONE;
  enum outcome outcome = read_numbers(net, value_of(net, index), &id);
  if (outcome == OUTCOME_UNKNOWN) return false;
  definition->node = id;
  definition->state = outcome == OUTCOME_DONE ? STATE_BUILT : STATE_FAILED;
  if (outcome != OUTCOME_DONE) return true;
  net->graph.nodes.at[id].role = (uint8_t)section_role[definition->section];
  graph_name(&net->graph, id, name->name, name->size);
  return true;
}

static void define(struct net *net, uint32_t index) {
  if (!define_numbers(net, index)) {
    size_t first = net->pool.items.count;
    bool syntax = emit_definition(net, index);
    if (syntax) resolve_names(net, first);
    uint32_t unmet = syntax ? wait_for_names(net, index, first) : 0;
    size_t count = net->pool.items.count - first;
    if (unmet) {
      net->definitions.at[index].waiting = (uint32_t)net->waiting.count;
      *vec_push(net->arena, &net->waiting) = (struct waiting){unmet, (uint32_t)count, first};
      return;
    }
    finish(net, index, net->pool.items.at + first, count, syntax);
    net->pool.items.count = first;
  }
  if (net->definitions.at[index].waiters != NO_WAIT) wake(net, index);
}

/* ---- cycles ------------------------------------------------------------------------------ */

/* A name that a waiting definition still needs. */
static uint32_t needed_by(const struct net *net, uint32_t index) {
  const struct waiting *waiting = &net->waiting.at[net->definitions.at[index].waiting];
  for (uint32_t i = 0; i < waiting->item_count; i++) {
    const struct expr_item *item = &net->pool.items.at[waiting->first_item + i];
    if (item->kind == EXPR_NAME && item->id != UINT32_MAX &&
        net->definitions.at[item->id].state == STATE_WAITING)
      return item->id;
  }
  return index;
}

static void report_cycle(struct net *net, uint32_t start) {
  enum { SHOWN = 12 };
  struct text chain;
  text_init(&chain, net->arena, NULL, NULL);
  uint32_t at = start;
  int shown = 0;
  do {
    const struct map_entry *entry = &net->names.entries.at[at];
    if (shown++ < SHOWN)
      text_printf(&chain, "%s -> ", report_quote(net->report, entry->name, entry->size));
    at = needed_by(net, at);
  } while (at != start);
  if (shown > SHOWN) text_printf(&chain, "... (%d more) -> ", shown - SHOWN);
  const struct map_entry *entry = &net->names.entries.at[start];
  const char *name = report_quote(net->report, entry->name, entry->size);
  const char *setting = setting_of(net, start);
  text_puts(&chain, name);
  report_add(net->report,
             setting ? option_mark(net, setting)
                     : tree_mark(&net->tree, net->definitions.at[start].key),
             BP(CYCLE), name, text_string(&chain));
}

/* What still waits is on a cycle, or needs what is. */
static void report_cycles(struct net *net) {
  uint32_t *walk = ARENA_ARRAY(net->arena, uint32_t, net->definitions.count + 1);
  for (uint32_t i = 0; i < net->definitions.count; i++) {
    uint32_t at = i;
    while (net->definitions.at[at].state == STATE_WAITING && !walk[at]) {
      walk[at] = i + 1;
      at = needed_by(net, at);
    }
    if (net->definitions.at[at].state == STATE_WAITING && walk[at] == i + 1) report_cycle(net, at);
  }
  for (uint32_t i = 0; i < net->definitions.count; i++)
    if (net->definitions.at[i].state == STATE_WAITING) net->definitions.at[i].state = STATE_FAILED;
}

void define_all(struct net *net) {
  size_t count = net->definitions.count;
  vec_room(net->arena, &net->graph.nodes, count);
  vec_room(net->arena, &net->graph.arcs, count * 2);
  for (uint32_t i = 0; i < count; i++) define(net, i);
  report_cycles(net);
}
