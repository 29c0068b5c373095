#include "export/picture.h"

#include <math.h>
#include <string.h>

#include "load/functions.h"

/* Room for the steps between which the picture is made. */
struct making {
  struct picture *picture;
  const struct picture_options *options;
  struct arena *arena;
  const struct result *result;
  const struct graph *graph;
  size_t count;        /* of the graph's nodes */
  node_id *stands;     /* of each node: the node that it is drawn as; NODE_NONE: not at all */
  uint32_t *drawn;     /* of each node: its place in picture->nodes, or DRAWN_NONE */
  const bool *carries; /* of each node: `wrt` moves it; NULL: all do that have a gradient */
  bool *collapsed;     /* of each call */
  const struct caption **captions; /* of each node; NULL: there are none */
};

/* ---- options ----------------------------------------------------------------------------- */

static const char *const style_names[] = {"wires", "boxes", "compact", NULL};
static const char *const palette_names[] = {"default", "classic", NULL};
static const char *const level_names[] = {"ops", "names", NULL};
static const char *const show_names[] = {"value",        "gradient", "local",
                                         "contribution", "shape",    NULL};

/* An option's text, for messages to point into. */
static struct source *option_source(const struct making *making, const char *option,
                                    const char *text) {
  struct net *net = making->result->net;
  size_t size = strlen(text);
  return report_source(net->report, option, arena_copy(net->arena, text, size), size);
}

static bool fail_word(const struct making *making, const struct source *source, const char *word,
                      size_t size, const char *const *words) {
  struct report *report = making->result->net->report;
  struct text list;
  text_init(&list, making->arena, NULL, NULL);
  for (size_t i = 0; words[i]; i++)
    text_printf(&list, "%s%s", !i ? "" : words[i + 1] ? ", " : " or ", words[i]);
  report_add(report, source_mark(source, word, size), BP(NOT_A_CHOICE), source->name,
             text_string(&list), report_quote(report, word, size));
  return false;
}

static int find_word(const char *word, size_t size, const char *const *words) {
  for (int i = 0; words[i]; i++)
    if (strlen(words[i]) == size && !memcmp(words[i], word, size)) return i;
  return -1;
}

/* Reads an option that is one of several words. */
static bool read_word(const struct making *making, const char *option, const char *text,
                      const char *const *words, int *out) {
  if (!text) return true;
  *out = find_word(text, strlen(text), words);
  if (*out >= 0) return true;
  const struct source *source = option_source(making, option, text);
  return fail_word(making, source, source->bytes, source->size, words);
}

/* The next of several words with commas between; false after the last. */
static bool next_word(const char **at, const char **word, size_t *size) {
  if (!*at) return false;
  *word = *at;
  *size = strcspn(*at, ",");
  *at = (*at)[*size] ? *at + *size + 1 : NULL;
  while (*size && **word == ' ') ++*word, --*size;
  while (*size && (*word)[*size - 1] == ' ') --*size;
  return true;
}

static bool read_show(const struct making *making) {
  struct picture *picture = making->picture;
  const unsigned by_style[] = {[STYLE_WIRES] = SHOW_VALUE | SHOW_GRADIENT | SHOW_SHAPE,
                               [STYLE_BOXES] = SHOW_VALUE | SHOW_GRADIENT | SHOW_SHAPE,
                               [STYLE_COMPACT] = SHOW_SHAPE};
  picture->show = by_style[picture->style];
  if (!making->options->show) return true;
  const struct source *source = option_source(making, "--show", making->options->show);
  const char *at = source->bytes, *word;
  size_t size;
  picture->show = 0;
  while (next_word(&at, &word, &size)) {
    int found = find_word(word, size, show_names);
    if (found < 0) return fail_word(making, source, word, size, show_names);
    picture->show |= 1u << found;
  }
  return true;
}

/* The node that an option names. */
static node_id read_node(const struct making *making, const struct source *source, const char *name,
                         size_t size) {
  struct net *net = making->result->net;
  node_id id = net_find(net, name, size);
  if (id != NODE_NONE) return id;
  report_add(net->report, source_mark(source, name, size), BP(NOT_A_NODE),
             report_quote(net->report, name, size));
  const char *nearest = net_nearest(net, name, size);
  if (nearest) report_hint(net->report, "did you mean '%s'?", nearest);
  return NODE_NONE;
}

