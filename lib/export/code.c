#include "export/code.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "export/export.h"
#include "ops/snippets.h"
#include "version.h"

enum { DEPTH_MOST = 4 }; /* operations within an expression that no author wrote */

static const struct language *const languages[] = {&language_c, &language_python};
enum { LANGUAGES = sizeof languages / sizeof *languages };

const struct language *language_find(const char *name) {
  for (size_t i = 0; i < LANGUAGES; i++)
    if (!strcmp(languages[i]->name, name)) return languages[i];
  return NULL;
}

static const char *node_name(const struct code *code, node_id id) {
  struct text text;
  text_init(&text, code->arena, NULL, NULL);
  graph_print_name(code->graph, id, &text);
  return text_string(&text);
}

void code_fail(struct code *code, node_id id) {
  const struct node *node = code_node(code, id);
  code->failed = true;
  report_add(code->net->report, node->mark, BP(NO_CODE), node->op->name, code->language->title);
  if (id >= code->forward) report_hint(code->net->report, "the derivative needs it");
}

/* ---- names ------------------------------------------------------------------------------- */

/* Greek letters, from U+0391 and from U+03B1 on; final sigma is a sigma too. */
static const char *const greek[] = {
    "alpha", "beta",   "gamma",   "delta", "epsilon", "zeta",    "eta",  "theta", "iota",
    "kappa", "lambda", "mu",      "nu",    "xi",      "omicron", "pi",   "rho",   "sigma",
    "sigma", "tau",    "upsilon", "phi",   "chi",     "psi",     "omega"};
enum { GREEK = sizeof greek / sizeof *greek, NAME_MOST = 60 };

static void add_character(const struct language *language, uint32_t letter, const char *bytes,
                          size_t size, struct text *out) {
  const bool small = letter >= 0x3b1 && letter < 0x3b1 + GREEK;
  const bool large = letter >= 0x391 && letter < 0x391 + GREEK;
  if (letter < 0x80) {
    text_char(out, letter == '.' ? '_' : *bytes);
  } else if (language->letters && (small || large)) {
    text_add(out, bytes, size);
  } else if (small || large) {
    const char *name = greek[letter - (small ? 0x3b1 : 0x391)];
    text_char(out, (char)(*name - (large ? 'a' - 'A' : 0)));
    text_puts(out, name + 1);
  } else {
    text_printf(out, "u%04x", (unsigned)letter);
  }
}

/* A node's name with the letters of the language, not too long. */
static const char *spell_name(const struct code *code, const char *name) {
  struct text out;
  text_init(&out, code->arena, NULL, NULL);
  /* Names that start with _ are the compiler's. */
  if (name[0] == '_') text_char(&out, 'v');
  for (size_t size = strlen(name), length; size && out.count < NAME_MOST; name += length) {
    uint32_t letter = utf8_decode(name, size, &length);
    add_character(code->language, letter, name, length, &out);
    size -= length;
  }
  return text_string(&out);
}

static bool is_taken(const struct code *code, const char *name) {
  return map_find(&code->names, name, strlen(name)) != MAP_NONE;
}

static const char *take_name(struct code *code, const char *name) {
  map_add(code->arena, &code->names, name, strlen(name), (uint32_t)code->times.count);
  *vec_push(code->arena, &code->times) = 1;
  return name;
}

/* "x_1", "x_2" ... */
static const char *number_name(struct code *code, const char *base) {
  if (!is_taken(code, base)) take_name(code, base);
  const size_t at = (size_t)map_find(&code->names, base, strlen(base));
  const char *name;
  do name = format_text(code, "%s%u", base, (unsigned)code->times.at[at]++);
  while (is_taken(code, name));
  return take_name(code, name);
}

const char *code_name(struct code *code, const char *wanted) {
  if (!is_taken(code, wanted)) return take_name(code, wanted);
  const char *name = format_text(code, "%s_", wanted);
  return is_taken(code, name) ? number_name(code, name) : take_name(code, name);
}

/* A node's name in the code; what its author calls it is said where it differs. */
static const char *name_node(struct code *code, node_id id) {
  const char *own = node_name(code, id), *spelled = spell_name(code, own);
  const char *name = code_name(code, *spelled ? spelled : "t");
  const bool dotted = strchr(own, '.') != NULL && !strcmp(name, spelled);
  if (strcmp(name, own) != 0 && !dotted && code_node(code, id)->name)
    *vec_push(code->arena, &code->renames) = (struct rename){own, name};
  return name;
}

