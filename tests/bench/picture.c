/* picture NET [REPEATS]: DOT of a net in all styles, against the same calls of libcgraph alone:
 * those that build and write the same graph, with every text at hand; in turn within one process. */
#include <graphviz/cgraph.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpgraph.h"
#include "stopwatch.h"

/* ---- a graph as the calls that make it -------------------------------------------------------- */

struct setting {
  int attribute;
  char *value;
  bool html;
};

struct object {
  char *name;          /* of a node */
  int tail, head;      /* of an edge */
  size_t first, count; /* settings */
};

struct recording {
  struct object *nodes, *edges;
  int node_count, edge_count;
  struct setting *settings;
  size_t setting_count, capacity;
  char *names[3][64], *defaults[3][64];
  int attributes[3];
};

static void *grow(void *at, size_t size) {
  void *grown = realloc(at, size);
  if (!grown) exit(3);
  return grown;
}

static char *keep(const char *text) {
  char *copy = strdup(text);
  if (!copy) exit(3);
  return copy;
}

static void record_settings(struct recording *recording, Agraph_t *graph, void *from, int kind,
                            struct object *object) {
  int i = 0;
  object->first = recording->setting_count;
  for (Agsym_t *symbol = NULL; (symbol = agnxtattr(graph, kind, symbol)); i++) {
    char *value = agxget(from, symbol);
    if (!strcmp(value, symbol->defval)) continue;
    if (recording->setting_count == recording->capacity) {
      recording->capacity = recording->capacity * 2 + 1024;
      recording->settings =
          grow(recording->settings, recording->capacity * sizeof *recording->settings);
    }
    recording->settings[recording->setting_count++] =
        (struct setting){i, keep(value), aghtmlstr(value)};
  }
  object->count = recording->setting_count - object->first;
}

static struct recording record(const char *dot) {
  struct recording recording = {0};
  Agraph_t *graph = agmemread(dot);
  if (!graph) exit(3);
  for (int kind = AGRAPH; kind <= AGEDGE; kind++)
    for (Agsym_t *symbol = NULL; (symbol = agnxtattr(graph, kind, symbol));) {
      int i = recording.attributes[kind]++;
      recording.names[kind][i] = keep(symbol->name);
      recording.defaults[kind][i] = keep(symbol->defval);
    }
  recording.nodes = grow(NULL, (size_t)agnnodes(graph) * sizeof *recording.nodes);
  recording.edges = grow(NULL, (size_t)agnedges(graph) * sizeof *recording.edges);
  for (Agnode_t *node = agfstnode(graph); node; node = agnxtnode(graph, node)) {
    struct object *object = &recording.nodes[recording.node_count++];
    *object = (struct object){.name = keep(agnameof(node))};
    record_settings(&recording, graph, node, AGNODE, object);
  }
  for (Agnode_t *node = agfstnode(graph); node; node = agnxtnode(graph, node))
    for (Agedge_t *edge = agfstout(graph, node); edge; edge = agnxtout(graph, edge)) {
      struct object *object = &recording.edges[recording.edge_count++];
      object->tail = (int)AGSEQ(agtail(edge)) - 1;
      object->head = (int)AGSEQ(aghead(edge)) - 1;
      record_settings(&recording, graph, edge, AGEDGE, object);
    }
  agclose(graph);
  return recording;
}

/* ---- replaying it ----------------------------------------------------------------------------- */

static char *buffer;
static size_t buffered, room;

static int put(void *channel, const char *text) {
  size_t size = strlen(text);
  (void)channel;
  if (buffered + size > room) {
    room = 2 * (buffered + size);
    buffer = grow(buffer, room);
  }
  memcpy(buffer + buffered, text, size);
  buffered += size;
  return 0;
}

static int flush(void *channel) {
  (void)channel;
  return 0;
}

