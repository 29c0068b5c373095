/* Start values: numbers, constant expressions, nested lists, and mappings with one source. */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"
#include "lang/fold.h"
#include "load/data.h"
#include "load/net.h"

/* ---- plain numbers ----------------------------------------------------------------------- */

static bool fail_at(struct net *net, tree_id id, enum diag diag, const char *format,
                    const char *text) {
  report_add(net->report, tree_mark(&net->tree, id), diag, format, text);
  return false;
}

struct filling {
  struct net *net;
  struct dims dims;
  double *next;
  enum outcome outcome;
};

/* The dims that the first items of each level suggest. */
static struct dims guess_dims(const struct tree *tree, tree_id id) {
  struct dims dims = {.rank = 0};
  while (id != TREE_NONE && tree_at(tree, id)->kind == TREE_LIST && dims.rank < RANK_MOST) {
    dims.at[dims.rank++] = tree_at(tree, id)->size;
    id = tree_first(tree, id);
  }
  return dims;
}

static void report_ragged(struct filling *f, tree_id id, unsigned level) {
  const struct tree_node *node = tree_at(&f->net->tree, id);
  struct text why;
  text_init(&why, f->net->arena, NULL, NULL);
  if (level == f->dims.rank)
    text_puts(&why, "a list where its neighbours are numbers");
  else if (node->kind != TREE_LIST)
    text_puts(&why, "a number where its neighbours are lists");
  else
    text_printf(&why, "%u items where the first list of this level has %lld", (unsigned)node->size,
                (long long)f->dims.at[level]);
  report_add(f->net->report, tree_mark(&f->net->tree, id), BP(RAGGED), text_string(&why));
  report_hint(f->net->report, "a tensor is rectangular");
  f->outcome = OUTCOME_FAILED;
}

static void fill(struct filling *f, tree_id id, unsigned level) {
  const struct tree *tree = &f->net->tree;
  const struct tree_node *node = tree_at(tree, id);
  if (node->kind == TREE_MAPPING) {
    f->outcome = OUTCOME_UNKNOWN;
  } else if (node->kind == TREE_SCALAR) {
    enum number_kind kind = node->flags & TREE_PLAIN
                                ? number_parse(tree_text(tree, id), node->size, f->next)
                                : NUMBER_NONE;
    if (kind == NUMBER_NONE || kind == NUMBER_TOO_LARGE)
      f->outcome = OUTCOME_UNKNOWN;
    else if (level != f->dims.rank)
      report_ragged(f, id, level);
    else
      f->next++;
  } else if (level == f->dims.rank || (int64_t)node->size != f->dims.at[level]) {
    report_ragged(f, id, level);
  } else {
    for (tree_id item = tree_first(tree, id); item != TREE_NONE && f->outcome == OUTCOME_DONE;
         item = tree_next(tree, item))
      fill(f, item, level + 1);
  }
}

enum outcome read_numbers(struct net *net, tree_id id, node_id *out) {
  struct filling f = {.net = net, .outcome = OUTCOME_DONE};
  f.dims = guess_dims(&net->tree, id);
  if (f.dims.rank == RANK_MOST) {
    tree_id at = id;
    for (unsigned i = 0; i < RANK_MOST && at != TREE_NONE; i++) at = tree_first(&net->tree, at);
    if (at != TREE_NONE && tree_at(&net->tree, at)->kind == TREE_LIST) {
      report_add(net->report, tree_mark(&net->tree, at), BP(RANK_TOO_HIGH), RANK_MOST);
      return OUTCOME_FAILED;
    }
  }
  const struct shape *shape = shapes_add(&net->graph.shapes, &f.dims);
  /* A list cannot have more numbers than the file has bytes, unless aliases repeat them. */
  if (!shape || shape->size > net->tree.nodes.count + (size_t)10000000) {
    fail_at(net, id, BP(VALUE_TOO_LARGE), "so many");
    return OUTCOME_FAILED;
  }
  double *value = arena_resize(net->arena, NULL, (shape->size + 1) * sizeof *value);
  f.next = value;
  fill(&f, id, 0);
  if (f.outcome != OUTCOME_DONE)
    arena_release(net->arena, value);
  else
    *out = graph_start(&net->graph, ROLE_LITERAL, shape, value, tree_mark(&net->tree, id));
  return f.outcome;
}

/* ---- syntax ------------------------------------------------------------------------------ */

struct expr_item *emit_item(struct net *net, enum expr_kind kind, struct mark mark) {
  struct expr_item *item = vec_push(net->arena, &net->pool.items);
  *item = (struct expr_item){.kind = (uint8_t)kind, .constant = true, .mark = mark, .text = mark};
  return item;
}

static void emit_name(struct net *net, enum expr_kind kind, const char *name, size_t size,
                      struct mark mark) {
  struct expr_item *item = emit_item(net, kind, mark);
  item->name = name;
  item->size = (uint32_t)size;
}