/* ---- what is needed ---------------------------------------------------------------------- */

node_id code_input(const struct code *code, node_id id, unsigned k) {
  node_id input = graph_inputs(code->graph, code_node(code, id))[k];
  while (unit_of(code, input)->same != input) input = unit_of(code, input)->same;
  return input;
}

/* Room for nodes that were appended. */
static void add_units(struct code *code) {
  while (code->units.count < code->graph->nodes.count) {
    struct unit *unit = vec_push(code->arena, &code->units);
    *unit = (struct unit){.same = (node_id)code->units.count - 1};
    unit->whole = unit->same;
    unit->parts = unit->owner = unit->user = NODE_NONE;
  }
}

/* How often a node's text mentions its input k. */
static unsigned count_uses(const struct code *code, node_id id, unsigned k) {
  const struct node *node = code_node(code, id);
  const char *text = unit_of(code, id)->text;
  if (node->op->code.same && !*text) return k == 0;
  if (!*text) return 1; /* loops: no text says what is in them */
  if (node->op->most != OP_ANY) return count_name(text, node->op->inputs[k]);
  if (count_name(text, "inputs")) return 1;
  if (count_name(text, node->op->inputs[0])) return k == 0;
  return count_name(text, k == 0 ? "a" : "b"); /* folded, from left to right */
}

/* Finds the text of an op or, where the language has none, the nodes that it is made of. */
static void find_text(struct code *code, node_id id) {
  const struct op *op = code_node(code, id)->op;
  size_t size;
  const char *all = code->language->op_text(code, id);
  const char *text = all;
  if (all && *all)
    text = choose_text(code, id, all, &size);
  else
    size = 0;
  if (text) {
    unit_of(code, id)->text = arena_copy(code->arena, text, size);
    return;
  }
  const char *parts = op->code.composed ? choose_text(code, id, op->code.composed, &size) : NULL;
  if (!parts) {
    if (!code->failed) code_fail(code, id);
    return;
  }
  const node_id first = (node_id)code->graph->nodes.count;
  node_id last = rule_nodes(&code->rules, id, parts, size);
  add_units(code);
  if (last == NODE_NONE) {
    code->failed = true;
    return;
  }
  unit_of(code, id)->parts = first;
  unit_of(code, id)->same = last;
  if (last >= first) unit_of(code, last)->whole = unit_of(code, id)->whole;
}

/* Marks a node and all that it is computed from. */
static void mark_needed(struct code *code, node_id root) {
  VEC(node_id) open = {0};
  *vec_push(code->arena, &open) = root;
  while (open.count && !code->failed) {
    const node_id id = open.at[--open.count];
    if (unit_of(code, id)->needed) continue;
    unit_of(code, id)->needed = true;
    if (!code_node(code, id)->op) continue;
    find_text(code, id);
    struct unit *unit = unit_of(code, id);
    if (unit->same != id) *vec_push(code->arena, &open) = unit->same;
    for (unsigned k = 0; unit->text && k < code_node(code, id)->count; k++)
      if (count_uses(code, id, k))
        *vec_push(code->arena, &open) = graph_inputs(code->graph, code_node(code, id))[k];
  }
  arena_release(code->arena, open.at);
}

/* Counts, for all that is needed, who uses it. */
static void count_users(struct code *code) {
  for (node_id id = 0; id < code->units.count; id++) {
    const struct unit *unit = unit_of(code, id);
    if (!unit->needed || !unit->text) continue;
    for (unsigned k = 0; k < code_node(code, id)->count; k++) {
      const unsigned uses = count_uses(code, id, k);
      if (!uses) continue;
      struct unit *input = unit_of(code, code_input(code, id, k));
      input->uses += uses;
      input->user = id;
    }
  }
}

/* ---- the order --------------------------------------------------------------------------- */

/* A node's parts come in its place.  (They are as deeply nested as the definitions of ops are.) */
static void add_steps(struct code *code, node_id id) {
  const struct unit unit = *unit_of(code, id);
  if (!unit.needed) return;
  for (node_id part = unit.parts; part != NODE_NONE && part <= unit.same; part++)
    add_steps(code, part);
  if (unit.same == id) *vec_push(code->arena, &code->steps) = (struct step){id, NODE_NONE};
}