/* ---- which nodes ------------------------------------------------------------------------- */

/* Numbers in expressions stand in the nodes that use them; what is computed on the way back only
 * is nobody's node. */
static bool is_hidden(const struct making *making, node_id id) {
  const struct node *node = graph_node(making->graph, id);
  bool number = node->role == ROLE_LITERAL && !node->name && node->shape->size == 1;
  return number || node->backward || !run_value(&making->result->run, id);
}

static enum level default_level(const struct making *making) {
  size_t count = 0;
  for (node_id id = 0; id < making->count; id++) count += !is_hidden(making, id);
  return count > NAMES_ABOVE ? LEVEL_NAMES : LEVEL_OPS;
}

static bool lies_in(const struct call_site *call, node_id id) {
  return call->first <= id && id < call->end;
}

static bool is_call_named(const struct call_site *call, const char *name, size_t size) {
  const char *function = function_name(call->function);
  return (strlen(function) == size && !memcmp(function, name, size)) ||
         (call->name_size == size && !memcmp(call->name, name, size));
}

/* Marks the calls that --collapse names, by their own name or by that of their function. */
static bool read_collapse(struct making *making) {
  struct net *net = making->result->net;
  making->collapsed = ARENA_ARRAY(making->arena, bool, net->calls_made.count + 1);
  if (!making->options->collapse) return true;
  const struct source *source = option_source(making, "--collapse", making->options->collapse);
  const char *at = source->bytes, *word;
  size_t size;
  while (next_word(&at, &word, &size)) {
    bool found = false;
    for (size_t i = 0; i < net->calls_made.count; i++) {
      if (!is_call_named(&net->calls_made.at[i], word, size)) continue;
      found = making->collapsed[i] = true;
    }
    if (found) continue;
    report_add(net->report, source_mark(source, word, size), BP(NOT_A_CALL),
               report_quote(net->report, word, size));
    return false;
  }
  return true;
}

/* A call with the author's own backward ends in a node of the function's own, which takes the body's
 * value through a node that stops its gradient: no op of the author's. */
static node_id find_stop(const struct making *making, const struct call_site *call) {
  if (call->output == call->body) return NODE_NONE;
  return graph_inputs(making->graph, graph_node(making->graph, call->output))[0];
}

/* What each node would be hidden in: the outermost collapsed call around it, or the named node that
 * it is a part of; NODE_NONE: nothing. */
static node_id *find_hosts(const struct making *making) {
  const struct net *net = making->result->net;
  node_id *host = ARENA_ARRAY(making->arena, node_id, making->count + 1);
  for (node_id id = 0; id < making->count; id++) {
    const struct node *node = graph_node(making->graph, id);
    bool part = making->picture->level == LEVEL_NAMES && !node->name && node->owner != id &&
                node->role != ROLE_INPUT;
    host[id] = part ? node->owner : NODE_NONE;
  }
  for (size_t i = 0; i < net->calls_made.count; i++) {
    const struct call_site *call = &net->calls_made.at[i];
    node_id stop = find_stop(making, call);
    if (stop != NODE_NONE) host[stop] = call->output;
    if (!making->collapsed[i] || !lies_in(call, call->output)) continue;
    for (node_id id = call->first; id < call->end; id++)
      if (id != call->output) host[id] = call->output;
  }
  return host;
}

/* A node other than the output hides in its host where all its users do: then whatever leaves the host leaves it from one
 * node, and hiding makes no cycles.  Users stand behind what they use. */
static void find_stands(struct making *making) {
  const node_id *host = find_hosts(making);
  const node_id many = NODE_NONE - 1;
  node_id *user = ARENA_ARRAY(making->arena, node_id, making->count + 1);
  making->stands = ARENA_ARRAY(making->arena, node_id, making->count + 1);
  for (size_t i = 0; i < making->count; i++) user[i] = NODE_NONE;
  for (size_t i = making->count; i--;) {
    node_id id = (node_id)i;
    making->stands[id] = NODE_NONE;
    const struct node *node = graph_node(making->graph, id);
    /* Without a user these are no part of the graph: constants that only claims speak of, and what has
     * no name: what `upstream` gives, leftovers of grad(L, v). */
    bool lost = (!node->name || node->role == ROLE_CONSTANT) && user[id] == NODE_NONE &&
                id != making->result->plan.output;
    if (lost || is_hidden(making, id)) continue;
    making->stands[id] = id;
    if (host[id] != NODE_NONE && user[id] != NODE_NONE && id != making->result->plan.output) {
      /* The host itself may hide in another. */
      node_id outer = host[id] > id ? making->stands[host[id]] : NODE_NONE;
      if (outer == user[id]) making->stands[id] = outer;
    }
    const node_id *inputs = graph_inputs(making->graph, node);
    for (unsigned k = 0; k < node->count; k++) {
      node_id *by = &user[inputs[k]];
      *by = *by == NODE_NONE || *by == making->stands[id] ? making->stands[id] : many;
    }
  }
}