static void emit_tree_name(struct net *net, enum expr_kind kind, tree_id id) {
  emit_name(net, kind, tree_text(&net->tree, id), tree_at(&net->tree, id)->size,
            tree_mark(&net->tree, id));
}

void emit_call(struct net *net, const char *name, uint32_t count, struct mark mark) {
  emit_name(net, EXPR_CALL, name, strlen(name), mark);
  net->pool.items.at[net->pool.items.count - 1].count = count;
}

/* What people write for numbers elsewhere, and what to write instead. */
static bool report_word(struct net *net, tree_id id) {
  static const char *const truths[][2] = {
      {"yes", "1"},         {"Yes", "1"},      {"on", "1"},          {"On", "1"},
      {"True", "1"},        {"TRUE", "1"},     {"no", "0"},          {"No", "0"},
      {"off", "0"},         {"Off", "0"},      {"False", "0"},       {"FALSE", "0"},
      {"nan", ".nan"},      {"NaN", ".nan"},   {"Infinity", ".inf"}, {"-inf", "-.inf"},
      {"null", "a number"}, {"~", "a number"}, {"None", "a number"}};
  const char *text = tree_text(&net->tree, id);
  size_t size = tree_at(&net->tree, id)->size;
  for (size_t i = 0; i < sizeof truths / sizeof *truths; i++) {
    if (!tree_is(&net->tree, id, truths[i][0])) continue;
    if (map_find(&net->names, text, size) != MAP_NONE) return false;
    fail_at(net, id, BP(NOT_A_NUMBER), truths[i][0]);
    report_hint(net->report, "write %s", truths[i][1]);
    return true;
  }
  return false;
}

/* Whether a text has the looks of a number, though it is none: 1_000, 1,5, 1:30, 50%, 0b11, 1e. */
static bool resembles_number(const char *text, size_t size) {
  size_t sign = size && (text[0] == '-' || text[0] == '+');
  text += sign, size -= sign;
  if (!size || text[0] < '0' || text[0] > '9') return false;
  if (text[size - 1] == 'e' || text[size - 1] == 'E') size--;
  bool based = size > 1 && text[0] == '0' && strchr("xXoObB", text[1]);
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (based ? !letter && !(c >= '0' && c <= '9') && c != '_'
              : !c || !strchr("0123456789._, :%", c))
      return false;
  }
  return true;
}

/* The number that was meant, if it is clear. */
static bool guess_number(const char *text, size_t size, double *number) {
  char plain[NUMBER_SIZE * 2];
  size_t length = 0, commas = 0, after = 0;
  if (size >= sizeof plain) return false;
  bool percent = text[size - 1] == '%';
  for (size_t i = 0; i < size - percent; i++) {
    commas += text[i] == ',';
    after = text[i] == ',' ? size - i - 1 : after;
    if (text[i] != '_' && text[i] != ' ') plain[length++] = text[i];
  }
  char *comma = memchr(plain, ',', length);
  if (comma && commas == 1 && after != 3) *comma = '.'; /* 1,5 */
  if (comma && *comma == ',') {                         /* 1,000,000 */
    size_t kept = 0;
    for (size_t i = 0; i < length; i++)
      if (plain[i] != ',') plain[kept++] = plain[i];
    length = kept;
  }
  enum number_kind kind = number_parse(plain, length, number);
  if (percent) *number /= 100;
  return kind == NUMBER_INTEGER || kind == NUMBER_FLOAT;
}

/* Spellings of YAML 1.1 and of other languages that are no numbers here. */
static bool report_spelling(struct net *net, tree_id id) {
  if (report_word(net, id)) return true;
  const char *text = tree_text(&net->tree, id);
  size_t size = tree_at(&net->tree, id)->size;
  if (!resembles_number(text, size)) return false;
  double number;
  fail_at(net, id, BP(NOT_A_NUMBER), report_quote(net->report, text, size));
  if (guess_number(text, size, &number)) {
    struct text meant;
    text_init(&meant, net->arena, NULL, NULL);
    text_number(&meant, number);
    report_hint(net->report, "write %s", text_string(&meant));
  } else if (text[size - 1] == 'e' || text[size - 1] == 'E') {
    report_hint(net->report, "an exponent needs digits: 1e-3");
  } else {
    report_hint(net->report, "numbers are written 12, -0.5, 1e-3, 0x1f, 0o17, .inf, .nan");
  }
  return true;
}