static node_id resolve(const struct code *code, node_id id) {
  while (id != NODE_NONE && unit_of(code, id)->same != id) id = unit_of(code, id)->same;
  return id;
}

/* Decides of each needed gradient whether it has a variable of its own, or is a copy. */
static void own_gradients(struct code *code) {
  for (node_id id = (node_id)code->forward; id-- > 0;) {
    const node_id gradient = resolve(code, gradient_of(&code->gradients, id));
    if (gradient == NODE_NONE || !unit_of(code, gradient)->needed) continue;
    struct unit *unit = unit_of(code, gradient);
    const bool computed =
        gradient >= code->forward && code_node(code, gradient)->role != ROLE_LITERAL;
    if (computed && unit->owner == NODE_NONE) {
      unit->owner = id, unit->is_gradient = true;
      unit->is_copied = code->back[id].asked;
    } else if (code_node(code, id)->name || code->back[id].asked) {
      code->back[id].copied = gradient;
    }
  }
}

static void find_only_users(struct code *code) {
  bool *several = ARENA_ARRAY(code->arena, bool, code->forward + 1);
  for (node_id id = 0; id < code->forward; id++) {
    if (!unit_of(code, id)->needed) continue;
    const node_id *inputs = graph_inputs(code->graph, code_node(code, id));
    for (unsigned k = 0; k < code_node(code, id)->count; k++) {
      struct back *back = &code->back[inputs[k]];
      several[inputs[k]] =
          several[inputs[k]] || (back->only_user != NODE_NONE && back->only_user != id);
      back->only_user = several[inputs[k]] ? NODE_NONE : id;
    }
  }
}

/* The copy that stands for a gradient in the gradient of `owner`: that of the node that uses it. */
static struct back *find_copy(const struct code *code, node_id gradient, node_id owner) {
  if (owner == NODE_NONE) return NULL;
  const node_id user = code->back[owner].only_user;
  if (user == NODE_NONE || code->back[user].copied != gradient) return NULL;
  return &code->back[user];
}

/* What a gradient is computed from belongs to it. */
static void own_parts(struct code *code) {
  for (size_t i = code->steps.count; i-- > code->backward;) {
    struct unit *unit = unit_of(code, code->steps.at[i].node);
    if (unit->owner == NODE_NONE && unit->user != NODE_NONE)
      unit->owner = unit_of(code, unit->user)->owner;
  }
}

static void use_copy(struct code *code, node_id gradient, node_id owner) {
  struct back *copy = find_copy(code, gradient, owner);
  if (copy) copy->used = true;
}

/* Only what is used or asked for is copied. */
static void find_used_copies(struct code *code) {
  for (size_t i = code->backward; i < code->steps.count; i++) {
    const node_id id = code->steps.at[i].node;
    for (unsigned k = 0; code_node(code, id)->op && k < code_node(code, id)->count; k++)
      if (count_uses(code, id, k))
        use_copy(code, code_input(code, id, k), unit_of(code, id)->owner);
  }
  for (node_id id = 0; id < code->forward; id++) {
    struct back *back = &code->back[id];
    back->used = back->copied != NODE_NONE && (back->used || back->asked);
    if (!back->used) continue;
    use_copy(code, back->copied, id);
    unit_of(code, back->copied)->is_copied = true;
  }
}

/* The copies in the order of the sweep: when a node's turn comes, those of its inputs. */
static size_t order_copies(const struct code *code, node_id *copies) {
  bool *listed = ARENA_ARRAY(code->arena, bool, code->forward + 1);
  size_t count = 0;
  for (node_id id = (node_id)code->forward; id-- > 0;) {
    const struct node *node = code_node(code, id);
    const node_id *inputs = graph_inputs(code->graph, node);
    if (code->back[id].used && code->back[id].only_user == NODE_NONE) copies[count++] = id;
    for (unsigned k = 0; k < node->count; k++) {
      const struct back *input = &code->back[inputs[k]];
      if (!input->used || input->only_user != id || listed[inputs[k]]) continue;
      listed[inputs[k]] = true;
      copies[count++] = inputs[k];
    }
  }
  return count;
}