static void find_captions(struct making *making) {
  const struct net *net = making->result->net;
  if (!net->captions.count) return;
  making->captions = ARENA_ARRAY(making->arena, const struct caption *, making->count + 1);
  for (size_t i = 0; i < net->captions.count; i++)
    making->captions[net->captions.at[i].node] = &net->captions.at[i];
}

static void add_nodes(struct making *making) {
  struct picture *picture = making->picture;
  making->drawn = ARENA_ARRAY(making->arena, uint32_t, making->count + 1);
  for (node_id id = 0; id < making->count; id++) {
    making->drawn[id] = DRAWN_NONE;
    if (making->stands[id] != id) continue;
    making->drawn[id] = (uint32_t)picture->nodes.count;
    *vec_push(picture->arena, &picture->nodes) = (struct drawn){
        .id = id, .cluster = DRAWN_NONE, .caption = making->captions ? making->captions[id] : NULL};
  }
  for (node_id id = 0; id < making->count; id++) {
    if (making->stands[id] == NODE_NONE || making->stands[id] == id) continue;
    picture->nodes.at[making->drawn[making->stands[id]]].whole = true;
  }
  const struct net *net = making->result->net;
  for (size_t i = 0; i < net->calls_made.count; i++) {
    const struct call_site *call = &net->calls_made.at[i];
    if (!making->collapsed[i] || !lies_in(call, call->output)) continue;
    uint32_t at = making->drawn[call->output];
    if (at == DRAWN_NONE) continue; /* in a call that is collapsed around it */
    picture->nodes.at[at].call = call;
    picture->nodes.at[at].whole = true;
  }
}

/* ---- which edges ------------------------------------------------------------------------- */

/* The nodes in the order of what they are drawn as. */
static node_id *sort_members(const struct making *making, size_t *count) {
  const size_t drawn = making->picture->nodes.count;
  size_t *start = ARENA_ARRAY(making->arena, size_t, drawn + 2);
  for (node_id id = 0; id < making->count; id++)
    if (making->stands[id] != NODE_NONE) start[making->drawn[making->stands[id]] + 1]++;
  for (size_t i = 0; i < drawn; i++) start[i + 1] += start[i];
  *count = start[drawn];
  node_id *members = ARENA_ARRAY(making->arena, node_id, *count + 1);
  for (node_id id = 0; id < making->count; id++)
    if (making->stands[id] != NODE_NONE) members[start[making->drawn[making->stands[id]]]++] = id;
  return members;
}

static void add_arc(struct making *making, node_id id, unsigned slot, uint32_t *latest) {
  struct picture *picture = making->picture;
  node_id source = graph_inputs(making->graph, graph_node(making->graph, id))[slot];
  if (making->stands[source] == NODE_NONE) return;
  uint32_t to = making->drawn[making->stands[id]];
  uint32_t from = making->drawn[making->stands[source]];
  if (from == to) return;
  uint32_t at = (uint32_t)picture->arcs.count;
  *vec_push(picture->arena, &picture->arcs) = (struct arc){id, slot, DRAWN_NONE};
  uint32_t before = latest[source];
  struct edge *edge = before == DRAWN_NONE ? NULL : &picture->edges.at[before];
  if (edge && edge->to == to && picture->nodes.at[to].whole) {
    picture->arcs.at[edge->last].next = at;
    edge->last = at;
    return;
  }
  latest[source] = (uint32_t)picture->edges.count;
  *vec_push(picture->arena, &picture->edges) =
      (struct edge){.from = from, .to = to, .source = source, .arc = at, .last = at};
}