/* A scalar that is a number, or looks like one: OUTCOME_UNKNOWN where it is something else. */
static enum outcome emit_number(struct net *net, tree_id id) {
  const struct tree_node *node = tree_at(&net->tree, id);
  const char *text = tree_text(&net->tree, id);
  double number;
  enum number_kind kind = number_parse(text, node->size, &number);
  if (!node->size) {
    fail_at(net, id, BP(WRONG_KIND), "a value is missing here");
    return OUTCOME_FAILED;
  }
  if (kind == NUMBER_TOO_LARGE) {
    fail_at(net, id, BP(NUMBER_TOO_LARGE), report_quote(net->report, text, node->size));
    return OUTCOME_FAILED;
  }
  if (kind == NUMBER_NONE) return report_spelling(net, id) ? OUTCOME_FAILED : OUTCOME_UNKNOWN;
  if (!(node->flags & TREE_PLAIN)) {
    fail_at(net, id, BP(NUMBER_AS_TEXT), report_quote(net->report, text, node->size));
    report_hint(net->report, "write %.*s without quotes", (int)(node->size > 60 ? 60 : node->size),
                text);
    return OUTCOME_FAILED;
  }
  emit_item(net, EXPR_NUMBER, tree_mark(&net->tree, id))->number = number;
  return OUTCOME_DONE;
}

static bool parse_scalar(struct net *net, tree_id id, bool constant) {
  struct expr_text text = tree_expr_text(&net->tree, id);
  size_t first = net->pool.items.count;
  if (!expr_parse(net->arena, net->report, &text, constant, &net->pool)) {
    net->pool.items.count = first;
    return false;
  }
  return true;
}

bool emit_constant(struct net *net, tree_id id) {
  const struct tree_node *node = tree_at(&net->tree, id);
  if (node->kind == TREE_SCALAR) {
    enum outcome outcome = emit_number(net, id);
    if (outcome != OUTCOME_UNKNOWN) return outcome == OUTCOME_DONE;
    return parse_scalar(net, id, true);
  }
  if (node->kind == TREE_MAPPING)
    return fail_at(net, id, BP(WRONG_KIND), "a number, an expression or a list is expected here");
  bool fine = true;
  for (tree_id item = tree_first(&net->tree, id); item != TREE_NONE;
       item = tree_next(&net->tree, item)) {
    size_t first = net->pool.items.count;
    fine = emit_constant(net, item) && fine;
    /* [pi]: among numbers a bare word is a name. */
    if (net->pool.items.count > first) net->pool.items.at[first].word = false;
  }
  uint32_t size = tree_at(&net->tree, id)->size;
  emit_item(net, EXPR_LIST, tree_mark(&net->tree, id))->count = size;
  return fine;
}

/* ---- sources ----------------------------------------------------------------------------- */

/* What a source's function is given: its arguments in the order of the row's attributes. */
struct making {
  struct net *net;
  const struct attr *attr;
  struct mark mark;
  struct dims dims; /* of what is made */
  double *at;
};

static bool allocate(struct making *making) {
  struct net *net = making->net;
  const struct shape *shape = shapes_add(&net->graph.shapes, &making->dims);
  if (!shape || shape->size > machine_memory() / sizeof(double)) {
    struct text size;
    text_init(&size, net->arena, NULL, NULL);
    for (unsigned i = 0; i < making->dims.rank; i++) {
      if (i) text_puts(&size, " x ");
      text_integer(&size, making->dims.at[i]);
    }
    report_add(net->report, making->mark, BP(VALUE_TOO_LARGE), text_string(&size));
    return false;
  }
  making->at = arena_resize(net->arena, NULL, (shape->size + 1) * sizeof(double));
  return true;
}

/* The dims that an attribute `shape` gives. */
static bool take_shape(struct making *making, const struct attr *shape) {
  struct net *net = making->net;
  if (shape->ints.count > RANK_MOST) {
    report_add(net->report, making->mark, BP(RANK_TOO_HIGH), RANK_MOST);
    return false;
  }
  making->dims = make_dims((unsigned)shape->ints.count, shape->ints.at);
  for (unsigned i = 0; i < making->dims.rank; i++) {
    if (making->dims.at[i] >= 0) continue;
    report_add(net->report, making->mark, BP(BAD_SOURCE), "a shape has no negative sizes");
    return false;
  }
  return allocate(making);
}

static void fill_with(struct making *making, double value) {
  size_t size = 1;
  for (unsigned i = 0; i < making->dims.rank; i++) size *= (size_t)making->dims.at[i];
  for (size_t i = 0; i < size; i++) making->at[i] = value;
}

static size_t entries(const struct making *making) {
  size_t size = 1;
  for (unsigned i = 0; i < making->dims.rank; i++) size *= (size_t)making->dims.at[i];
  return size;
}

static bool make_zeros(struct making *making) {
  if (!take_shape(making, &making->attr[0])) return false;
  fill_with(making, 0);
  return true;
}

static bool make_ones(struct making *making) {
  if (!take_shape(making, &making->attr[0])) return false;
  fill_with(making, 1);
  return true;
}

static bool make_full(struct making *making) {
  if (!take_shape(making, &making->attr[0])) return false;
  fill_with(making, making->attr[1].number);
  return true;
}