/* Each copy is made as soon as it can be. */
static void add_copies(struct code *code) {
  const size_t count = code->steps.count;
  node_id *copies = ARENA_ARRAY(code->arena, node_id, code->forward + 1);
  node_id *next = ARENA_ARRAY(code->arena, node_id, code->forward + 1); /* of the same gradient */
  node_id *first = ARENA_ARRAY(code->arena, node_id, code->units.count + 1);
  for (size_t i = 0; i < code->units.count; i++) first[i] = NODE_NONE;
  for (size_t i = order_copies(code, copies); i-- > 0;) {
    next[copies[i]] = first[code->back[copies[i]].copied];
    first[code->back[copies[i]].copied] = copies[i];
  }
  struct step *steps = ARENA_ARRAY(code->arena, struct step, count + 1);
  memcpy(steps, code->steps.at, count * sizeof *steps);
  code->steps.count = code->backward;
  bool *made = ARENA_ARRAY(code->arena, bool, code->units.count + 1);
  /* What is a number or a value of the net can be copied at once. */
  for (node_id id = (node_id)code->forward; id-- > 0;) {
    const struct back *back = &code->back[id];
    const bool early =
        back->used && (back->copied < code->forward || !code_node(code, back->copied)->op);
    if (early && back->copied != code->upstream)
      *vec_push(code->arena, &code->steps) = (struct step){id, back->copied}, made[id] = true;
  }
  for (size_t i = code->backward; i < count; i++) {
    *vec_push(code->arena, &code->steps) = steps[i];
    for (node_id id = first[steps[i].node]; id != NODE_NONE; id = next[id])
      if (!made[id]) *vec_push(code->arena, &code->steps) = (struct step){id, steps[i].node};
  }
}

/* ---- places and names ---------------------------------------------------------------------- */

bool is_uniform(const struct node *node, double *number) {
  if (node->role != ROLE_LITERAL || !node->value || !node->shape->size) return false;
  *number = node->value[0];
  for (size_t i = 1; i < node->shape->size; i++)
    if (node->value[i] != *number && !(isnan(node->value[i]) && isnan(*number))) return false;
  return true;
}

/* Only what no author named is written within another expression. */
static bool is_inlined(const struct code *code, node_id id) {
  const struct unit *unit = unit_of(code, id);
  const bool named = unit->is_gradient && code_node(code, unit->owner)->name;
  if (unit->whole < code->forward || named || unit->is_copied || unit->uses != 1) return false;
  return unit->depth < DEPTH_MOST && code->language->is_inlined(code, id, unit->user);
}

static void find_place(struct code *code, node_id id) {
  struct unit *unit = unit_of(code, id);
  const struct node *node = code_node(code, id);
  double number;
  if (!node->op && !node->name && is_uniform(node, &number)) {
    unit->place = PLACE_NUMBER;
    return;
  }
  for (unsigned k = 0; node->op && k < node->count; k++) {
    if (!count_uses(code, id, k)) continue;
    const struct unit *input = unit_of(code, code_input(code, id, k));
    if (input->place == PLACE_INLINE && input->depth >= unit->depth)
      unit->depth = (uint8_t)(input->depth + 1);
  }
  unit->place = node->op && is_inlined(code, id) ? PLACE_INLINE : PLACE_VARIABLE;
}

static const char *gradient_name(struct code *code, node_id id) {
  return format_text(code, "grad_%s", spell_name(code, node_name(code, id)));
}

static void name_variable(struct code *code, node_id id) {
  struct unit *unit = unit_of(code, id);
  if (unit->place != PLACE_VARIABLE || unit->name) return;
  if (unit->is_gradient)
    unit->name = code_name(code, gradient_name(code, unit->owner));
  else if (unit->whole < code->forward)
    unit->name = name_node(code, unit->whole);
}

/* What is neither a node of the net nor a gradient is a term, of a gradient perhaps. */
static void name_term(struct code *code, node_id id) {
  struct unit *unit = unit_of(code, id);
  if (unit->place != PLACE_VARIABLE || unit->name) return;
  const bool forward = unit->owner == NODE_NONE;
  unit->name = number_name(
      code, forward ? "t" : format_text(code, "%s_t", gradient_name(code, unit->owner)));
}