static void add_edges(struct making *making) {
  size_t count;
  const node_id *members = sort_members(making, &count);
  uint32_t *latest = ARENA_ARRAY(making->arena, uint32_t, making->count + 1);
  for (size_t i = 0; i < making->count; i++) latest[i] = DRAWN_NONE;
  for (size_t i = 0; i < count; i++)
    for (unsigned k = 0; k < graph_node(making->graph, members[i])->count; k++)
      add_arc(making, members[i], k, latest);
}

/* ---- what is left of it ------------------------------------------------------------------ */

/* The drawn node that an option means. */
static uint32_t find_drawn(const struct making *making, const struct source *source,
                           const char *name, size_t size) {
  node_id id = read_node(making, source, name, size);
  if (id == NODE_NONE) return DRAWN_NONE;
  if (making->stands[id] != NODE_NONE) return making->drawn[making->stands[id]];
  struct report *report = making->result->net->report;
  report_add(report, source_mark(source, name, size), BP(NOT_DRAWN),
             report_quote(report, name, size));
  return DRAWN_NONE;
}

/* The edges at each node, in either direction: those of node i are at[start[i] .. start[i + 1]). */
struct neighbours {
  size_t *start;
  uint32_t *at;
};

static struct neighbours find_neighbours(const struct making *making) {
  const struct picture *picture = making->picture;
  struct neighbours all = {ARENA_ARRAY(making->arena, size_t, picture->nodes.count + 2),
                           ARENA_ARRAY(making->arena, uint32_t, 2 * picture->edges.count + 1)};
  for (size_t i = 0; i < picture->edges.count; i++) {
    all.start[picture->edges.at[i].from + 1]++;
    all.start[picture->edges.at[i].to + 1]++;
  }
  for (size_t i = 0; i < picture->nodes.count; i++) all.start[i + 1] += all.start[i];
  size_t *fill = ARENA_ARRAY(making->arena, size_t, picture->nodes.count + 1);
  memcpy(fill, all.start, picture->nodes.count * sizeof *fill);
  for (size_t i = 0; i < picture->edges.count; i++) {
    const struct edge *edge = &picture->edges.at[i];
    all.at[fill[edge->from]++] = edge->to;
    all.at[fill[edge->to]++] = edge->from;
  }
  return all;
}

/* Keeps what is at most `depth` edges away from a node, whichever way they point. */
static bool keep_near(const struct making *making, bool *keep) {
  const struct picture *picture = making->picture;
  if (!making->options->focus) return true;
  const struct source *source = option_source(making, "--focus", making->options->focus);
  uint32_t centre = find_drawn(making, source, source->bytes, source->size);
  if (centre == DRAWN_NONE) return false;
  int depth = making->options->depth ? *making->options->depth : DEPTH_DEFAULT;
  const struct neighbours all = find_neighbours(making);
  bool *seen = ARENA_ARRAY(making->arena, bool, picture->nodes.count + 1);
  uint32_t *queue = ARENA_ARRAY(making->arena, uint32_t, picture->nodes.count + 1);
  size_t first = 0, last = 0;
  seen[centre] = true;
  queue[last++] = centre;
  for (int step = 0; step < depth && first < last; step++)
    for (size_t end = last; first < end; first++)
      for (size_t i = all.start[queue[first]]; i < all.start[queue[first] + 1]; i++) {
        if (seen[all.at[i]]) continue;
        seen[all.at[i]] = true;
        queue[last++] = all.at[i];
      }
  for (size_t i = 0; i < picture->nodes.count; i++) keep[i] = keep[i] && seen[i];
  return true;
}

/* Keeps what lies on a way from one node to another.  Edges lead from lower to higher nodes, and
 * stand in the order of those that they lead to. */
