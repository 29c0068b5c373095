/* Four passes over what is wanted: which nodes are needed and how often, which of them get a line,
 * what these are called, and in which order they stand; then the file is written.  None recurses:
 * nets are a million nodes deep. */
#include "export/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "export/expression.h"
#include "export/yaml.h"

enum {
  MARK_NEEDED = 1,
  MARK_LINE = 2,    /* it stands on a line of its own */
  MARK_GIVEN = 4,   /* that is the file's: its definition, as its author wrote it */
  MARK_WRITTEN = 8, /* its line is in order */
  MARK_OPEN = 16,   /* its inputs are being put in order */
  MARK_KEPT = 32    /* the gradient of a named node */
};

enum {
  EXPRESSION_MOST = 78, /* bytes of an expression, about */
  TEXT_MOST = 60,       /* bytes of what a comment calls a part of an expression */
  ENTRIES_MOST = 8      /* of a tensor that is written inside an expression */
};

/* A line of `nodes`: a node, or another name for one. */
struct line {
  const char *name;
  node_id node;
  const char *comment;
  const char *text; /* what stands behind the colon; NULL: not known yet */
};

struct writer {
  struct expression_style style; /* first, so that its hooks find the rest */
  struct derivation *d;
  struct net *net;
  struct graph *graph;
  struct arena *arena;
  struct tree tree;
  struct text *out;

  size_t count; /* of the graph's nodes */
  uint8_t *marks;
  const char **names;
  const char **about; /* what a line's comment says */
  node_id *form;      /* of named nodes: what they are made of */
  uint32_t *uses;
  uint32_t *length;    /* of a node's expression, about */
  uint32_t *parts;     /* of a line: how many of its parts have got names */
  node_id *definition; /* of a named node: itself where the file defines it, else NODE_NONE */
  bool *expands;       /* of each definition: it is not written as in the file */
  struct map taken;    /* names */
  VEC(node_id) stack, order;
  VEC(struct line) forward, backward;
  size_t *first_line; /* of each definition: its extra lines in `forward` */
  const char *total;  /* what is differentiated: "J" of dJ/dx */
};

/* ---- the graph as it is written ---------------------------------------------------------- */

static const struct node *node_at(const struct writer *w, node_id id) {
  return graph_node(w->graph, id);
}

static node_id same(const struct writer *w, node_id id) { return w->d->simplifier.same.at[id]; }

static bool is_given(const struct writer *w, node_id id) {
  return (w->marks[id] & MARK_GIVEN) != 0;
}

/* The node whose op is written for a node: its own, or another one's that has no name. */
static node_id written_as(const struct writer *w, node_id id) {
  node_id form = w->form[id];
  return form == NODE_NONE ? id : form;
}

/* What a node's expression refers to: its k-th input; NODE_NONE after the last. */
static node_id reference(const struct writer *w, node_id id, unsigned k) {
  node_id form = written_as(w, id);
  if (form != id && (w->marks[form] & MARK_LINE || !node_at(w, form)->op || node_at(w, form)->name))
    return k ? NODE_NONE : form;
  const struct node *node = node_at(w, form);
  return k < node->count ? same(w, graph_inputs(w->graph, node)[k]) : NODE_NONE;
}

static bool is_plain_number(const struct node *node) {
  return !node->op && node->role == ROLE_LITERAL && !node->name && !node->shape->rank;
}

/* ---- names ------------------------------------------------------------------------------- */

/* A finished text, in little memory. */
static const char *keep_text(struct writer *w, struct text *text) {
  const char *kept = arena_copy(w->arena, text_string(text), text->count);
  arena_release(w->arena, text->at);
  return kept;
}

static bool take_name(struct writer *w, const char *name, size_t size) {
  return map_add(w->arena, &w->taken, name, size, 0) == MAP_NONE;
}

/* This name, or the first that is free of name_2, name_3 ... */
static const char *free_name(struct writer *w, const char *name) {
  if (take_name(w, name, strlen(name))) return name;
  for (unsigned number = 2;; number++) {
    struct text text;
    text_init(&text, w->arena, NULL, NULL);
    text_printf(&text, "%s_%u", name, number);
    const char *other = keep_text(w, &text);
    if (take_name(w, other, strlen(other))) return other;
  }
}

static const char *join_text(struct writer *w, const char *prefix, const char *name, size_t size) {
  struct text text;
  text_init(&text, w->arena, NULL, NULL);
  text_puts(&text, prefix);
  for (size_t i = 0; i < size; i++) text_char(&text, name[i] == '.' ? '_' : name[i]);
  return keep_text(w, &text);
}

/* What a node of the net is called in other names: "s"; "h_s" for h.s, "s_1" for s.1. */
static const char *base_name(struct writer *w, node_id id) {
  struct text text;
  if (w->names[id]) return w->names[id];
  text_init(&text, w->arena, NULL, NULL);
  graph_print_name(w->graph, id, &text);
  const char *name = keep_text(w, &text);
  return join_text(w, "", name, strlen(name));
}