static void set_all(const struct recording *recording, Agraph_t *graph, void *to,
                    const struct object *object, Agsym_t *const *symbols) {
  for (size_t i = object->first; i < object->first + object->count; i++) {
    const struct setting *setting = &recording->settings[i];
    char *value = setting->html ? agstrdup_html(graph, setting->value) : setting->value;
    agxset(to, symbols[setting->attribute], value);
  }
}

static void replay(const struct recording *recording) {
  Agiodisc_t channel = {NULL, put, flush};
  Agdisc_t discipline = {&AgMemDisc, &AgIdDisc, &channel};
  Agraph_t *graph = agopen((char *)"bpgraph", Agdirected, &discipline);
  Agsym_t *symbols[3][64];
  for (int kind = AGRAPH; kind <= AGEDGE; kind++)
    for (int i = 0; i < recording->attributes[kind]; i++)
      symbols[kind][i] =
          agattr(graph, kind, recording->names[kind][i], recording->defaults[kind][i]);
  Agnode_t **nodes = grow(NULL, (size_t)recording->node_count * sizeof *nodes);
  for (int i = 0; i < recording->node_count; i++) {
    nodes[i] = agnode(graph, recording->nodes[i].name, 1);
    set_all(recording, graph, nodes[i], &recording->nodes[i], symbols[AGNODE]);
  }
  for (int i = 0; i < recording->edge_count; i++) {
    const struct object *edge = &recording->edges[i];
    Agedge_t *made = agedge(graph, nodes[edge->tail], nodes[edge->head], NULL, 1);
    set_all(recording, graph, made, edge, symbols[AGEDGE]);
  }
  buffered = 0;
  agwrite(graph, NULL);
  agclose(graph);
  free(nodes);
}

/* ---- measuring -------------------------------------------------------------------------------- */

static bp_result *evaluate(bp_net *net) {
  bp_evaluate_options all = {.all = true};
  bp_result *result = net && bp_net_ok(net) ? bp_evaluate(net, &all) : NULL;
  if (result) return result;
  fputs("picture: the net cannot be evaluated\n", stderr);
  exit(3);
}

/* Draws once; the bytes are kept for the caller where `out` is given. */
static double draw(bp_result *result, const char *style, char **out) {
  bp_picture_options options = {.style = style, .level = "ops", .max_nodes = SIZE_MAX};
  double start = now_ms();
  size_t size;
  bp_picture *picture = bp_picture_make(result, &options);
  const char *dot = picture ? bp_picture_draw(picture, "dot", false, &size) : NULL;
  double took = now_ms() - start;
  if (!dot) exit(3);
  if (out) *out = keep(dot);
  bp_picture_free(picture);
  return took;
}

static void measure(bp_result *result, const char *style, int repeats) {
  char *dot;
  double *ours = grow(NULL, (size_t)repeats * sizeof *ours);
  double *bare = grow(NULL, (size_t)repeats * sizeof *bare);
  draw(result, style, &dot);
  const struct recording recording = record(dot);
  for (int i = 0; i < repeats; i++) {
    ours[i] = draw(result, style, NULL);
    double start = now_ms();
    replay(&recording);
    bare[i] = now_ms() - start;
  }
  bool same = buffered + 64 > strlen(dot) && buffered < strlen(dot) + 64;
  double a = median(bare, repeats), b = median(ours, repeats);
  printf("%-8s %7d nodes %7d edges: libcgraph alone %6.0f ms, DOT %6.0f ms: %.2f%s\n", style,
         recording.node_count, recording.edge_count, a, b, b / a, same ? "" : " (NOT THE SAME)");
  free(dot);
  free(ours);
  free(bare);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fputs("usage: picture NET [REPEATS]\n", stderr);
    return 2;
  }
  bp_net *net = bp_net_load(argv[1], NULL);
  bp_result *result = evaluate(net);
  int repeats = argc > 2 ? atoi(argv[2]) : 3;
  const char *const styles[] = {"wires", "boxes", "compact"};
  for (int i = 0; i < 3; i++) measure(result, styles[i], repeats > 0 ? repeats : 1);
  bp_result_free(result);
  bp_net_free(net);
  return 0;
}