static bool keep_between(const struct making *making, bool *keep) {
  const struct picture *picture = making->picture;
  if (!making->options->between) return true;
  const struct source *source = option_source(making, "--between", making->options->between);
  const char *at = source->bytes, *word[3];
  size_t size[3], count = 0;
  while (count < 3 && next_word(&at, &word[count], &size[count])) count++;
  if (count != 2) {
    report_add(making->result->net->report, source_mark(source, source->bytes, source->size),
               BP(WRONG_KIND), "two nodes with a comma between are expected: A,B");
    return false;
  }
  uint32_t from = find_drawn(making, source, word[0], size[0]);
  uint32_t to = find_drawn(making, source, word[1], size[1]);
  if (from == DRAWN_NONE || to == DRAWN_NONE) return false;
  bool *after = ARENA_ARRAY(making->arena, bool, picture->nodes.count + 1);
  bool *before = ARENA_ARRAY(making->arena, bool, picture->nodes.count + 1);
  after[from] = before[to] = true;
  for (size_t i = 0; i < picture->edges.count; i++)
    after[picture->edges.at[i].to] |= after[picture->edges.at[i].from];
  for (size_t i = picture->edges.count; i--;)
    before[picture->edges.at[i].from] |= before[picture->edges.at[i].to];
  if (!after[to]) {
    struct report *report = making->result->net->report;
    report_add(report, source_mark(source, source->bytes, source->size), BP(NO_WAY),
               report_quote(report, word[0], size[0]), report_quote(report, word[1], size[1]));
    if (from > to) report_hint(report, "the node that is nearer to the inputs comes first");
    return false;
  }
  for (size_t i = 0; i < picture->nodes.count; i++) keep[i] = keep[i] && after[i] && before[i];
  return true;
}

/* Takes the nodes that are not kept out of the picture, and their edges. */
static void remove_others(struct making *making, const bool *keep) {
  struct picture *picture = making->picture;
  uint32_t *moved = ARENA_ARRAY(making->arena, uint32_t, picture->nodes.count + 1);
  size_t nodes = 0, edges = 0;
  for (size_t i = 0; i < picture->nodes.count; i++) {
    moved[i] = keep[i] ? (uint32_t)nodes : DRAWN_NONE;
    making->drawn[picture->nodes.at[i].id] = moved[i];
    if (keep[i]) picture->nodes.at[nodes++] = picture->nodes.at[i];
  }
  for (size_t i = 0; i < picture->edges.count; i++) {
    struct edge edge = picture->edges.at[i];
    if (!keep[edge.from] || !keep[edge.to]) continue;
    edge.from = moved[edge.from];
    edge.to = moved[edge.to];
    picture->edges.at[edges++] = edge;
  }
  picture->nodes.count = nodes;
  picture->edges.count = edges;
}

static bool narrow(struct making *making) {
  if (!making->options->focus && !making->options->between) return true;
  bool *keep = ARENA_ARRAY(making->arena, bool, making->picture->nodes.count + 1);
  memset(keep, true, making->picture->nodes.count);
  if (!keep_near(making, keep) || !keep_between(making, keep)) return false;
  remove_others(making, keep);
  return true;
}

static bool check_size(const struct making *making) {
  const size_t count = making->picture->nodes.count;
  const size_t most = making->options->max_nodes ? making->options->max_nodes : NODES_MOST;
  struct report *report = making->result->net->report;
  if (count <= most) return true;
  report_about(report, making->result->net->source, BP(TOO_MANY_DRAWN), count, most);
  report_hint(report, "%s--focus NODE --depth K or --between A,B draws a part, --max-nodes %zu all",
              making->picture->level == LEVEL_OPS ? "--level names draws fewer, " : "", count);
  return false;
}

/* ---- clusters ---------------------------------------------------------------------------- */

/* Frames for calls, outer ones first; not within a call that is one node. */
static void add_clusters(struct making *making) {
  const struct net *net = making->result->net;
  struct picture *picture = making->picture;
  if (!net->calls_made.count) return;
  uint32_t *cluster = ARENA_ARRAY(making->arena, uint32_t, making->count + 1);
  bool *sealed = ARENA_ARRAY(making->arena, bool, making->count + 1);
  for (size_t i = 0; i < making->count; i++) cluster[i] = DRAWN_NONE;
  for (size_t i = net->calls_made.count; i--;) {
    const struct call_site *call = &net->calls_made.at[i];
    if (call->first == call->end || call->end > making->count || sealed[call->first]) continue;
    uint32_t own = (uint32_t)picture->clusters.count;
    if (!making->collapsed[i])
      *vec_push(picture->arena, &picture->clusters) =
          (struct cluster){.call = call, .parent = cluster[call->first]};
    for (node_id id = call->first; id < call->end; id++) {
      if (making->collapsed[i])
        sealed[id] = true;
      else
        cluster[id] = own;
    }
  }
  for (size_t i = 0; i < picture->nodes.count; i++)
    picture->nodes.at[i].cluster = cluster[picture->nodes.at[i].id];
}