static bool print_name(const struct expression_style *style, node_id id, struct text *out) {
  const struct writer *w = (const struct writer *)(const void *)style;
  if (w->names[id] && out) text_puts(out, w->names[id]);
  return w->names[id] != NULL;
}

static node_id resolve(const struct expression_style *style, node_id id) {
  return same((const struct writer *)(const void *)style, id);
}

/* ---- which definitions are not written as in the file ------------------------------------ */

static bool is_builtin_member(const struct expr_item *item) {
  static const char *const names[] = {"T", "mT", "shape"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strlen(names[i]) == item->size && !memcmp(names[i], item->name, item->size)) return true;
  return false;
}

static bool calls_function(const struct net *net, const char *name, size_t size) {
  if (size == 4 && !memcmp(name, "grad", 4)) return true;
  return map_find(&net->function_names, name, size) != MAP_NONE;
}

/* Whether an expression calls a function of the file, grad, or names a node inside a call. */
static bool has_calls(struct writer *w, tree_id scalar) {
  struct expr expr = {{0}};
  struct expr_text text = tree_expr_text(&w->tree, scalar);
  if (!w->net->functions.count && !strstr(arena_copy(w->arena, text.at, text.size), "grad"))
    return false;
  if (!expr_parse(w->arena, w->net->report, &text, false, &expr)) return false;
  for (size_t i = 0; i < expr.items.count; i++) {
    const struct expr_item *item = &expr.items.at[i];
    if (item->kind == EXPR_CALL && calls_function(w->net, item->name, item->size)) return true;
    if (item->kind == EXPR_MEMBER && !is_builtin_member(item)) return true;
  }
  return false;
}

static tree_id find_key(const struct writer *w, tree_id mapping, const char *name) {
  for (tree_id key = tree_first(&w->tree, mapping); key != TREE_NONE;) {
    tree_id value = tree_next(&w->tree, key);
    if (tree_is(&w->tree, key, name)) return value;
    key = tree_next(&w->tree, value);
  }
  return TREE_NONE;
}

static tree_id value_of(const struct writer *w, size_t index) {
  return tree_next(&w->tree, w->net->definitions.at[index].key);
}

static bool must_expand(struct writer *w, size_t index) {
  tree_id value = value_of(w, index);
  if (tree_at(&w->tree, value)->kind == TREE_SCALAR) {
    double number;
    bool is_number = tree_at(&w->tree, value)->size &&
                     number_parse(tree_text(&w->tree, value), tree_at(&w->tree, value)->size,
                                  &number) != NUMBER_NONE;
    return !is_number && has_calls(w, value);
  }
  tree_id expr = find_key(w, value, "expr"), op = find_key(w, value, "op");
  if (expr != TREE_NONE) return has_calls(w, expr);
  if (calls_function(w->net, tree_text(&w->tree, op), tree_at(&w->tree, op)->size)) return true;
  tree_id inputs = find_key(w, value, "inputs");
  for (tree_id at = tree_first(&w->tree, inputs); at != TREE_NONE; at = tree_next(&w->tree, at))
    if (memchr(tree_text(&w->tree, at), '.', tree_at(&w->tree, at)->size) &&
        !is_plain_number(node_at(w, w->net->definitions.at[index].node)))
      return true;
  return false;
}

/* What the definitions that call something, and the nodes inside calls, are made of. */
static bool find_forms(struct writer *w, node_id **forms, size_t *count) {
  struct net *net = w->net;
  struct simplifier *s = &w->d->simplifier;
  size_t definitions = net->definitions.count;
  *count = definitions + net->inner.entries.count;
  *forms = ARENA_ARRAY(w->arena, node_id, *count + 1);
  w->expands = ARENA_ARRAY(w->arena, bool, definitions + 1);
  for (size_t i = 0; i < *count; i++) {
    bool inner = i >= definitions;
    node_id id = inner ? net->inner.entries.at[i - definitions].value : net->definitions.at[i].node;
    (*forms)[i] = NODE_NONE;
    if (!inner)
      w->expands[i] = net->definitions.at[i].section == SECTION_NODES && must_expand(w, i);
    bool made = inner ? !graph_node(w->graph, id)->backward : w->expands[i];
    if (made && ((*forms)[i] = simplify_made_of(s, id)) == NODE_NONE) return false;
  }
  simplify(s, 0); /* what was made in between, too */
  return true;
}

/* ---- what is needed ---------------------------------------------------------------------- */

static void need(struct writer *w, node_id id) {
  w->uses[id]++;
  if (w->marks[id] & MARK_NEEDED) return;
  w->marks[id] |= MARK_NEEDED;
  *vec_push(w->arena, &w->stack) = id;
}

static void expand(struct writer *w, node_id id);

/* A part of what an author wrote that is referred to from elsewhere becomes a node of its own: then
 * the whole refers to it, too. */
static void need_owner(struct writer *w, node_id id) {
  const struct node *node = node_at(w, id);
  bool part = node->op && !node->name && node->text.start && node->owner != id;
  if (part && w->d->simplifier.atom.at[id]) expand(w, node->owner);
}