static bool make_eye(struct making *making) {
  int64_t n = making->attr[0].integer;
  struct attr shape = {.given = true};
  shape.ints.count = 2;
  shape.ints.at = (const int64_t[]){n, n};
  if (!take_shape(making, &shape)) return false;
  fill_with(making, 0);
  for (int64_t i = 0; i < n; i++) making->at[i * n + i] = 1;
  return true;
}

static bool fail_source(struct making *making, const char *why) {
  report_add(making->net->report, making->mark, BP(BAD_SOURCE), why);
  return false;
}

static bool make_vector(struct making *making, double count) {
  if (!(count <= 9e15)) return fail_source(making, "the range has no end");
  making->dims = make_dims(1, (const int64_t[]){count > 0 ? (int64_t)count : 0});
  return allocate(making);
}

/* start, start + step, ... before stop; multiples, not sums, so that no error adds up. */
static bool make_range(struct making *making) {
  double start = making->attr[0].number, stop = making->attr[1].number;
  double step = making->attr[2].number;
  if (step == 0) return fail_source(making, "the step of a range is 0");
  if (!make_vector(making, ceil((stop - start) / step))) return false;
  for (size_t i = 0; i < entries(making); i++) making->at[i] = start + (double)i * step;
  return true;
}

static bool make_linspace(struct making *making) {
  double start = making->attr[0].number, stop = making->attr[1].number;
  int64_t num = making->attr[2].integer;
  if (num < 0) return fail_source(making, "num is negative");
  if (!make_vector(making, (double)num)) return false;
  for (int64_t i = 0; i < num; i++)
    making->at[i] = num == 1       ? start
                    : i == num - 1 ? stop
                                   : start + (double)i * ((stop - start) / (double)(num - 1));
  return true;
}

static uint64_t take_seed(const struct making *making, const struct attr *seed) {
  if (seed->given) return (uint64_t)seed->integer;
  return data_seed(making->net->naming ? making->net->naming : "", making->net->naming_size);
}

static bool make_uniform(struct making *making) {
  const struct attr *attr = making->attr;
  if (!take_shape(making, &attr[0])) return false;
  data_uniform(making->at, entries(making), take_seed(making, &attr[3]), attr[1].number,
               attr[2].number);
  return true;
}

static bool make_normal(struct making *making) {
  const struct attr *attr = making->attr;
  if (!take_shape(making, &attr[0])) return false;
  data_normal(making->at, entries(making), take_seed(making, &attr[3]), attr[1].number,
              attr[2].number);
  return true;
}

static bool make_file(struct making *making) {
  struct net *net = making->net;
  const struct attr *path = &making->attr[0], *key = &making->attr[1];
  struct data_request request = {.arena = net->arena,
                                 .report = net->report,
                                 .mark = making->mark,
                                 .folder = net->in_option ? "." : net->folder,
                                 .root = net->in_option ? "/" : net->data_root};
  request.path = arena_copy(net->arena, path->text.at, path->text.size);
  if (key->given) request.key = arena_copy(net->arena, key->text.at, key->text.size);
  struct data data;
  if (!data_read(&request, &data)) return false;
  making->dims = data.dims;
  making->at = data.at;
  net->rough = net->rough || data.rough;
  *vec_push(net->arena, &net->files) = data.path;
  return true;
}

#define ARG(id, kind, needed, ...)                                                                 \
  {                                                                                                \
    .name = id, .meaning = "", .type = kind, .required = needed, .fallback = { __VA_ARGS__ }       \
  }
#define ARGS(...)                                                                                  \
  (const struct attr_spec[]) {                                                                     \
    __VA_ARGS__, { .name = NULL }                                                                  \
  }
#define SHAPE ARG("shape", ATTR_INTS, true, .given = false)
#define NUMBER(id, value) ARG(id, ATTR_NUMBER, false, .given = true, .number = value)

/* A source is described like an op: a name and attributes. */
static const struct source_row {
  struct op op;
  bool (*make)(struct making *making);
} sources[] = {
    {{.name = "zeros", .attrs = ARGS(SHAPE)}, make_zeros},
    {{.name = "ones", .attrs = ARGS(SHAPE)}, make_ones},
    {{.name = "full", .attrs = ARGS(SHAPE, ARG("value", ATTR_NUMBER, true, .given = false))},
     make_full},
    {{.name = "eye", .attrs = ARGS(ARG("n", ATTR_INT, true, .given = false))}, make_eye},
    {{.name = "range",
      .attrs = ARGS(NUMBER("start", 0), ARG("stop", ATTR_NUMBER, true, .given = false),
                    NUMBER("step", 1))},
     make_range},
    {{.name = "linspace",
      .attrs = ARGS(ARG("start", ATTR_NUMBER, true, .given = false),
                    ARG("stop", ATTR_NUMBER, true, .given = false),
                    ARG("num", ATTR_INT, true, .given = false))},
     make_linspace},
    {{.name = "uniform",
      .attrs = ARGS(SHAPE, NUMBER("low", 0), NUMBER("high", 1),
                    ARG("seed", ATTR_INT, false, .given = false))},
     make_uniform},
    {{.name = "normal",
      .attrs = ARGS(SHAPE, NUMBER("mean", 0), NUMBER("std", 1),
                    ARG("seed", ATTR_INT, false, .given = false))},
     make_normal},
    {{.name = "file",
      .attrs = ARGS(ARG("path", ATTR_TEXT, true, .given = false),
                    ARG("key", ATTR_TEXT, false, .given = false))},
     make_file},
};
enum { SOURCES = sizeof sources / sizeof *sources };

