#include "load/net.h"

#include "load/expect.h"
#include "load/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "base/utf8.h"

/* ---- the file ---------------------------------------------------------------------------- */

enum { FILE_MOST = 1 << 30 };

static bool fail_read(struct net *net, const char *path, const char *why) {
  struct source *source = report_source(net->report, path, "", 0);
  report_about(net->report, source, BP(CANNOT_READ), why);
  return false;
}

/* Reads to the end; the first size is a guess. */
static bool read_all(struct net *net, int file, const char *path, size_t guess) {
  size_t capacity = guess + 1, size = 0;
  char *bytes = arena_resize(net->arena, NULL, capacity + 1);
  for (;;) {
    ssize_t got = read(file, bytes + size, capacity - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_read(net, path, strerror(errno));
    if (got == 0) break;
    size += (size_t)got;
    if (size > FILE_MOST) return fail_read(net, path, "it is larger than 1 GB");
    if (size < capacity) continue;
    capacity *= 2;
    bytes = arena_resize(net->arena, bytes, capacity + 1);
  }
  bytes[size] = '\0';
  net->source = report_source(net->report, path, bytes, size);
  return true;
}

static bool read_file(struct net *net, const char *path) {
  path = arena_copy(net->arena, path, strlen(path));
  if (!strcmp(path, "-")) return read_all(net, STDIN_FILENO, "<stdin>", 1 << 16);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail_read(net, path, strerror(errno));
  struct stat about;
  bool read = false;
  if (fstat(file, &about))
    fail_read(net, path, strerror(errno));
  else if (S_ISDIR(about.st_mode))
    fail_read(net, path, "it is a folder");
  else if (about.st_size > FILE_MOST)
    fail_read(net, path, "it is larger than 1 GB");
  else
    read = read_all(net, file, path, (size_t)about.st_size);
  close(file);
  return read;
}

static const char *folder_of(struct arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ".";
  return arena_copy(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

/* ---- mappings ---------------------------------------------------------------------------- */

/* The closing part of an expression that braces have cut at a comma: `b)` of {m: max(a, b)}. */
static bool is_cut_off(const struct net *net, tree_id key) {
  const struct tree_node *node = tree_at(&net->tree, key);
  const char *text = tree_text(&net->tree, key);
  if (!(node->flags & TREE_FLOW)) return false;
  int open = 0;
  for (uint32_t i = 0; i < node->size && open >= 0; i++) {
    open += text[i] == '(' || text[i] == '[';
    open -= text[i] == ')' || text[i] == ']';
  }
  return open < 0;
}

static const char *quote_node(struct net *net, tree_id id) {
  return report_quote(net->report, tree_text(&net->tree, id), tree_at(&net->tree, id)->size);
}

/* The known key that a misspelt one is most like, or NULL. */
static const char *nearest_key(const struct net *net, tree_id key, const struct key *keys,
                               size_t count) {
  const char *nearest = NULL, *text = tree_text(&net->tree, key);
  uint32_t size = tree_at(&net->tree, key)->size;
  size_t limit = edit_limit(size);
  for (size_t i = 0; i < count; i++) {
    size_t distance = edit_distance(text, size, keys[i].name, strlen(keys[i].name), limit);
    if (distance > limit || (nearest && distance == limit)) continue;
    nearest = keys[i].name;
    limit = distance;
  }
  return nearest;
}

/* Returns the known key that seems to be meant, or NULL. */
static const char *report_unknown_key(struct net *net, tree_id key, const struct key *keys,
                                      size_t count) {
  if (is_cut_off(net, key)) {
    report_add(net->report, tree_mark(&net->tree, key), BP(YAML_TRAP),
               "braces and brackets cut the expression at the comma");
    report_hint(net->report, "put it into quotes or on a line of its own");
    return NULL;
  }
  if (tree_is(&net->tree, key, "<<")) {
    report_add(net->report, tree_mark(&net->tree, key), BP(MERGE_KEY));
    report_hint(net->report, "repeat the keys, or use *alias for the whole value");
    return NULL;
  }
  report_add(net->report, tree_mark(&net->tree, key), BP(UNKNOWN_KEY), quote_node(net, key));
  if (report_full(net->report)) return NULL;
  const char *nearest = nearest_key(net, key, keys, count);
  if (nearest) {
    report_hint(net->report, "did you mean '%s'?", nearest);
    return nearest;
  }
  struct text known;
  text_init(&known, net->arena, NULL, NULL);
  for (size_t i = 0; i < count; i++) text_printf(&known, "%s%s", i ? ", " : "", keys[i].name);
  report_hint(net->report, "known here: %s", text_string(&known));
  return NULL;
}

/* A top-level key for the author's notes. */
static bool is_note(const struct net *net, tree_id key) {
  return tree_at(&net->tree, key)->size > 1 && !memcmp(tree_text(&net->tree, key), "x-", 2);
}

static void report_twice(struct net *net, tree_id again, tree_id first) {
  report_add(net->report, tree_mark(&net->tree, again), BP(DUPLICATE_KEY), quote_node(net, again));
  report_see(net->report, tree_mark(&net->tree, first), "it is defined here first");
}

bool read_keys(struct net *net, tree_id mapping, const char *what, const struct key *keys,
               size_t count, tree_id *values) {
  enum { KEYS_MOST = 24 };
  tree_id firsts[KEYS_MOST];
  const struct tree *tree = &net->tree;
  for (size_t i = 0; i < count; i++) values[i] = TREE_NONE, firsts[i] = TREE_NONE;
  if (tree_at(tree, mapping)->kind != TREE_MAPPING) {
    struct text why;
    text_init(&why, net->arena, NULL, NULL);
    text_printf(&why, "%s must be a mapping: 'key: value'", what);
    report_add(net->report, tree_mark(tree, mapping), BP(WRONG_KIND), text_string(&why));
    return false;
  }
  bool fine = true;
  for (tree_id key = tree_first(tree, mapping); key != TREE_NONE;) {
    tree_id value = tree_next(tree, key);
    size_t i = 0;
    while (i < count && !tree_is(tree, key, keys[i].name)) i++;
    if (i == count && !(is_note(net, key) && mapping == tree->root)) {
      const char *meant = report_unknown_key(net, key, keys, count);
      for (size_t k = 0; meant && k < count; k++)
        if (keys[k].name == meant) firsts[k] = key;
      fine = false;
    } else if (i < count && values[i] != TREE_NONE) {
      report_twice(net, key, firsts[i]);
      fine = false;
    } else if (i < count) {
      values[i] = value, firsts[i] = key;
    }
    key = tree_next(tree, value);
  }
  for (size_t i = 0; i < count; i++) {
    if (!keys[i].required || firsts[i] != TREE_NONE) continue;
    report_add(net->report, tree_mark(tree, mapping), BP(MISSING_KEY), keys[i].name);
    if (mapping == tree->root)
      report_hint(net->report, "a net has bpgraph: 1, start nodes and nodes");
    fine = false;
  }
  return fine;
}

/* The words in what is no name (`my-input`): that they are not defined need not be said as well. */
static void lose_words(struct net *net, tree_id key) {
  const char *text = tree_text(&net->tree, key);
  size_t size = tree_at(&net->tree, key)->size, length;
  for (size_t at = 0; at < size; at += length) {
    length = utf8_name(text + at, size - at);
    if (length)
      map_add(net->arena, &net->lost, text + at, length, 0);
    else
      utf8_decode(text + at, size - at, &length);
  }
}

bool check_name(struct net *net, tree_id key) {
  const struct tree_node *node = tree_at(&net->tree, key);
  const char *text = tree_text(&net->tree, key);
  struct mark mark = tree_mark(&net->tree, key);
  if (is_cut_off(net, key)) return false;
  if (tree_is(&net->tree, key, "<<")) {
    report_add(net->report, mark, BP(MERGE_KEY));
    report_hint(net->report, "repeat the names, or use *alias for a whole value");
    return false;
  }
  if (node->size && utf8_name(text, node->size) == node->size) {
    if (!tree_is(&net->tree, key, "true") && !tree_is(&net->tree, key, "false")) return true;
    report_add(net->report, mark, BP(RESERVED_NAME), quote_node(net, key));
    return false;
  }
  report_add(net->report, mark, BP(BAD_NAME), quote_node(net, key));
  report_hint(net->report, "a name is a letter or _, then letters, digits and _");
  lose_words(net, key);
  return false;
}

/* ---- names ------------------------------------------------------------------------------- */

static void add_definition(struct net *net, tree_id key, enum section section) {
  if (!check_name(net, key)) {
    net->incomplete = true;
    return;
  }
  const struct tree_node *node = tree_at(&net->tree, key);
  uint32_t index = (uint32_t)net->definitions.count;
  const char *name = tree_text(&net->tree, key);
  int64_t before = map_add(net->arena, &net->names, name, node->size, index);
  if (before != MAP_NONE) {
    report_twice(net, key, net->definitions.at[before].key);
    return;
  }
  *vec_push(net->arena, &net->definitions) = (struct definition){
      .key = key, .node = NODE_NONE, .waiters = NO_WAIT, .section = (uint8_t)section};
}

static const char *const section_name[] = {"inputs", "parameters", "constants", "nodes"};

static void add_section(struct net *net, tree_id mapping, enum section section);

static bool is_empty(const struct net *net, tree_id id) {
  const struct tree_node *node = tree_at(&net->tree, id);
  return node->kind == TREE_SCALAR && node->flags & TREE_PLAIN && node->size == 0;
}

/* A list, or a text, where the names of a section should be.  The names in a list of mappings are
 * taken up all the same, so that nothing else is said about them. */
static void report_section(struct net *net, tree_id id, enum section section) {
  const struct tree *tree = &net->tree;
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_printf(&why, "%s must be a mapping: 'name: %s'", section_name[section],
              section == SECTION_NODES ? "expression" : "value");
  report_add(net->report, tree_mark(tree, id), BP(WRONG_KIND), text_string(&why));
  if (tree_at(tree, id)->kind != TREE_LIST) {
    report_hint(net->report, "is a blank missing after ':'?");
    net->doubtful = true;
    return;
  }
  report_hint(net->report, "leave out '- ' before the names");
  for (tree_id item = tree_first(tree, id); item != TREE_NONE; item = tree_next(tree, item))
    if (tree_at(tree, item)->kind == TREE_MAPPING)
      add_section(net, item, section);
    else
      net->doubtful = true;
}

static void add_section(struct net *net, tree_id mapping, enum section section) {
  const struct tree_node *node = tree_at(&net->tree, mapping);
  if (is_empty(net, mapping)) return;
  if (node->kind != TREE_MAPPING) {
    report_section(net, mapping, section);
    return;
  }
  vec_room(net->arena, &net->definitions, net->definitions.count + node->size / 2);
  map_room(net->arena, &net->names, net->names.entries.count + node->size / 2);
  for (tree_id key = tree_first(&net->tree, mapping); key != TREE_NONE;) {
    tree_id value = tree_next(&net->tree, key);
    add_definition(net, key, section);
    key = tree_next(&net->tree, value);
  }
}

static bool is_part(const struct net *net, node_id id, node_id owner, double part) {
  const struct node *node = graph_node(&net->graph, id);
  return node->owner == owner && node->part && (double)node->part == part;
}

/* Whether a node was made by the expression of `owner`: a part of it, or inside a call in it. */
static bool is_near(const struct net *net, node_id id, node_id owner) {
  const struct node *node = graph_node(&net->graph, id), *whole = graph_node(&net->graph, owner);
  const struct node *other = graph_node(&net->graph, node->owner);
  return node->owner == owner || node->backward ||
         (other->name && other->name_size > whole->name_size &&
          !memcmp(other->name, whole->name, whole->name_size) &&
          other->name[whole->name_size] == '.');
}

/* A part "s.1": the how-manieth node of the expression of `s`. */
static node_id find_part(const struct net *net, const char *name, size_t size) {
  const char *dot = memchr(name, '.', size);
  if (!dot) return NODE_NONE;
  double part;
  size_t rest = size - (size_t)(dot + 1 - name);
  node_id owner = net_find(net, name, (size_t)(dot - name));
  if (owner == NODE_NONE || number_parse(dot + 1, rest, &part) != NUMBER_INTEGER) return NODE_NONE;
  for (node_id id = owner; id-- > 0 && is_near(net, id, owner);)
    if (is_part(net, id, owner, part)) return id;
  for (node_id id = owner + 1; id < net->graph.nodes.count && is_near(net, id, owner); id++)
    if (is_part(net, id, owner, part)) return id;
  return NODE_NONE;
}

node_id net_find(const struct net *net, const char *name, size_t size) {
  int64_t at = map_find(&net->names, name, size);
  if (at != MAP_NONE) return net->definitions.at[at].node;
  at = map_find(&net->inner, name, size);
  if (at != MAP_NONE) /* a rule's own nodes have no values but on the way back */
    return graph_node(&net->graph, (node_id)at)->backward ? NODE_NONE : (node_id)at;
  return find_part(net, name, size);
}

const char *net_nearest(const struct net *net, const char *name, size_t size) {
  enum { SEARCHED_MOST = 5000 }; /* a hint is not worth seconds */
  const struct map_entry *nearest = NULL;
  size_t limit = edit_limit(size);
  for (size_t i = 0; i < net->names.entries.count && i < SEARCHED_MOST; i++) {
    const struct map_entry *entry = &net->names.entries.at[i];
    size_t distance = edit_distance(name, size, entry->name, entry->size, limit);
    if (distance > limit || (distance >= size && distance >= entry->size)) continue;
    nearest = entry;
    if (!distance) break;
    limit = distance - 1;
  }
  return nearest ? report_quote(net->report, nearest->name, nearest->size) : NULL;
}

/* ---- top level --------------------------------------------------------------------------- */

enum top {
  TOP_VERSION,
  TOP_TITLE,
  TOP_DESCRIPTION,
  TOP_INPUTS,
  TOP_PARAMETERS,
  TOP_CONSTANTS,
  TOP_FUNCTIONS,
  TOP_NODES,
  TOP_OUTPUT,
  TOP_UPSTREAM,
  TOP_WRT,
  TOP_EXPECT,
  TOP_COUNT
};

static const struct key top_keys[TOP_COUNT] = {
    {"bpgraph", true},     {"title", false},     {"description", false}, {"inputs", false},
    {"parameters", false}, {"constants", false}, {"functions", false},   {"nodes", true},
    {"output", false},     {"upstream", false},  {"wrt", false},         {"expect", false}};

static void check_version(struct net *net, tree_id id) {
  if (id == TREE_NONE || tree_is(&net->tree, id, "1")) {
    bool quoted = id != TREE_NONE && !(tree_at(&net->tree, id)->flags & TREE_PLAIN);
    if (!quoted) return;
    report_add(net->report, tree_mark(&net->tree, id), BP(NUMBER_AS_TEXT), "1");
    report_hint(net->report, "write it without quotes");
    return;
  }
  bool scalar = tree_at(&net->tree, id)->kind == TREE_SCALAR;
  report_add(net->report, tree_mark(&net->tree, id), BP(WRONG_VERSION),
             scalar ? quote_node(net, id) : "a list or mapping");
}

static const char *read_text(struct net *net, tree_id id, const char *what) {
  if (id == TREE_NONE) return NULL;
  if (tree_at(&net->tree, id)->kind == TREE_SCALAR)
    return arena_copy(net->arena, tree_text(&net->tree, id), tree_at(&net->tree, id)->size);
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_printf(&why, "%s must be a text", what);
  report_add(net->report, tree_mark(&net->tree, id), BP(WRONG_KIND), text_string(&why));
  return NULL;
}

/* Takes up what definitions say of themselves: `label` and `description`. */
static void read_captions(struct net *net) {
  const struct tree *tree = &net->tree;
  for (size_t i = 0; net->has_captions && i < net->definitions.count; i++) {
    const struct definition *definition = &net->definitions.at[i];
    tree_id value = tree_next(tree, definition->key);
    if (definition->state != STATE_BUILT || tree_at(tree, value)->kind != TREE_MAPPING) continue;
    struct caption caption = {.node = definition->node};
    for (tree_id key = tree_first(tree, value); key != TREE_NONE;) {
      tree_id text = tree_next(tree, key);
      if (tree_is(tree, key, "label")) caption.label = read_text(net, text, "label");
      if (tree_is(tree, key, "description"))
        caption.description = read_text(net, text, "description");
      key = tree_next(tree, text);
    }
    if (caption.label || caption.description) *vec_push(net->arena, &net->captions) = caption;
  }
}

/* The node that a scalar names; NODE_NONE after a report, or when its definition has failed. */
static node_id read_node_name(struct net *net, tree_id id) {
  struct mark mark = tree_mark(&net->tree, id);
  if (tree_at(&net->tree, id)->kind != TREE_SCALAR) {
    report_add(net->report, mark, BP(WRONG_KIND), "the name of a node is expected here");
    return NODE_NONE;
  }
  const char *name = tree_text(&net->tree, id);
  size_t size = tree_at(&net->tree, id)->size;
  if (map_find(&net->names, name, size) == MAP_NONE && net_find(net, name, size) == NODE_NONE) {
    struct expr_item item = {.mark = mark};
    item.name = name;
    item.size = (uint32_t)size;
    if (size && utf8_name(name, size) == size) {
      report_undefined(net, &item);
    } else {
      report_add(net->report, mark, BP(WRONG_KIND), "the name of a node is expected here");
      if (size) report_hint(net->report, "give the expression a name of its own under nodes");
    }
  }
  return net_find(net, name, size);
}

/* The only node that nothing uses. */
static node_id find_output(struct net *net, tree_id nodes_key) {
  bool *used = ARENA_ARRAY(net->arena, bool, net->graph.nodes.count + 1);
  for (size_t i = 0; i < net->graph.arcs.count; i++) used[net->graph.arcs.at[i]] = true;
  node_id output = NODE_NONE;
  size_t candidates = 0, nodes = 0;
  struct text names;
  text_init(&names, net->arena, NULL, NULL);
  for (size_t i = 0; i < net->definitions.count; i++) {
    const struct definition *definition = &net->definitions.at[i];
    if (definition->section != SECTION_NODES) continue;
    nodes++;
    if (definition->state != STATE_BUILT) return NODE_NONE; /* reported as such */
    if (used[definition->node]) continue;
    output = definition->node;
    if (candidates++ >= 10) continue;
    if (candidates > 1) text_puts(&names, ", ");
    graph_print_name(&net->graph, output, &names);
  }
  if (candidates > 10) text_printf(&names, " and %zu more", candidates - 10);
  if (net->doubtful || net->incomplete) return NODE_NONE;
  if (candidates == 1) return output;
  struct mark mark = tree_mark(&net->tree, nodes ? net->tree.root : nodes_key);
  if (!nodes) {
    report_add(net->report, mark, BP(NO_OUTPUT), "the net has no nodes");
    return NODE_NONE;
  }
  struct text why;
  text_init(&why, net->arena, NULL, NULL);
  text_printf(&why, "%zu nodes could be the output: %s", candidates, text_string(&names));
  report_add(net->report, mark, BP(NO_OUTPUT), text_string(&why));
  report_hint(net->report, "say which: output: NAME");
  return NODE_NONE;
}

static void read_output(struct net *net, tree_id id, tree_id nodes_key) {
  net->output_key = id;
  net->output = id == TREE_NONE ? find_output(net, nodes_key) : read_node_name(net, id);
}

static void read_wrt(struct net *net, tree_id id) {
  net->wrt_given = id != TREE_NONE;
  if (id == TREE_NONE) return;
  if (tree_at(&net->tree, id)->kind != TREE_LIST) {
    report_add(net->report, tree_mark(&net->tree, id), BP(WRONG_KIND),
               "wrt must be a list of names: [W, b]");
    return;
  }
  for (tree_id item = tree_first(&net->tree, id); item != TREE_NONE;
       item = tree_next(&net->tree, item)) {
    node_id node = read_node_name(net, item);
    if (node == NODE_NONE) continue;
    *vec_push(net->arena, &net->wrt) = node;
    *vec_push(net->arena, &net->wrt_marks) = tree_mark(&net->tree, item);
  }
}

node_id read_value(struct net *net, tree_id id) {
  node_id node;
  enum outcome outcome = read_numbers(net, id, &node);
  if (outcome != OUTCOME_UNKNOWN) return outcome == OUTCOME_DONE ? node : NODE_NONE;
  size_t first = net->pool.items.count;
  struct value value;
  net->in_value = true;
  bool read = emit_value(net, id) && resolve_names(net, first) && lower_pool(net, first, &value);
  net->in_value = false;
  net->pool.items.count = first;
  return read ? finish_value(net, &value, id, ROLE_LITERAL) : NODE_NONE;
}

static void read_upstream(struct net *net, tree_id id) {
  if (id == TREE_NONE || net->output == NODE_NONE) return;
  node_id node = read_value(net, id);
  if (node == NODE_NONE) return;
  const struct shape *wanted = graph_node(&net->graph, net->output)->shape;
  const struct shape *given = graph_node(&net->graph, node)->shape;
  net->upstream = node;
  if (given == wanted) return;
  struct text texts[3];
  struct dims dims[2] = {shape_dims(given), shape_dims(wanted)};
  for (int i = 0; i < 3; i++) text_init(&texts[i], net->arena, NULL, NULL);
  for (int i = 0; i < 2; i++) dims_print(&dims[i], &texts[i]);
  graph_print_name(&net->graph, net->output, &texts[2]);
  report_add(net->report, tree_mark(&net->tree, id), BP(UPSTREAM_SHAPE), text_string(&texts[0]),
             text_string(&texts[2]), text_string(&texts[1]));
}

/* ---- options ----------------------------------------------------------------------------- */

/* Attaches --set NAME=VALUE to the definition that it replaces. */
static void take_set(struct net *net, const char *set) {
  set = arena_copy(net->arena, set, strlen(set)); /* messages point into it */
  const char *equals = strchr(set, '=');
  const struct source *source = report_source(net->report, "--set", set, strlen(set));
  if (!source) arena_exhausted(net->arena);
  size_t size = equals ? (size_t)(equals - set) : strlen(set);
  struct mark mark = source_mark(source, set, size);
  int64_t at = map_find(&net->names, set, size);
  if (!equals || !size) {
    report_add(net->report, mark, BP(WRONG_KIND), "NAME=VALUE is expected");
  } else if (!equals[1]) {
    report_add(net->report, mark, BP(WRONG_KIND), "a value is missing after '='");
  } else if (at == MAP_NONE) {
    report_add(net->report, mark, BP(UNDEFINED_NAME), report_quote(net->report, set, size));
    const char *nearest = net_nearest(net, set, size);
    if (nearest) report_hint(net->report, "did you mean '%s'?", nearest);
  } else if (net->definitions.at[at].section == SECTION_NODES) {
    report_add(net->report, mark, BP(WRONG_KIND),
               "only inputs, parameters and constants can be set");
  } else {
    *vec_push(net->arena, &net->settings) = (struct setting){(uint32_t)at, equals + 1};
  }
}

node_id net_option_value(struct net *net, const char *option, const char *text) {
  text = arena_copy(net->arena, text, strlen(text)); /* messages point into it */
  size_t first = net->pool.items.count;
  if (!report_source(net->report, option, text, strlen(text))) arena_exhausted(net->arena);
  struct value value;
  net->in_value = true;
  bool read = emit_option(net, text) && resolve_names(net, first) && lower_pool(net, first, &value);
  net->in_value = false;
  net->pool.items.count = first;
  return read ? finish_value(net, &value, TREE_NONE, ROLE_LITERAL) : NODE_NONE;
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool find_name(struct scope *scope, const struct expr_item *name, struct value *out);

/* The section that a top-level key names, if only by a slip; -1 where it is none. */
static int section_of(const struct net *net, tree_id key) {
  const char *nearest = NULL;
  for (int section = 0; section <= SECTION_NODES; section++)
    if (tree_is(&net->tree, key, section_name[section])) return section;
  if (!report_full(net->report) && !is_note(net, key))
    nearest = nearest_key(net, key, top_keys, TOP_COUNT);
  for (int section = 0; nearest && section <= SECTION_NODES; section++)
    if (!strcmp(nearest, section_name[section])) return section;
  return -1;
}

/* Takes up all names, in the order of the file, which is the order of everything that follows. */
static void add_sections(struct net *net) {
  const struct tree *tree = &net->tree;
  bool seen[SECTION_NODES + 1] = {false};
  for (tree_id key = tree_first(tree, tree->root); key != TREE_NONE;) {
    tree_id value = tree_next(tree, key);
    int section = section_of(net, key);
    if (section >= 0) {
      add_section(net, value, (enum section)section);
      if (seen[section]) net->doubtful = true; /* there twice, and reported */
      seen[section] = true;
    }
    key = tree_next(tree, value);
  }
  bool started = net->doubtful || net->incomplete;
  for (size_t i = 0; i < net->definitions.count && !started; i++)
    started = net->definitions.at[i].section != SECTION_NODES;
  if (!started) report_add(net->report, tree_mark(tree, tree->root), BP(NO_START));
}

static void read_net(struct net *net, const struct load_options *options) {
  tree_id top[TOP_COUNT];
  if (is_empty(net, net->tree.root)) { /* --- and nothing more */
    report_about(net->report, net->source, BP(EMPTY_FILE));
    report_hint(net->report, "a net starts with: bpgraph: 1");
    return;
  }
  if (!read_keys(net, net->tree.root, "a net", top_keys, TOP_COUNT, top) &&
      tree_at(&net->tree, net->tree.root)->kind != TREE_MAPPING)
    return;
  check_version(net, top[TOP_VERSION]);
  net->title = read_text(net, top[TOP_TITLE], "title");
  net->description = read_text(net, top[TOP_DESCRIPTION], "description");
  add_sections(net);
  if (top[TOP_FUNCTIONS] != TREE_NONE) read_functions(net, top[TOP_FUNCTIONS]);
  for (size_t i = 0; i < options->set_count; i++) take_set(net, options->sets[i]);
  define_all(net);
  complete_derivatives(net);
  read_captions(net);
  if (top[TOP_NODES] != TREE_NONE) read_output(net, top[TOP_OUTPUT], top[TOP_NODES] - 1);
  read_upstream(net, top[TOP_UPSTREAM]);
  read_wrt(net, top[TOP_WRT]);
  if (net->output == NODE_NONE && !report_failed(net->report))
    report_about(net->report, net->source, BP(NO_OUTPUT), "the net has no output");
  if (top[TOP_EXPECT] != TREE_NONE) read_expect(net, top[TOP_EXPECT]);
  read_function_claims(net);
  if (!net->claims.count && !net->functions.count) tree_release(&net->tree); /* large, and read */
}

bool net_load(struct net *net, struct arena *arena, struct report *report,
              const struct load_options *options) {
  *net = (struct net){.arena = arena, .report = report};
  net->output = net->upstream = NODE_NONE;
  net->output_key = TREE_NONE;
  graph_init(&net->graph, arena, report);
  vocabulary_init(&net->words, arena);
  vec_room(arena, &net->pool.items, 1); /* it has an address even while it is empty */
  net->scope = (struct scope){.graph = &net->graph,
                              .report = report,
                              .arena = arena,
                              .words = &net->words,
                              .find = find_name,
                              .call = call_in_nodes,
                              .member = find_member,
                              .context = net};
  bool file = !options->bytes && strcmp(options->path, "-") != 0;
  net->folder = file ? folder_of(arena, options->path) : ".";
  net->data_root = options->data_root ? options->data_root : net->folder;
  if (options->bytes)
    net->source = report_source(report, arena_copy(arena, options->path, strlen(options->path)),
                                arena_copy(arena, options->bytes, options->size), options->size);
  else if (!read_file(net, options->path))
    return false;
  if (!tree_read(&net->tree, arena, report, net->source)) return false;
  read_net(net, options);
  return !report_failed(report);
}

/* What a name in an expression stands for: see resolve_names. */
static bool find_name(struct scope *scope, const struct expr_item *name, struct value *out) {
  struct net *net = scope->context;
  const struct definition *definition =
      name->id < net->definitions.count ? &net->definitions.at[name->id] : NULL;
  static const struct {
    const char *name;
    double value;
  } constants[] = {{"pi", 3.14159265358979323846}, {"inf", 1.0 / 0.0}};
  for (size_t i = 0; !definition && i < sizeof constants / sizeof *constants; i++)
    if (strlen(constants[i].name) == name->size &&
        !memcmp(constants[i].name, name->name, name->size)) {
      *out = make_number(constants[i].value, name->mark);
      return true;
    }
  /* Names were reported as they were read, but for those that might have been an op's word. */
  if (!definition && name->word) report_undefined(net, name);
  if (!definition || definition->state != STATE_BUILT) return false;
  *out = make_node(definition->node, name->mark, name->text);
  return true;
}