static void need_inputs(struct writer *w, node_id id) {
  if (is_given(w, id)) return;
  node_id input;
  for (unsigned k = 0; (input = reference(w, id, k)) != NODE_NONE; k++) need(w, input);
}

/* Writes out a definition that would be written as in the file. */
static void expand(struct writer *w, node_id id) {
  bool given = is_given(w, id);
  w->marks[id] &= (uint8_t)~MARK_GIVEN;
  if (w->marks[id] & MARK_NEEDED && given)
    need_inputs(w, id);
  else
    need(w, id), w->uses[id]--;
}

static void drain(struct writer *w) {
  while (w->stack.count) {
    node_id id = w->stack.at[--w->stack.count];
    need_owner(w, id);
    need_inputs(w, id);
  }
}

static void need_root(struct writer *w, node_id id) {
  need(w, id);
  w->uses[id]--;
  drain(w);
}

static void find_needed(struct writer *w) {
  const struct derivation *d = w->d;
  for (size_t i = 0; i < w->net->definitions.count; i++)
    if (w->expands[i]) need_root(w, w->net->definitions.at[i].node);
  for (size_t i = 0; i < d->wanted.count; i++) {
    need_root(w, d->wanted.at[i].derivative);
    need_root(w, same(w, d->wanted.at[i].node));
  }
  need_root(w, same(w, d->of));
  need_root(w, same(w, w->net->output));
  for (size_t i = 0; i < w->net->wrt.count; i++) need_root(w, same(w, w->net->wrt.at[i]));
}

/* ---- which nodes get a line -------------------------------------------------------------- */

static bool may_have_line(const struct writer *w, node_id id) {
  return node_at(w, id)->op && !(w->marks[id] & MARK_LINE);
}

/* A tensor that is too large, or has what has no name in an expression. */
static bool is_constant_line(const struct node *node) {
  if (node->op || !node->value || (!node->shape->rank && !isnan(*node->value))) return false;
  bool strange = node->shape->size == 0 || node->shape->size > ENTRIES_MOST;
  for (size_t i = 0; i < node->shape->size && !strange; i++) strange = isnan(node->value[i]);
  return strange;
}

static void mark_lines(struct writer *w) {
  for (node_id id = 0; id < w->count; id++) {
    const struct node *node = node_at(w, id);
    if (!(w->marks[id] & MARK_NEEDED)) continue;
    bool shared = w->uses[id] > 1 || w->marks[id] & MARK_KEPT;
    bool line = node->op ? shared && !is_short(&w->d->simplifier, id) : is_constant_line(node);
    /* What is not looked into is short in the eyes of its users, but not in itself. */
    if (node->op && w->d->simplifier.atom.at[id]) line = shared;
    if (node->name || line) w->marks[id] |= MARK_LINE;
  }
}

/* All needed nodes, inputs first. */
static void order_nodes(struct writer *w, node_id root) {
  *vec_push(w->arena, &w->stack) = root;
  while (w->stack.count) {
    node_id id = w->stack.at[w->stack.count - 1], input;
    if (w->marks[id] & (MARK_OPEN | MARK_WRITTEN)) {
      w->stack.count--;
      if (w->marks[id] & MARK_WRITTEN) continue;
      w->marks[id] |= MARK_WRITTEN;
      *vec_push(w->arena, &w->order) = id;
      continue;
    }
    w->marks[id] |= MARK_OPEN;
    if (is_given(w, id)) continue;
    for (unsigned k = 0; (input = reference(w, id, k)) != NODE_NONE; k++)
      if (!(w->marks[input] & (MARK_OPEN | MARK_WRITTEN))) *vec_push(w->arena, &w->stack) = input;
  }
}

static uint32_t own_length(const struct node *node) {
  uint32_t length = node->op->symbol ? 3 : (uint32_t)strlen(node->op->name) + 2;
  for (size_t i = 0; i < op_attr_count(node->op); i++)
    if (node->attr[i].given && !node->op->attrs[i].fallback.given) length += 12;
  return length + node->count * 2 - 2;
}

static uint32_t length_in(const struct writer *w, node_id id) {
  enum { NAME = 4, ENTRY = 5 };
  if (w->marks[id] & MARK_LINE) return NAME;
  if (!node_at(w, id)->op) return ENTRY * (uint32_t)node_at(w, id)->shape->size;
  return w->length[id];
}

/* Gives lines to parts of an expression until it fits: the longest one by one, of many inputs all
 * that are long. */