static const struct source_row *find_source(const char *name, size_t size) {
  for (size_t i = 0; i < SOURCES; i++)
    if (strlen(sources[i].op.name) == size && !memcmp(sources[i].op.name, name, size))
      return &sources[i];
  return NULL;
}

static void hint_arguments(struct scope *scope, const struct op *op) {
  struct text known;
  text_init(&known, scope->arena, NULL, NULL);
  for (size_t i = 0; i < op_attr_count(op); i++)
    text_printf(&known, "%s%s: ...", i ? ", " : "", op->attrs[i].name);
  report_hint(scope->report, "%s: {%s}", op->name, text_string(&known));
}

bool is_source(const char *name, size_t size) {
  return find_source(name, size) || (size == 5 && !memcmp(name, "value", 5));
}

/* Reads a call's arguments into the row's attributes. */
static bool bind_source(struct scope *scope, const struct op *op, const struct value *arguments,
                        size_t count, struct mark mark, struct attr *attrs) {
  bool fine = true;
  bool given[8] = {false};
  for (size_t i = 0; i < count; i++) {
    const struct value *value = &arguments[i];
    int at = value->keyword ? op_attr(op, value->keyword, value->keyword_size) : (int)i;
    if (at < 0 || (size_t)at >= op_attr_count(op)) {
      const char *name = value->keyword
                             ? report_quote(scope->report, value->keyword, value->keyword_size)
                             : "so many arguments";
      report_add(scope->report, value->keyword ? value->keyword_mark : value->text,
                 BP(UNKNOWN_ATTRIBUTE), op->name, name);
      hint_arguments(scope, op);
      fine = false;
      continue;
    }
    if (given[at]) {
      report_add(scope->report, value->keyword ? value->keyword_mark : value->text,
                 BP(TWICE_ATTRIBUTE), op->name, op->attrs[at].name);
      fine = false;
    }
    given[at] = true;
    fine = bind_attr(scope, op, &op->attrs[at], value, &attrs[at]) && fine;
  }
  for (size_t i = 0; i < op_attr_count(op); i++) {
    if (!op->attrs[i].required || given[i]) continue;
    report_add(scope->report, mark, BP(MISSING_ATTRIBUTE), op->name, op->attrs[i].name);
    hint_arguments(scope, op);
    fine = false;
  }
  return fine;
}

static bool list_to_dims(struct scope *scope, const struct value *list, struct dims *dims) {
  struct value items;
  double number;
  if (!value_list(scope, list, &items) || items.list.count > RANK_MOST) return false;
  dims->rank = (unsigned)items.list.count;
  for (size_t i = 0; i < items.list.count; i++) {
    if (!value_number(scope, &items.list.at[i], &number) || number != floor(number) || number < 0 ||
        number > 9e15)
      return false;
    dims->at[i] = (int64_t)number;
  }
  return true;
}

/* `shape` beside a value reshapes it; beside a node it is an assertion. */
static enum outcome apply_shape(struct scope *scope, const struct expr_item *name,
                                const struct value *value, const struct value *list,
                                struct value *out) {
  struct net *net = scope->context;
  struct dims wanted;
  if (value->kind == VALUE_FAILED || list->kind == VALUE_FAILED) return OUTCOME_FAILED;
  if (!list_to_dims(scope, list, &wanted)) {
    report_add(scope->report, name->mark, BP(WRONG_KIND), "shape must be a list of sizes: [2, 3]");
    return OUTCOME_FAILED;
  }
  node_id id = value_node(scope, value);
  if (id == NODE_NONE) return OUTCOME_FAILED;
  const struct node *node = graph_node(scope->graph, id);
  const struct shape *shape = shapes_add(&scope->graph->shapes, &wanted);
  *out = make_node(id, value->mark, value->text);
  if (shape == node->shape) return OUTCOME_DONE;
  struct dims have = shape_dims(node->shape);
  struct text texts[2];
  for (int i = 0; i < 2; i++) text_init(&texts[i], scope->arena, NULL, NULL);
  dims_print(&have, &texts[0]);
  dims_print(&wanted, &texts[1]);
  if (!net->in_value) {
    report_add(scope->report, name->mark, BP(SHAPE_ASSERTION), text_string(&texts[0]),
               text_string(&texts[1]));
    return OUTCOME_FAILED;
  }
  if (!shape || shape->size != node->shape->size) {
    report_add(scope->report, name->mark, BP(BAD_RESHAPE), node->shape->size,
               text_string(&texts[1]));
    return OUTCOME_FAILED;
  }
  out->node = graph_start(scope->graph, ROLE_LITERAL, shape, node->value, node->mark);
  return OUTCOME_DONE;
}

