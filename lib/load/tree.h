/* YAML as a tree with marks.
 *
 * The nodes lie in one array and are linked by index: 24 bytes each, so that a file of a million
 * nodes stays small.  A scalar's text is the file's own bytes wherever these are the text
 * (plain and quoted scalars on one line without escapes), and a decoded copy elsewhere. */
#ifndef BPGRAPH_LOAD_TREE_H
#define BPGRAPH_LOAD_TREE_H

#include "base/report.h"
#include "lang/expr.h"

typedef uint32_t tree_id;
#define TREE_NONE UINT32_MAX

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAPPING };

enum {
  TREE_PLAIN = 1,   /* a scalar without quotes, not a block scalar */
  TREE_DECODED = 2, /* the text is a copy: `at` counts into tree.decoded */
  TREE_FLOW = 4,    /* a scalar inside [] or {}, or a list or mapping written so */
  TREE_ANCHOR = 8   /* has an &anchor */
};

struct tree_node {
  uint32_t start, end; /* the mark; of a list or mapping the mark of its start */
  tree_id next;        /* the next item of the same list or mapping */
  union {
    tree_id child; /* the first item; in a mapping keys and values alternate */
    uint32_t at;   /* a scalar's text: an offset into the source, or an index into `decoded` */
  };
  uint32_t size; /* bytes of text; items */
  uint8_t kind, flags;
};

struct decoded {
  const char *text;
  const uint32_t *map; /* the mark of each byte and of the end; made when first asked for */
};

struct tree {
  struct arena *arena;
  struct report *report;
  const struct source *source;
  VEC(struct tree_node) nodes;
  VEC(struct decoded) decoded;
  tree_id root;
};

/* Reads YAML from a source into a tree.  Reports and returns false where it is not well-formed,
 * or uses what net files do not: tags, directives, several documents, nesting over 64, aliases
 * that refer to themselves or expand beyond bounds.  Duplicate and merge keys are left to whoever
 * reads the mappings. */
bool tree_read(struct tree *tree, struct arena *arena, struct report *report,
               const struct source *source);

/* The version of libyaml, for --version. */
const char *yaml_library_version(void);

static inline const struct tree_node *tree_at(const struct tree *tree, tree_id id) {
  return &tree->nodes.at[id];
}
struct mark tree_mark(const struct tree *tree, tree_id id);
const char *tree_text(const struct tree *tree, tree_id id);

/* A scalar's text as an expression, with the place of every byte. */
struct expr_text tree_expr_text(struct tree *tree, tree_id id);

/* Whether a scalar's text is `word`. */
bool tree_is(const struct tree *tree, tree_id id, const char *word);

#endif