static void shorten(struct writer *w, node_id id) {
  enum { WORTH_A_LINE = 16, MANY = 16 };
  const struct node *node = node_at(w, written_as(w, id));
  for (;;) {
    uint32_t length = own_length(node), most = WORTH_A_LINE;
    node_id longest = NODE_NONE, input;
    for (unsigned k = 0; (input = reference(w, id, k)) != NODE_NONE; k++) {
      uint32_t part = length_in(w, input);
      if (part > WORTH_A_LINE && node->count > MANY && may_have_line(w, input)) {
        w->marks[input] |= MARK_LINE;
        part = length_in(w, input);
      }
      length += part;
      if (part > most && may_have_line(w, input)) longest = input, most = part;
    }
    w->length[id] = length;
    if (length <= EXPRESSION_MOST || longest == NODE_NONE) return;
    w->marks[longest] |= MARK_LINE;
  }
}

static void shorten_all(struct writer *w) {
  for (node_id id = 0; id < w->count; id++)
    if (w->marks[id] & MARK_NEEDED && !(w->marks[id] & MARK_WRITTEN)) order_nodes(w, id);
  for (size_t i = 0; i < w->order.count; i++) {
    node_id id = w->order.at[i];
    w->marks[id] &= (uint8_t) ~(MARK_WRITTEN | MARK_OPEN);
    if (node_at(w, written_as(w, id))->op && !is_given(w, id)) shorten(w, id);
  }
}

/* ---- what they are called ---------------------------------------------------------------- */

static void print_what(struct writer *w, node_id id, struct text *out) {
  const struct node *node = node_at(w, id);
  if (w->names[id]) {
    text_puts(out, w->names[id]);
  } else if (node->text.start && node->text.end - node->text.start <= TEXT_MOST) {
    text_char(out, '(');
    graph_print_text(w->graph, id, out);
    text_char(out, ')');
  } else {
    graph_print_name(w->graph, id, out);
  }
}

/* "dJ/ds", "how s moves" */
static const char *about(struct writer *w, node_id id) {
  struct text text;
  text_init(&text, w->arena, NULL, NULL);
  if (w->d->forward)
    text_puts(&text, "how ");
  else
    text_printf(&text, "d%s/d", w->total);
  print_what(w, id, &text);
  if (w->d->forward) text_puts(&text, " moves");
  return keep_text(w, &text);
}

static const char *derivative_name(struct writer *w, node_id id) {
  const char *name = base_name(w, id);
  return free_name(w, join_text(w, w->d->forward ? "t_" : "d_", name, strlen(name)));
}

/* Names that the net's nodes have, those inside of calls with an underscore. */
static void name_nodes(struct writer *w) {
  for (size_t i = 0; i < w->net->definitions.count; i++) {
    const struct map_entry *entry = &w->net->names.entries.at[i];
    w->names[w->net->definitions.at[i].node] = arena_copy(w->arena, entry->name, entry->size);
    take_name(w, entry->name, entry->size);
  }
  for (size_t i = 0; i < w->net->inner.entries.count; i++) {
    const struct map_entry *entry = &w->net->inner.entries.at[i];
    if (node_at(w, entry->value)->backward || !(w->marks[entry->value] & MARK_NEEDED)) continue;
    w->names[entry->value] = free_name(w, join_text(w, "", entry->name, entry->size));
    w->about[entry->value] = arena_copy(w->arena, entry->name, entry->size);
  }
}

/* Names of parts that became nodes of their own. */
static void name_parts(struct writer *w) {
  for (node_id id = 0; id < w->count; id++) {
    const struct node *node = node_at(w, id);
    if (!(w->marks[id] & MARK_LINE) || w->names[id]) continue;
    if (!node->text.start || node->owner == id || !node_at(w, node->owner)->name) continue;
    const char *owner = base_name(w, node->owner);
    struct text text;
    text_init(&text, w->arena, NULL, NULL);
    text_printf(&text, "%s_%u", owner, node->part ? (unsigned)node->part : 1U);
    w->names[id] = free_name(w, keep_text(w, &text));
    text_init(&text, w->arena, NULL, NULL);
    text_printf(&text, "part of %s", owner);
    w->about[id] = keep_text(w, &text);
  }
}

static void name_derivative(struct writer *w, const struct quantity *q) {
  node_id id = q->derivative;
  if (!(w->marks[id] & MARK_LINE) || w->names[id] || !node_at(w, id)->op) return;
  w->names[id] = derivative_name(w, q->node);
  w->about[id] = about(w, q->node);
}

/* The gradients of named nodes first, the nearest to the output before others that are equal. */
static void name_derivatives(struct writer *w) {
  const struct derivation *d = w->d;
  for (size_t i = 0; i < d->given.count; i++) {
    const struct quantity *given = &d->given.at[i];
    w->names[given->derivative] = derivative_name(w, given->node);
    w->about[given->derivative] = d->forward ? about(w, given->node) : "what comes from above";
  }
  for (size_t i = 0; i < d->all.count; i++)
    if (node_at(w, d->all.at[i].node)->name) name_derivative(w, &d->all.at[i]);
  for (size_t i = 0; i < d->wanted.count; i++) name_derivative(w, &d->wanted.at[i]);
  for (size_t i = 0; i < d->all.count; i++) name_derivative(w, &d->all.at[i]);
}

/* ---- in which order they stand ----------------------------------------------------------- */