/* The function of the file that a misspelt one is most like, or NULL. */
static const struct map_entry *nearest_function(const struct net *net,
                                                const struct expr_item *name) {
  const struct map_entry *nearest = NULL, *at = net->function_names.entries.at;
  size_t limit = edit_limit(name->size);
  for (size_t i = 0; i < net->function_names.entries.count; i++) {
    size_t distance = edit_distance(name->name, name->size, at[i].name, at[i].size, limit);
    if (distance > limit || (nearest && distance == limit)) continue;
    nearest = &at[i], limit = distance;
  }
  return nearest;
}

/* Functions that are called where they cannot be, and misspelt ones of the file; false where it is
 * none of these. */
static bool report_misplaced(struct scope *scope, const struct expr_item *name) {
  struct net *net = scope->context;
  int shown = (int)(name->size > 40 ? 40 : name->size);
  if (vocabulary_find(scope->words, name->name, name->size)) return false;
  bool source = find_source(name->name, name->size) != NULL;
  bool node = map_find(&net->names, name->name, name->size) != MAP_NONE;
  const struct map_entry *nearest = source || node ? NULL : nearest_function(net, name);
  if (!source && !node && !nearest) return false;
  bool habit = source && name->size == 5 && !memcmp(name->name, "range", 5);
  if (habit) return false; /* x[range(n), y] has a hint of its own */
  report_add(scope->report, name->mark, BP(UNKNOWN_OP),
             report_quote(scope->report, name->name, name->size));
  if (source)
    report_hint(scope->report, "%.*s makes start values: put it under constants", shown,
                name->name);
  else if (nearest && map_find(&net->function_names, name->name, name->size) != MAP_NONE)
    report_hint(scope->report, "functions of the file are called under nodes");
  else if (nearest)
    report_hint(scope->report, "did you mean '%s'?",
                report_quote(scope->report, nearest->name, nearest->size));
  else
    report_hint(scope->report, "%.*s is a node: write %.*s * (...) for a product", shown,
                name->name, shown, name->name);
  return true;
}

enum outcome call_source(struct scope *scope, const struct expr_item *name, struct value *arguments,
                         size_t count, struct value *out) {
  struct net *net = scope->context;
  if (name->size == strlen(CALL_SHAPE) && !memcmp(name->name, CALL_SHAPE, name->size))
    return apply_shape(scope, name, &arguments[0], &arguments[1], out);
  const struct source_row *row = net->in_value ? find_source(name->name, name->size) : NULL;
  if (!row) return report_misplaced(scope, name) ? OUTCOME_FAILED : OUTCOME_UNKNOWN;
  struct making making = {.net = net, .mark = name->mark};
  struct attr *attrs = default_attrs(scope->arena, &row->op);
  making.attr = attrs;
  if (!bind_source(scope, &row->op, arguments, count, name->mark, attrs) || !row->make(&making))
    return OUTCOME_FAILED;
  const struct shape *shape = shapes_add(&scope->graph->shapes, &making.dims);
  *out = make_node(graph_start(scope->graph, ROLE_LITERAL, shape, making.at, name->mark),
                   name->mark, name->text);
  return OUTCOME_DONE;
}

/* ---- mappings ---------------------------------------------------------------------------- */

enum { VALUE_KEYS = SOURCES + 6 };

/* The keys of a value's mapping: `value`, the sources, then what goes beside one. */
static void list_value_keys(struct key *keys) {
  static const char *const others[] = {"value", "key", "shape", "domain", "label", "description"};
  for (size_t i = 0; i < SOURCES; i++) keys[i] = (struct key){sources[i].op.name, false};
  for (size_t i = 0; i < 6; i++) keys[SOURCES + i] = (struct key){others[i], false};
}

static bool emit_text(struct net *net, tree_id id, const char *what) {
  if (tree_at(&net->tree, id)->kind != TREE_SCALAR || !tree_at(&net->tree, id)->size)
    return fail_at(net, id, BP(WRONG_KIND), what);
  emit_tree_name(net, EXPR_TEXT, id);
  return true;
}

static void emit_keyword(struct net *net, const char *name, struct mark mark) {
  emit_name(net, EXPR_KEYWORD, name, strlen(name), mark);
}

