#include "export/graphviz.h"

#include <dlfcn.h>
#include <graphviz/cgraph.h>
#include <pthread.h>
#include <string.h>

/* ---- the library ------------------------------------------------------------------------- */

static struct library {
  Agraph_t *(*open)(char *name, Agdesc_t kind, Agdisc_t *discipline);
  int (*close)(Agraph_t *graph);
  int (*write)(Agraph_t *graph, void *channel);
  Agnode_t *(*node)(Agraph_t *graph, char *name, int create);
  Agnode_t *(*subnode)(Agraph_t *graph, Agnode_t *node, int create);
  Agedge_t *(*edge)(Agraph_t *graph, Agnode_t *tail, Agnode_t *head, char *name, int create);
  Agraph_t *(*subgraph)(Agraph_t *graph, char *name, int create);
  Agsym_t *(*attribute)(Agraph_t *graph, int kind, char *name, char *value);
  int (*set)(void *object, Agsym_t *attribute, char *value);
  char *(*html)(Agraph_t *graph, char *text);
  Agiddisc_t *names; /* how it numbers names */
} library;

static const struct {
  const char *name;
  size_t at;
} entries[] = {{"agopen", offsetof(struct library, open)},
               {"agclose", offsetof(struct library, close)},
               {"agwrite", offsetof(struct library, write)},
               {"agnode", offsetof(struct library, node)},
               {"agsubnode", offsetof(struct library, subnode)},
               {"agedge", offsetof(struct library, edge)},
               {"agsubg", offsetof(struct library, subgraph)},
               {"agattr", offsetof(struct library, attribute)},
               {"agxset", offsetof(struct library, set)},
               {"agstrdup_html", offsetof(struct library, html)},
               {"AgIdDisc", offsetof(struct library, names)}};

static bool library_found;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void open_library(void) {
  void *handle = dlopen("libcgraph.so.6", RTLD_NOW | RTLD_LOCAL);
  library_found = handle != NULL;
  for (size_t i = 0; handle && i < sizeof entries / sizeof *entries; i++) {
    void *entry = dlsym(handle, entries[i].name);
    library_found = library_found && entry;
    memcpy((char *)&library + entries[i].at, &entry, sizeof entry);
  }
}

/* It keeps what it is doing in variables of its own: one graph is built at a time. */
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- memory ------------------------------------------------------------------------------ */

/* libcgraph has no answer to memory that runs out, and cannot be left in the middle of a call.  So
 * it gets its memory from a pool that is filled up before each call, where one can leave. */
struct gv {
  struct arena *arena;
  Agraph_t *graph;
  char *pool, *end;
  Agmemdisc_t memory;
  Agiodisc_t channel;
  Agdisc_t discipline;
};

enum {
  ALIGNMENT = 16,
  CHUNK = 1 << 18,
  CALL_MOST = 1 << 13 /* what a call takes at most, beside the texts that it is given */
};

static void fill_pool(struct gv *gv, size_t texts) {
  size_t wanted = CALL_MOST + 2 * texts;
  if ((size_t)(gv->end - gv->pool) >= wanted) return;
  size_t size = wanted > CHUNK ? wanted : CHUNK;
  gv->pool = arena_alloc(gv->arena, size);
  gv->end = gv->pool + size;
}

static void *pool_open(Agdisc_t *discipline) {
  return (char *)discipline - offsetof(struct gv, discipline);
}

static void *pool_alloc(void *pool, size_t size) {
  struct gv *gv = pool;
  size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if ((size_t)(gv->end - gv->pool) < size) return arena_alloc(gv->arena, size);
  gv->pool += size;
  return gv->pool - size;
}

static void *pool_resize(void *pool, void *at, size_t before, size_t size) {
  void *moved = pool_alloc(pool, size);
  if (before) memcpy(moved, at, before < size ? before : size);
  return moved;
}

static void pool_free(void *pool, void *at) { (void)pool, (void)at; }

/* ---- output ------------------------------------------------------------------------------ */

static int put_string(void *out, const char *string) {
  text_puts(out, string);
  return 0;
}

static int put_nothing(void *out) {
  (void)out;
  return 0;
}

static void build_and_write(struct gv *gv, const char *name, gv_build_fn *build, void *context,
                            struct text *out) {
  const Agdesc_t directed = {.directed = 1, .maingraph = 1};
  fill_pool(gv, strlen(name));
  gv->graph = library.open((char *)name, directed, &gv->discipline);
  build(gv, context);
  library.write(gv->graph, out);
}

bool gv_write(struct arena *arena, const char *name, gv_build_fn *build, void *context,
              struct text *out) {
  pthread_once(&library_once, open_library);
  if (!library_found) return false;
  struct gv *gv = ARENA_NEW(arena, struct gv);
  gv->arena = arena;
  /* Nothing to close the pool by: then agclose gives back all that is not from the pool. */
  gv->memory = (Agmemdisc_t){pool_open, pool_alloc, pool_resize, pool_free, NULL};
  gv->channel = (Agiodisc_t){.putstr = put_string, .flush = put_nothing};
  gv->discipline = (Agdisc_t){&gv->memory, library.names, &gv->channel};

  /* Memory that runs out jumps over all this: what libcgraph took elsewhere is given back first. */
  jmp_buf guard, *const outer = arena->guard;
  pthread_mutex_lock(&library_lock);
  arena->guard = &guard;
  bool finished = setjmp(guard) == 0;
  if (finished) build_and_write(gv, name, build, context, out);
  arena->guard = outer;
  if (gv->graph) library.close(gv->graph);
  pthread_mutex_unlock(&library_lock);
  if (!finished) arena_exhausted(arena);
  return true;
}

/* ---- building ---------------------------------------------------------------------------- */

Agsym_t *gv_attribute(struct gv *gv, enum gv_kind kind, const char *name, const char *fallback) {
  static const int kinds[] = {[GV_GRAPH] = AGRAPH, [GV_NODE] = AGNODE, [GV_EDGE] = AGEDGE};
  fill_pool(gv, strlen(name) + strlen(fallback));
  return library.attribute(gv->graph, kinds[kind], (char *)name, (char *)fallback);
}

Agraph_t *gv_graph(struct gv *gv) { return gv->graph; }

Agraph_t *gv_frame(struct gv *gv, Agraph_t *around, const char *name) {
  fill_pool(gv, strlen(name));
  return library.subgraph(around, (char *)name, 1);
}

Agnode_t *gv_node(struct gv *gv, const char *name) {
  fill_pool(gv, strlen(name));
  return library.node(gv->graph, (char *)name, 1);
}

Agedge_t *gv_edge(struct gv *gv, Agnode_t *tail, Agnode_t *head) {
  fill_pool(gv, 0);
  return library.edge(gv->graph, tail, head, NULL, 1);
}

void gv_put(struct gv *gv, Agraph_t *frame, Agnode_t *node) {
  enum { DEPTH_MOST = 64 }; /* calls are not nested deeper; each frame takes a little */
  fill_pool(gv, DEPTH_MOST * sizeof(Agsubnode_t));
  library.subnode(frame, node, 1);
}

void gv_set(struct gv *gv, void *object, Agsym_t *attribute, const char *value) {
  fill_pool(gv, strlen(value));
  library.set(object, attribute, (char *)value);
}

void gv_set_html(struct gv *gv, void *object, Agsym_t *attribute, const char *label) {
  fill_pool(gv, strlen(label));
  library.set(object, attribute, library.html(gv->graph, (char *)label));
}