/* A line that has no name yet is a part of the one that needs it first. */
static void name_part(struct writer *w, node_id id, node_id root, const char *root_name) {
  struct text text;
  if (w->names[id]) return;
  text_init(&text, w->arena, NULL, NULL);
  text_printf(&text, "%s_%u", root_name, (unsigned)++w->parts[root]);
  w->names[id] = free_name(w, keep_text(w, &text));
  text_init(&text, w->arena, NULL, NULL);
  text_printf(&text, "part of %s", root_name);
  w->about[id] = keep_text(w, &text);
}

/* Whether a node's line stands elsewhere: with the file's own. */
static bool stands_elsewhere(const struct writer *w, node_id id) {
  return !node_at(w, id)->op || w->definition[id] == id;
}

#define PUSH_LINE(w, lines, name_, node_, comment_)                                                \
  (*vec_push((w)->arena, &(w)->lines) = (struct line){name_, node_, comment_, NULL})

static void push_line(struct writer *w, bool backward, node_id id) {
  if (backward)
    PUSH_LINE(w, backward, w->names[id], id, w->about[id]);
  else
    PUSH_LINE(w, forward, w->names[id], id, w->about[id]);
}

/* Appends the lines that a node needs and that do not stand anywhere yet, and its own. */
static void write_lines(struct writer *w, node_id root, const char *root_name, bool backward) {
  size_t bottom = w->stack.count;
  *vec_push(w->arena, &w->stack) = root;
  while (w->stack.count > bottom) {
    node_id id = w->stack.at[w->stack.count - 1], input;
    if (w->marks[id] & (MARK_OPEN | MARK_WRITTEN)) {
      w->stack.count--;
      if (w->marks[id] & MARK_WRITTEN) continue;
      w->marks[id] |= MARK_WRITTEN;
      if (!(w->marks[id] & MARK_LINE) || stands_elsewhere(w, id)) continue;
      name_part(w, id, root, root_name);
      push_line(w, backward, id);
      continue;
    }
    w->marks[id] |= MARK_OPEN;
    if (is_given(w, id) || (id != root && stands_elsewhere(w, id))) continue;
    unsigned count = 0;
    while (reference(w, id, count) != NODE_NONE) count++;
    while (count-- > 0) { /* the first input's line first */
      input = reference(w, id, count);
      if (!(w->marks[input] & (MARK_OPEN | MARK_WRITTEN))) *vec_push(w->arena, &w->stack) = input;
    }
  }
}

static void order_forward(struct writer *w) {
  size_t count = w->net->definitions.count;
  w->first_line = ARENA_ARRAY(w->arena, size_t, count + 1);
  for (size_t i = 0; i < count; i++) {
    node_id id = w->net->definitions.at[i].node;
    w->first_line[i] = w->forward.count;
    if (w->marks[id] & MARK_NEEDED && !is_given(w, id) && node_at(w, id)->op)
      write_lines(w, id, w->names[id], false);
  }
  w->first_line[count] = w->forward.count;
}

/* What parts of a derivative are named after. */
static const char *root_name(struct writer *w, const struct quantity *q) {
  if (w->names[q->derivative]) return w->names[q->derivative];
  const char *name = base_name(w, q->node);
  return join_text(w, w->d->forward ? "t_" : "d_", name, strlen(name));
}

/* Another name where the derivative has one already, or goes without a line. */
static void write_wanted(struct writer *w, const struct quantity *q) {
  node_id id = q->derivative;
  const char *comment = about(w, q->node);
  write_lines(w, id, root_name(w, q), true);
  if (w->names[id] && w->about[id] && !strcmp(w->about[id], comment)) return;
  for (size_t i = 0; i < w->d->given.count; i++) /* dL/dy was given */
    if (w->d->given.at[i].derivative == id && w->d->given.at[i].node == q->node) return;
  PUSH_LINE(w, backward, derivative_name(w, q->node), id, comment);
}

/* A derivative that is wanted, and the first node that uses its node: the last one, backward, that
 * adds to it. */
struct turn {
  node_id user;
  size_t wanted;
};

static int compare_turns(const void *a, const void *b) {
  const struct turn *x = a, *y = b;
  if (x->user != y->user) return x->user > y->user ? -1 : 1;
  return x->wanted < y->wanted ? -1 : x->wanted > y->wanted;
}