/* The arguments of a source: a mapping by name, or the first one alone. */
static bool emit_arguments(struct net *net, const struct source_row *row, tree_id id,
                           uint32_t *count) {
  const struct tree *tree = &net->tree;
  *count = 1;
  if (row->op.attrs[0].type == ATTR_TEXT)
    return emit_text(net, id, "the path of a file is expected here");
  if (tree_at(tree, id)->kind != TREE_MAPPING) return emit_constant(net, id);
  *count = 0;
  bool fine = true;
  for (tree_id key = tree_first(tree, id); key != TREE_NONE; ++*count) {
    tree_id value = tree_next(tree, key);
    fine = emit_constant(net, value) && fine;
    emit_tree_name(net, EXPR_KEYWORD, key);
    key = tree_next(tree, value);
  }
  return fine;
}

static bool emit_mapping(struct net *net, tree_id id) {
  struct key keys[VALUE_KEYS];
  tree_id found[VALUE_KEYS];
  list_value_keys(keys);
  if (!read_keys(net, id, "a value", keys, VALUE_KEYS, found)) return false;
  size_t source = VALUE_KEYS, count = 0;
  for (size_t i = 0; i <= SOURCES; i++)
    if (found[i] != TREE_NONE) source = i, count++;
  if (count != 1) {
    fail_at(net, id, BP(BAD_SOURCE),
            count ? "a value has one source, not several" : "a value needs a source");
    report_hint(net->report, "one of: value, zeros, ones, full, eye, range, linspace, uniform, "
                             "normal, file");
    return false;
  }
  bool fine;
  if (source == SOURCES) {
    fine = emit_constant(net, found[SOURCES]);
  } else {
    uint32_t arguments;
    fine = emit_arguments(net, &sources[source], found[source], &arguments);
    tree_id key = found[SOURCES + 1];
    if (key != TREE_NONE) {
      fine = emit_text(net, key, "the name of an array is expected here") && fine;
      emit_keyword(net, "key", tree_mark(&net->tree, key));
      arguments++;
    }
    emit_call(net, sources[source].op.name, arguments, tree_mark(&net->tree, found[source]));
  }
  net->has_captions |= found[SOURCES + 4] != TREE_NONE || found[SOURCES + 5] != TREE_NONE;
  tree_id shape = found[SOURCES + 2];
  if (!fine || shape == TREE_NONE) return fine;
  if (!emit_constant(net, shape)) return false;
  emit_call(net, CALL_SHAPE, 2, tree_mark(&net->tree, shape));
  return true;
}

bool emit_value(struct net *net, tree_id id) {
  return tree_at(&net->tree, id)->kind == TREE_MAPPING ? emit_mapping(net, id)
                                                       : emit_constant(net, id);
}

/* ---- the start node ---------------------------------------------------------------------- */

static const char *const domain_names[] = {"any",       "positive", "unit", "simplex",
                                           "symmetric", "spd",      "lower"};

const char *domain_name(enum domain domain) { return domain_names[domain]; }

bool find_domain(const char *name, size_t size, enum domain *out) {
  for (int i = 1; i < (int)(sizeof domain_names / sizeof *domain_names); i++)
    if (strlen(domain_names[i]) == size && !memcmp(domain_names[i], name, size)) {
      *out = (enum domain)i;
      return true;
    }
  return false;
}

/* The value of a key of a mapping, or TREE_NONE. */
static tree_id find_key(const struct net *net, tree_id mapping, const char *name) {
  if (mapping == TREE_NONE || tree_at(&net->tree, mapping)->kind != TREE_MAPPING) return TREE_NONE;
  for (tree_id key = tree_first(&net->tree, mapping); key != TREE_NONE;) {
    tree_id value = tree_next(&net->tree, key);
    if (tree_is(&net->tree, key, name)) return value;
    key = tree_next(&net->tree, value);
  }
  return TREE_NONE;
}

static bool apply_domain(struct net *net, tree_id mapping, struct node *node) {
  tree_id id = find_key(net, mapping, "domain");
  enum domain domain;
  if (id == TREE_NONE) return true;
  if (tree_at(&net->tree, id)->kind != TREE_SCALAR ||
      !find_domain(tree_text(&net->tree, id), tree_at(&net->tree, id)->size, &domain)) {
    fail_at(net, id, BP(WRONG_KIND), "this is no domain");
    report_hint(net->report, "one of: positive, unit, simplex, symmetric, spd, lower");
    return false;
  }
  node->domain = (uint8_t)domain;
  return check_domain(net, tree_mark(&net->tree, id), domain, node->shape, node->value);
}