const char *variable_name(const struct code *code, node_id id, node_id owner) {
  const struct back *copy = find_copy(code, id, owner);
  return copy && copy->name ? copy->name : unit_of(code, id)->name;
}

/* Names that the author wrote and that can stay as they are do so, whatever others become. */
static void keep_name(struct code *code, node_id id) {
  struct unit *unit = unit_of(code, id);
  const node_id whole = unit->whole;
  if (unit->place != PLACE_VARIABLE || whole >= code->forward || !code_node(code, whole)->name)
    return;
  const char *own = node_name(code, whole);
  if (!strcmp(own, spell_name(code, own)) && !is_taken(code, own))
    unit->name = take_name(code, own);
}

static void name_all(struct code *code) {
  for (const char *word = code->language->reserved; *word;) {
    const size_t size = strcspn(word, " ");
    take_name(code, arena_copy(code->arena, word, size));
    word += size + (word[size] == ' ');
  }
  for (const struct snippet *snippet = snippets; snippet->name; snippet++)
    if (code->language->snippet_text(snippet) && !is_taken(code, snippet->name))
      take_name(code, snippet->name);
  for (size_t i = 0; i < code->arguments.count; i++) keep_name(code, code->arguments.at[i]);
  for (size_t i = 0; i < code->backward; i++) keep_name(code, code->steps.at[i].node);
  for (size_t i = 0; i < code->arguments.count; i++) name_variable(code, code->arguments.at[i]);
  for (size_t i = 0; i < code->backward; i++) name_variable(code, code->steps.at[i].node);
  for (size_t i = code->backward; i < code->steps.count; i++) {
    const struct step *step = &code->steps.at[i];
    if (step->copied == NODE_NONE)
      name_variable(code, step->node);
    else
      code->back[step->node].name = code_name(code, gradient_name(code, step->node));
  }
  for (size_t i = 0; i < code->steps.count; i++)
    if (code->steps.at[i].copied == NODE_NONE) name_term(code, code->steps.at[i].node);
  for (size_t i = 0; i < code->wanted.count; i++) {
    struct wanted *wanted = &code->wanted.at[i];
    const struct back *back = &code->back[wanted->node];
    if (back->used)
      wanted->name = back->name;
    else if (wanted->gradient != NODE_NONE)
      wanted->name = unit_of(code, wanted->gradient)->name;
    else
      wanted->name = code_name(code, gradient_name(code, wanted->node));
    wanted->key = node_name(code, wanted->node);
    wanted->member = unit_of(code, wanted->node)->name;
    if (!wanted->member) wanted->member = name_node(code, wanted->node);
  }
}

/* ---- where it comes from ------------------------------------------------------------------- */

/* Text in a comment: nothing in it ends or opens one. */
static void print_comment(const char *at, const char *prefix, struct text *out) {
  for (; *at; at++) {
    const char last = out->count ? out->at[out->count - 1] : ' ';
    const bool splits = (last == '*' && *at == '/') || (last == '/' && *at == '*') ||
                        (last == '?' && *at == '?') || (last == '\\' && *at == '\n');
    if (splits) text_char(out, ' ');
    if (*at == '\n')
      text_printf(out, "\n%s", prefix);
    else
      text_char(out, (unsigned char)*at < ' ' ? ' ' : *at);
  }
  text_char(out, '\n');
}

void print_origin(struct code *code, const char *prefix, struct text *out) {
  const struct source *source = code->net->source;
  const char *title = code->net->title;
  if (title) {
    size_t size = strlen(title);
    while (size && title[size - 1] == '\n') size--;
    print_comment(arena_copy(code->arena, title, size), prefix, out);
    text_printf(out, "%.*s\n%s", (int)strlen(prefix) - 1, prefix, prefix);
  }
  print_comment(format_text(code, "From %s, CRC-32 %08x, by bpgraph %s codegen.", source->name,
                            (unsigned)crc_of(source->bytes, source->size), BPGRAPH_VERSION),
                prefix, out);
}

/* The function is called as the file. */
static const char *function_name(struct code *code) {
  const char *name = code->net->source->name, *slash = strrchr(name, '/');
  if (slash) name = slash + 1;
  const size_t size = strcspn(name, ".");
  char *stem = arena_copy(code->arena, name, size);
  for (char *at = stem; *at; at++)
    if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *at)) *at = '_';
  const char *spelled = spell_name(code, stem);
  if (!spelled[strspn(spelled, "_v")] || *name == '<') spelled = "net"; /* <stdin> */
  if (*spelled >= '0' && *spelled <= '9') spelled = format_text(code, "net_%s", spelled);
  return code_name(code, spelled);
}