static struct turn *order_turns(const struct writer *w) {
  const struct derivation *d = w->d;
  node_id *users = ARENA_ARRAY(w->arena, node_id, w->count + 1);
  struct turn *turns = ARENA_ARRAY(w->arena, struct turn, d->wanted.count + 1);
  for (node_id id = 0; id < w->count; id++) users[id] = node_at(w, id)->op ? id : 0;
  for (node_id id = d->of + 1; id-- > 0;) {
    const struct node *node = node_at(w, id);
    const node_id *inputs = graph_inputs(w->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      if (!node_at(w, inputs[k])->op) users[inputs[k]] = id;
  }
  for (size_t i = 0; i < d->wanted.count; i++)
    turns[i] = (struct turn){d->forward ? 0 : users[d->wanted.at[i].node], i};
  qsort(turns, d->wanted.count, sizeof *turns, compare_turns);
  return turns;
}

/* The derivatives of all nodes in turn, and those that are wanted as soon as they are complete. */
static void order_backward(struct writer *w) {
  const struct derivation *d = w->d;
  const struct turn *turns = order_turns(w);
  size_t next = 0;
  for (size_t i = 0; i < d->all.count; i++) {
    const struct quantity *q = &d->all.at[i];
    for (; next < d->wanted.count && turns[next].user > q->node; next++)
      write_wanted(w, &d->wanted.at[turns[next].wanted]);
    bool line = w->marks[q->derivative] & MARK_NEEDED && w->marks[q->derivative] & MARK_LINE;
    if (line && node_at(w, q->derivative)->op) write_lines(w, q->derivative, root_name(w, q), true);
  }
  for (; next < d->wanted.count; next++) write_wanted(w, &d->wanted.at[turns[next].wanted]);
}

/* ---- writing ----------------------------------------------------------------------------- */

static void write_comment(struct writer *w, const char *comment) {
  text_puts(w->out, "# ");
  for (; *comment; comment++) text_char(w->out, (unsigned char)*comment < ' ' ? ' ' : *comment);
}

/* Behind what was written from `from` on, flush with others where that is not too long. */
static void write_comment_at(struct writer *w, const char *comment, size_t from, size_t column) {
  if (!comment) return;
  size_t at = w->out->count - from;
  text_fill(w->out, ' ', at + 2 < column ? column - at : 2);
  write_comment(w, comment);
}

/* What stands behind the colon for a node: a name, a number, an expression. */
static const char *line_text(struct writer *w, struct line *line) {
  struct text text;
  if (line->text) return line->text;
  text_init(&text, w->arena, NULL, NULL);
  node_id form = written_as(w, line->node);
  bool alias = w->names[form] && w->names[form] != line->name;
  if (alias)
    text_puts(&text, w->names[form]);
  else
    print_expression(&w->style, form, &text);
  return line->text = keep_text(w, &text);
}

static void write_expression(struct writer *w, const char *text) {
  double number;
  size_t size = strlen(text);
  if (number_parse(text, size, &number) != NUMBER_NONE)
    text_add(w->out, text, size);
  else
    yaml_text(w->out, text, size, false);
}

static size_t comment_column(struct writer *w, struct line *lines, size_t count) {
  enum { COLUMN_MOST = 56 };
  size_t column = 0;
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(lines[i].name) + strlen(line_text(w, &lines[i])) + 6;
    if (size > column && size <= COLUMN_MOST) column = size;
  }
  return column;
}

static void write_key(struct writer *w, const char *name) { text_printf(w->out, "  %s: ", name); }

static void write_line(struct writer *w, struct line *line, size_t column) {
  size_t from = w->out->count;
  write_key(w, line->name);
  write_expression(w, line_text(w, line));
  write_comment_at(w, line->comment, from, column);
  text_char(w->out, '\n');
}

/* What else a definition says that is written out: {expr: ..., description: ...} */
static void write_expanded(struct writer *w, size_t index) {
  static const char *const others[] = {"shape", "label", "description"};
  node_id id = w->net->definitions.at[index].node;
  struct line line = {w->names[id], id, NULL, NULL};
  const char *text = line_text(w, &line);
  tree_id value = value_of(w, index);
  bool more = false;
  for (size_t i = 0; i < 3 && tree_at(&w->tree, value)->kind == TREE_MAPPING; i++)
    more = more || find_key(w, value, others[i]) != TREE_NONE;
  if (!more) {
    write_expression(w, text);
    return;
  }
  text_puts(w->out, "{expr: ");
  yaml_text(w->out, text, strlen(text), true);
  for (size_t i = 0; i < 3; i++) {
    tree_id at = find_key(w, value, others[i]);
    if (at == TREE_NONE) continue;
    struct text piece;
    text_init(&piece, w->arena, NULL, NULL);
    yaml_tree(&piece, &w->tree, at, 4);
    const char *given = text_string(&piece);
    text_printf(w->out, ", %s: ", others[i]);
    if (tree_at(&w->tree, at)->kind == TREE_SCALAR)
      yaml_text(w->out, tree_text(&w->tree, at), tree_at(&w->tree, at)->size, true);
    else
      text_puts(w->out, given);
  }
  text_char(w->out, '}');
}

static bool is_set(const struct writer *w, size_t index) {
  for (size_t i = 0; i < w->net->settings.count; i++)
    if (w->net->settings.at[i].definition == index) return true;
  return false;
}

static void write_key_as_given(struct writer *w, size_t index) {
  tree_id key = w->net->definitions.at[index].key;
  text_puts(w->out, "  ");
  yaml_tree(w->out, &w->tree, key, 2);
  text_puts(w->out, ": ");
}