/* Drops the frames around a single node: nothing in it needs to be held together. */
static void drop_clusters(struct picture *picture) {
  for (size_t i = 0; i < picture->nodes.count; i++)
    for (uint32_t at = picture->nodes.at[i].cluster; at != DRAWN_NONE;
         at = picture->clusters.at[at].parent)
      picture->clusters.at[at].nodes++;
  for (size_t i = 0; i < picture->nodes.count; i++) {
    uint32_t *at = &picture->nodes.at[i].cluster;
    while (*at != DRAWN_NONE && picture->clusters.at[*at].nodes < 2)
      *at = picture->clusters.at[*at].parent;
  }
}

/* ---- values and gradients ---------------------------------------------------------------- */

/* The nodes that `wrt` moves, where it is given: what the others' gradients are nobody asked. */
static const bool *find_carrying(const struct making *making) {
  if (!making->result->wrt_seen) return NULL;
  bool *carries = ARENA_ARRAY(making->arena, bool, making->count + 1);
  for (node_id id = 0; id < making->count; id++) {
    const struct node *node = graph_node(making->graph, id);
    const node_id *inputs = graph_inputs(making->graph, node);
    carries[id] = making->result->wrt_seen[id];
    for (unsigned k = 0; k < node->count && !carries[id]; k++) carries[id] = carries[inputs[k]];
  }
  return carries;
}

static bool is_zero(const double *at, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (at[i] != 0) return false;
  return true;
}

static bool is_finite(const double *at, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (!isfinite(at[i])) return false;
  return true;
}

static enum flow node_flow(const struct making *making, node_id id) {
  const double *at;
  if (making->carries && !making->carries[id]) return FLOW_NONE;
  enum gradient gradient = result_gradient(making->result, id, &at);
  if (gradient == GRADIENT_NULL || (gradient == GRADIENT_ZERO && !making->result->all))
    return FLOW_NONE;
  size_t size = graph_node(making->graph, id)->shape->size;
  return gradient == GRADIENT_ZERO || is_zero(at, size) ? FLOW_DEAD : FLOW_ALIVE;
}

static void measure_nodes(struct making *making) {
  struct picture *picture = making->picture;
  for (size_t i = 0; i < picture->nodes.count; i++) {
    struct drawn *drawn = &picture->nodes.at[i];
    const size_t size = graph_node(making->graph, drawn->id)->shape->size;
    const double *at = run_value(&making->result->run, drawn->id);
    drawn->not_finite = !is_finite(at, size);
    drawn->flow = (uint8_t)node_flow(making, drawn->id);
    if (drawn->flow != FLOW_ALIVE) continue;
    result_gradient(making->result, drawn->id, &at);
    drawn->not_finite = drawn->not_finite || !is_finite(at, size);
  }
  for (size_t i = 0; i < making->result->undefined.count; i++) {
    const struct undefined *at = &making->result->undefined.at[i];
    node_id stands = making->stands[at->node];
    if (stands == NODE_NONE || making->drawn[stands] == DRAWN_NONE) continue;
    picture->nodes.at[making->drawn[stands]].undefined += at->count;
  }
}

/* How many contributions each node's gradient is the sum of. */
static uint32_t *count_contributions(const struct making *making) {
  uint32_t *uses = ARENA_ARRAY(making->arena, uint32_t, making->count + 1);
  for (node_id id = 0; id < making->count; id++) {
    const struct node *node = graph_node(making->graph, id);
    const node_id *inputs = graph_inputs(making->graph, node);
    for (unsigned k = 0; k < node->count; k++)
      uses[inputs[k]] += result_has_edge(making->result, id, k);
  }
  uses[making->result->plan.output]++; /* what comes from above */
  return uses;
}

/* The Euclidean norm, without overflow on the way. */
static double norm_of(const double *at, size_t size) {
  double scale = 0, sum = 0;
  for (size_t i = 0; i < size; i++) scale = fmax(scale, fabs(at[i]));
  if (scale == 0 || !isfinite(scale)) return scale;
  for (size_t i = 0; i < size; i++) sum += at[i] / scale * (at[i] / scale);
  return scale * sqrt(sum);
}

/* Adds up what comes back along an edge, in `room`; false where nothing does. */
static bool add_contributions(const struct making *making, const struct edge *edge, size_t size,
                              double *room, double *sum) {
  bool any = false;
  for (uint32_t at = edge->arc; at != DRAWN_NONE; at = making->picture->arcs.at[at].next) {
    const struct arc *arc = &making->picture->arcs.at[at];
    if (!result_has_edge(making->result, arc->node, arc->slot)) continue;
    result_contribution(making->result, arc->node, arc->slot, false, any ? room : sum);
    for (size_t i = 0; any && i < size; i++) sum[i] += room[i];
    any = true;
  }
  return any;
}