/* ---- the whole --------------------------------------------------------------------------- */

static void add_arguments(struct code *code) {
  for (size_t i = 0; i < code->net->definitions.count; i++) {
    const struct definition *definition = &code->net->definitions.at[i];
    struct unit *unit = unit_of(code, definition->node);
    if (definition->section == SECTION_NODES || !unit->needed || unit->is_argument) continue;
    unit->is_argument = true;
    unit->place = PLACE_VARIABLE;
    *vec_push(code->arena, &code->arguments) = definition->node;
  }
}

/* Appends the nodes of the gradients. */
static bool derive_all(struct code *code) {
  const struct result *result = code->result;
  const struct node *output = code_node(code, code->output);
  code->upstream_value = run_bar(&result->run, code->output);
  code->upstream = graph_start(code->graph, ROLE_INPUT, output->shape, NULL, output->mark);
  rules_init(&code->rules, code->graph, &code->net->words);
  simplifier_init(&code->simplifier, code->graph, &code->net->words);
  const struct seed seed = {code->output, code->upstream};
  return derive_gradients(&code->rules, &code->simplifier, 1, &seed, result->wrt.count,
                          result->wrt.at, &code->gradients);
}

static void add_wanted(struct code *code) {
  code->back = ARENA_ARRAY(code->arena, struct back, code->forward + 1);
  for (size_t i = 0; i <= code->forward; i++)
    code->back[i].copied = code->back[i].only_user = NODE_NONE;
  for (size_t i = 0; i < code->result->wrt.count; i++) {
    const node_id node = code->result->wrt.at[i], gradient = gradient_of(&code->gradients, node);
    *vec_push(code->arena, &code->wanted) = (struct wanted){.node = node, .gradient = gradient};
    code->back[node].asked = true;
    if (gradient != NODE_NONE) mark_needed(code, gradient);
  }
  mark_needed(code, code->output);
}

/* All steps, in order. */
static void make_steps(struct code *code, size_t count) {
  for (node_id id = 0; id < count; id++) {
    if (id == code->forward) code->backward = code->steps.count;
    if (!unit_of(code, id)->is_argument) add_steps(code, id);
  }
  if (count <= code->forward) code->backward = code->steps.count;
  for (size_t i = 0; i < code->wanted.count; i++)
    code->wanted.at[i].gradient = resolve(code, code->wanted.at[i].gradient);
  own_gradients(code);
  find_only_users(code);
  own_parts(code);
  find_used_copies(code);
  for (size_t i = 0; i < code->steps.count; i++) find_place(code, code->steps.at[i].node);
  add_copies(code);
}

/* What comes from above must be known. (Whoever evaluated the net has been told how to say it.) */
static bool check_output(struct code *code) {
  const struct node *output = code_node(code, code->output);
  const struct dims dims = shape_dims(output->shape);
  struct text shape;
  if (code->result->gradients) return true;
  text_init(&shape, code->arena, NULL, NULL);
  dims_print(&dims, &shape);
  report_add(code->net->report, output->mark, BP(NEEDS_UPSTREAM), node_name(code, code->output),
             text_string(&shape));
  return false;
}

bool code_write(const struct result *result, const struct language *language, struct text *out) {
  struct code code = {.result = result,
                      .language = language,
                      .net = result->net,
                      .graph = ARENA_NEW(out->arena, struct graph),
                      .arena = out->arena,
                      .output = result->plan.output,
                      .upstream = NODE_NONE};
  graph_copy(code.graph, code.arena, code.net->report, &code.net->graph);
  code.forward = code.graph->nodes.count;
  if (!check_output(&code) || !derive_all(&code)) return false;
  const size_t count = code.graph->nodes.count;
  add_units(&code);
  add_wanted(&code);
  if (code.failed) return false;
  code.output = resolve(&code, code.output);
  add_arguments(&code);
  count_users(&code);
  make_steps(&code, count);
  name_all(&code);
  code.function = function_name(&code);
  language->write(&code, out);
  return !code.failed;
}