/* Whether a node is the call of a function with its author's rules: the gradients are not those of
 * what is written for it. */
static bool has_own_rule(const struct writer *w, const struct node *node) {
  const struct op *op = node->op;
  return op && vocabulary_find(&w->net->words, op->name, strlen(op->name)) != op;
}

static void write_definition(struct writer *w, size_t index) {
  const struct definition *definition = &w->net->definitions.at[index];
  const struct node *node = node_at(w, definition->node);
  size_t from = w->out->count, size;
  const char *comment;
  write_key_as_given(w, index);
  size_t indent = w->out->count - from;
  if (is_set(w, index))
    yaml_tensor(w->out, node->shape, node->value, indent);
  else if (node->op && !is_given(w, definition->node) && w->marks[definition->node] & MARK_NEEDED)
    write_expanded(w, index);
  else
    yaml_tree(w->out, &w->tree, value_of(w, index), indent);
  if (yaml_comment(&w->tree, value_of(w, index), &comment, &size)) {
    text_puts(w->out, "  ");
    text_add(w->out, comment, size);
  } else if (has_own_rule(w, node)) {
    text_printf(w->out, "  # %s, by its own backward", node->op->name);
  }
  text_char(w->out, '\n');
}

static void write_nodes(struct writer *w) {
  for (size_t i = 0; i < w->net->definitions.count; i++) {
    if (w->net->definitions.at[i].section != SECTION_NODES) continue;
    for (size_t k = w->first_line[i]; k < w->first_line[i + 1]; k++)
      write_line(w, &w->forward.at[k], 0);
    write_definition(w, i);
  }
  size_t column = comment_column(w, w->backward.at, w->backward.count);
  text_puts(w->out,
            w->d->forward ? "  # how they move, forward\n" : "  # the gradients, backward\n");
  for (size_t i = 0; i < w->backward.count; i++) write_line(w, &w->backward.at[i], column);
}

/* Constants that the file does not have: literals of tensors, what was given with the options. */
static void write_made_constants(struct writer *w) {
  for (node_id id = 0; id < w->count; id++) {
    const struct node *node = node_at(w, id);
    if (node->op || !(w->marks[id] & MARK_LINE) || w->definition[id] == id) continue;
    if (!node->value) continue;
    size_t from = w->out->count;
    if (!w->names[id]) w->names[id] = free_name(w, "constant");
    write_key(w, w->names[id]);
    yaml_tensor(w->out, node->shape, node->value, w->out->count - from);
    write_comment_at(w, w->about[id], from, 0);
    text_char(w->out, '\n');
  }
}

static bool has_made_constants(const struct writer *w) {
  for (node_id id = 0; id < w->count; id++)
    if (!node_at(w, id)->op && w->marks[id] & MARK_LINE && w->definition[id] != id) return true;
  return false;
}

static bool has_section(const struct writer *w, enum section section) {
  for (size_t i = 0; i < w->net->definitions.count; i++)
    if (w->net->definitions.at[i].section == section) return true;
  return section == SECTION_CONSTANTS && has_made_constants(w);
}

static void write_section(struct writer *w, enum section section) {
  static const char *const names[] = {"inputs", "parameters", "constants", "nodes"};
  if (!has_section(w, section)) return;
  text_printf(w->out, "%s:\n", names[section]);
  if (section == SECTION_NODES) {
    write_nodes(w);
    return;
  }
  for (size_t i = 0; i < w->net->definitions.count; i++)
    if (w->net->definitions.at[i].section == section) write_definition(w, i);
  if (section == SECTION_CONSTANTS) write_made_constants(w);
}

/* The sections in the order of the file. */
static void write_sections(struct writer *w) {
  bool done[SECTION_NODES + 1] = {false};
  for (size_t i = 0; i < w->net->definitions.count; i++) {
    enum section section = w->net->definitions.at[i].section;
    if (done[section] || section == SECTION_NODES) continue;
    done[section] = true;
    write_section(w, section);
  }
  if (!done[SECTION_CONSTANTS]) write_section(w, SECTION_CONSTANTS);
  write_section(w, SECTION_NODES);
}

static void write_top_text(struct writer *w, const char *key) {
  tree_id at = find_key(w, w->tree.root, key);
  if (at == TREE_NONE) return;
  text_printf(w->out, "%s: ", key);
  yaml_text(w->out, tree_text(&w->tree, at), tree_at(&w->tree, at)->size, false);
  text_char(w->out, '\n');
}

static void write_reference(struct writer *w, node_id id, bool flow) {
  const char *name = w->names[same(w, id)];
  yaml_text(w->out, name, strlen(name), flow);
}

static void write_end(struct writer *w) {
  tree_id upstream = find_key(w, w->tree.root, "upstream");
  text_puts(w->out, "output: ");
  write_reference(w, w->net->output, false);
  text_char(w->out, '\n');
  if (upstream != TREE_NONE) {
    text_puts(w->out, "upstream: ");
    yaml_tree(w->out, &w->tree, upstream, 10);
    text_char(w->out, '\n');
  }
  if (!w->net->wrt_given) return;
  text_puts(w->out, "wrt: [");
  for (size_t i = 0; i < w->net->wrt.count; i++) {
    if (i) text_puts(w->out, ", ");
    write_reference(w, w->net->wrt.at[i], true);
  }
  text_puts(w->out, "]\n");
}