node_id finish_value(struct net *net, const struct value *value, tree_id tree, enum role role) {
  node_id before = (node_id)net->graph.nodes.count;
  if (value->kind == VALUE_TRUTH) {
    report_add(net->report, value->text, BP(NOT_A_NUMBER), value->number != 0 ? "true" : "false");
    report_hint(net->report, "write %d", value->number != 0);
    return NODE_NONE;
  }
  node_id id = value_node(&net->scope, value);
  if (id == NODE_NONE) return NODE_NONE;
  const struct node *node = graph_node(&net->graph, id);
  bool fixed = node->role == ROLE_LITERAL || node->role == ROLE_CONSTANT;
  if (!fixed) {
    bool start = role != ROLE_LITERAL;
    report_add(net->report, value->text, BP(NOT_CONSTANT), start ? "a start value" : "this value",
               "numbers, constants and arithmetic on them");
    if (start) report_hint(net->report, "put what is computed under nodes");
    return NODE_NONE;
  }
  /* A start node of its own: what the value was made from may be another name's constant. */
  if (id < before || node->name)
    id = graph_start(&net->graph, role, node->shape, node->value, value->mark);
  struct node *own = &net->graph.nodes.at[id];
  own->role = (uint8_t)role;
  return apply_domain(net, tree, own) ? id : NODE_NONE;
}

/* ---- domains ----------------------------------------------------------------------------- */

/* Each finds the first entry that is out of the domain, or says why all are: NULL where fine. */
static const char *not_positive(const struct shape *shape, const double *at) {
  for (size_t i = 0; i < shape->size; i++)
    if (!(at[i] > 0)) return "an entry is not above 0";
  return NULL;
}

static const char *not_unit(const struct shape *shape, const double *at) {
  for (size_t i = 0; i < shape->size; i++)
    if (!(at[i] >= 0 && at[i] <= 1)) return "an entry is not between 0 and 1";
  return NULL;
}

static const char *not_simplex(const struct shape *shape, const double *at) {
  if (!shape->rank) return "it has no axis to sum over";
  size_t n = (size_t)shape->dim[shape->rank - 1];
  for (size_t row = 0; n && row < shape->size / n; row++) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
      if (!(at[row * n + i] >= 0)) return "an entry is negative";
      sum += at[row * n + i];
    }
    if (!(fabs(sum - 1) <= 1e-9)) return "the entries along the last axis do not sum to 1";
  }
  return NULL;
}

static bool is_square(const struct shape *shape) {
  return shape->rank >= 2 && shape->dim[shape->rank - 1] == shape->dim[shape->rank - 2];
}

/* Looks at each entry of each matrix of the last two axes. */
static bool each_entry(const struct shape *shape, const double *at,
                       bool (*fine)(const double *matrix, size_t n, size_t i, size_t j)) {
  size_t n = (size_t)shape->dim[shape->rank - 1];
  for (size_t m = 0; n && m < shape->size / (n * n); m++)
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < n; j++)
        if (!fine(at + m * n * n, n, i, j)) return false;
  return true;
}

static bool is_mirrored(const double *matrix, size_t n, size_t i, size_t j) {
  return matrix[i * n + j] == matrix[j * n + i];
}

static bool is_lower(const double *matrix, size_t n, size_t i, size_t j) {
  return j <= i || matrix[i * n + j] == 0;
}

static const char *not_symmetric(const struct shape *shape, const double *at) {
  if (!is_square(shape)) return "it is no square matrix";
  return each_entry(shape, at, is_mirrored) ? NULL : "an entry differs from its mirror";
}

static const char *not_lower(const struct shape *shape, const double *at) {
  if (!is_square(shape)) return "it is no square matrix";
  return each_entry(shape, at, is_lower) ? NULL : "an entry above the diagonal is not 0";
}

/* Symmetric with positive pivots: Gaussian elimination without exchange, on a copy. */
static const char *not_spd(struct net *net, const struct shape *shape, const double *at) {
  const char *why = not_symmetric(shape, at);
  if (why) return why;
  size_t n = (size_t)shape->dim[shape->rank - 1];
  double *work = ARENA_ARRAY(net->arena, double, n *n + 1);
  for (size_t m = 0; n && m < shape->size / (n * n); m++) {
    memcpy(work, at + m * n * n, n * n * sizeof *work);
    for (size_t k = 0; k < n; k++) {
      if (!(work[k * n + k] > 0)) return "it is not positive definite";
      for (size_t i = k + 1; i < n; i++)
        for (size_t j = k + 1; j < n; j++)
          work[i * n + j] -= work[i * n + k] * work[k * n + j] / work[k * n + k];
    }
  }
  return NULL;
}

bool check_domain(struct net *net, struct mark mark, enum domain domain, const struct shape *shape,
                  const double *value) {
  static const char *(*const checks[])(const struct shape *,
                                       const double *) = {[DOMAIN_POSITIVE] = not_positive,
                                                          [DOMAIN_UNIT] = not_unit,
                                                          [DOMAIN_SIMPLEX] = not_simplex,
                                                          [DOMAIN_SYMMETRIC] = not_symmetric,
                                                          [DOMAIN_LOWER] = not_lower};
  const char *why = domain == DOMAIN_SPD ? not_spd(net, shape, value)
                    : domain             ? checks[domain](shape, value)
                                         : NULL;
  if (why) report_add(net->report, mark, BP(OUT_OF_DOMAIN), domain_name(domain), why);
  return !why;
}