/* The derivative along an edge between scalars, where it is a single use of an op's input. */
static void measure_local(const struct making *making, struct edge *edge) {
  const struct arc *arc = &making->picture->arcs.at[edge->arc];
  const struct node *node = graph_node(making->graph, arc->node);
  bool single = edge->arc == edge->last && arc->node == making->picture->nodes.at[edge->to].id;
  if (!single || edge->flow == FLOW_NONE || node->shape->size != 1 ||
      graph_node(making->graph, edge->source)->shape->size != 1 || !node->op->backward ||
      !result_has_edge(making->result, arc->node, arc->slot))
    return;
  result_contribution(making->result, arc->node, arc->slot, true, &edge->local);
  edge->has_local = true;
}

static void measure_edges(struct making *making) {
  struct picture *picture = making->picture;
  if (!making->result->gradients) return;
  const uint32_t *uses = count_contributions(making);
  size_t largest = 1;
  for (size_t i = 0; i < picture->edges.count; i++) {
    size_t size = graph_node(making->graph, picture->edges.at[i].source)->shape->size;
    if (size > largest) largest = size;
  }
  double *room = arena_resize(making->arena, NULL, 2 * largest * sizeof *room);
  for (size_t i = 0; i < picture->edges.count; i++) {
    struct edge *edge = &picture->edges.at[i];
    const size_t size = graph_node(making->graph, edge->source)->shape->size;
    if (node_flow(making, edge->source) == FLOW_NONE) continue;
    const double *sum = run_bar(&making->result->run, edge->source);
    const struct arc *arc = &picture->arcs.at[edge->arc];
    edge->flow = FLOW_DEAD;
    measure_local(making, edge);
    if (!result_has_edge(making->result, arc->node, arc->slot) || uses[edge->source] != 1) {
      if (!add_contributions(making, edge, size, room, room + largest)) continue;
      sum = room + largest;
    }
    edge->flow = is_zero(sum, size) ? FLOW_DEAD : FLOW_ALIVE;
    edge->norm = norm_of(sum, size);
    if (isfinite(edge->norm) && edge->norm > picture->largest) picture->largest = edge->norm;
    if (size > ENTRIES_KEPT) continue;
    double *kept = ARENA_ARRAY(picture->arena, double, size + 1);
    memcpy(kept, sum, size * sizeof *kept);
    edge->contribution = kept;
  }
  arena_release(making->arena, room);
}

/* ---- the whole --------------------------------------------------------------------------- */

static bool read_options(struct making *making) {
  const struct picture_options *options = making->options;
  int style = STYLE_WIRES, palette = PALETTE_DEFAULT, level = (int)default_level(making);
  bool fine = read_word(making, "--style", options->style, style_names, &style);
  fine = read_word(making, "--palette", options->palette, palette_names, &palette) && fine;
  fine = read_word(making, "--level", options->level, level_names, &level) && fine;
  if (!fine) return false;
  making->picture->style = (enum style)style;
  making->picture->palette = (enum palette_name)palette;
  making->picture->level = (enum level)level;
  return read_show(making) && read_collapse(making);
}

bool picture_make(struct picture *picture, struct arena *arena, const struct result *result,
                  const struct picture_options *options) {
  struct making making = {.picture = picture,
                          .options = options,
                          .arena = arena,
                          .result = result,
                          .graph = &result->net->graph,
                          .count = result->plan.node_count};
  *picture = (struct picture){.result = result, .arena = arena};
  if (!read_options(&making)) return false;
  find_captions(&making);
  find_stands(&making);
  add_nodes(&making);
  add_edges(&making);
  if (!narrow(&making) || !check_size(&making)) return false;
  add_clusters(&making);
  drop_clusters(picture);
  for (size_t i = 0; i < picture->edges.count; i++)
    picture->nodes.at[picture->edges.at[i].from].users++;
  node_id output = making.stands[result->plan.output];
  picture->output = output == NODE_NONE ? DRAWN_NONE : making.drawn[output];
  making.carries = find_carrying(&making);
  measure_nodes(&making);
  measure_edges(&making);
  return true;
}