static void write_head(struct writer *w) {
  struct text text;
  text_init(&text, w->arena, NULL, NULL);
  text_puts(&text, w->d->forward ? "How " : "The gradient of ");
  print_what(w, same(w, w->d->of), &text);
  if (w->d->forward)
    text_puts(&text, " moves along a direction");
  else if (w->d->upstream != NODE_NONE)
    text_printf(&text, " (%s = sum(%s * %s))", w->total, w->names[w->d->upstream],
                w->names[same(w, w->d->of)]);
  text_printf(&text, ", as nodes: bpgraph derive %s", w->net->source->name);
  write_comment(w, text_string(&text));
  text_puts(w->out, "\nbpgraph: 1\n");
}

/* ---- the whole --------------------------------------------------------------------------- */

static void *array(struct writer *w, size_t size) {
  return arena_array(w->arena, w->count + 1, size);
}

static void start(struct writer *w, const node_id *forms, size_t form_count) {
  const struct net *net = w->net;
  size_t definitions = net->definitions.count;
  w->count = w->graph->nodes.count;
  w->marks = array(w, sizeof *w->marks);
  w->names = array(w, sizeof *w->names);
  w->about = array(w, sizeof *w->about);
  w->uses = array(w, sizeof *w->uses);
  w->length = array(w, sizeof *w->length);
  w->parts = array(w, sizeof *w->parts);
  w->form = array(w, sizeof *w->form);
  w->definition = array(w, sizeof *w->definition);
  for (size_t i = 0; i < w->count; i++) w->form[i] = w->definition[i] = NODE_NONE;
  for (size_t i = 0; i < form_count; i++) {
    bool inner = i >= definitions;
    node_id id = inner ? net->inner.entries.at[i - definitions].value : net->definitions.at[i].node;
    if (forms[i] != id) w->form[id] = forms[i];
    if (inner) continue;
    w->definition[id] = id;
    if (!w->expands[i]) w->marks[id] |= MARK_GIVEN;
  }
}

static void mark_derivatives(struct writer *w) {
  const struct derivation *d = w->d;
  for (size_t i = 0; i < d->all.count; i++)
    if (d->simplifier.atom.at[d->all.at[i].derivative] &&
        !node_at(w, d->all.at[i].derivative)->name)
      w->marks[d->all.at[i].derivative] |= MARK_KEPT;
  for (size_t i = 0; i < d->given.count; i++)
    if (w->marks[d->given.at[i].derivative] & MARK_NEEDED)
      w->marks[d->given.at[i].derivative] |= MARK_LINE;
  for (size_t i = 0; i < d->wanted.count; i++)
    if (node_at(w, d->wanted.at[i].derivative)->op)
      w->marks[d->wanted.at[i].derivative] |= MARK_LINE;
}

/* In forward mode the stand-in for what comes from above must be gone. */
static bool is_whole(const struct writer *w) {
  for (node_id id = 0; id < w->count; id++) {
    const struct node *node = node_at(w, id);
    if (!(w->marks[id] & MARK_NEEDED) || node->op || node->value) continue;
    report_add(w->net->report, node->mark, BP(NOT_LINEAR));
    return false;
  }
  return true;
}

static const char *find_total(struct writer *w) {
  static const char *const names[] = {"L", "E", "J", "loss"};
  if (w->d->upstream == NODE_NONE) return w->names[same(w, w->d->of)];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (map_find(&w->taken, names[i], strlen(names[i])) == MAP_NONE) return names[i];
  return "total";
}

bool export_net(struct derivation *d, struct text *out) {
  struct writer w = {.d = d, .net = d->net, .graph = &d->graph, .arena = d->arena, .out = out};
  node_id *forms;
  size_t form_count;
  w.style = (struct expression_style){w.graph, &w.net->words, print_name, resolve};
  if (!tree_read(&w.tree, w.arena, w.net->report, w.net->source)) return false;
  if (!find_forms(&w, &forms, &form_count)) return false;
  start(&w, forms, form_count);
  find_needed(&w);
  if (!is_whole(&w)) return false;
  mark_derivatives(&w);
  mark_lines(&w);
  /* What is referred to by name gets a line whatever it is. */
  w.marks[same(&w, d->of)] |= MARK_LINE;
  w.marks[same(&w, w.net->output)] |= MARK_LINE;
  shorten_all(&w);
  name_nodes(&w);
  name_parts(&w);
  w.total = find_total(&w);
  name_derivatives(&w);
  order_forward(&w);
  order_backward(&w);
  write_head(&w);
  write_top_text(&w, "title");
  write_top_text(&w, "description");
  write_sections(&w);
  write_end(&w);
  return true;
}
