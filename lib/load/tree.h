/* YAML as a tree with marks.
 *
 * The nodes lie in one array in the order of the file, a list or mapping before its items: 16 bytes
 * each, so that a file of a million nodes stays small.  A scalar's text is the file's own bytes
 * wherever these are the text (plain and quoted scalars on one line without escapes), and a decoded
 * copy elsewhere. */
#ifndef BPGRAPH_LOAD_TREE_H
#define BPGRAPH_LOAD_TREE_H

#include "base/report.h"
#include "lang/expr.h"

typedef uint32_t tree_id;
#define TREE_NONE UINT32_MAX

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAPPING };

enum {
  TREE_PLAIN = 1,   /* a scalar without quotes, not a block scalar */
  TREE_DECODED = 2, /* the text is a copy */
  TREE_FLOW = 4,    /* a scalar inside [] or {}, or a list or mapping written so */
  TREE_ANCHOR = 8,  /* has an &anchor */
  TREE_LAST = 16,   /* the last item of its list or mapping */
  TREE_ALIAS = 32   /* stands for the node `link` */
};

struct tree_node {
  uint32_t start; /* the mark of its first character */
  uint32_t size;  /* bytes of text; items (in a mapping keys and values alternate) */
  uint32_t link;  /* of a list or mapping: how many nodes it takes, itself included; of a decoded
                     scalar: an index into tree.decoded */
  uint8_t kind, flags;
};

struct decoded {
  const char *text;
  uint32_t end;         /* of the mark */
  const uint32_t *map;  /* where each byte starts, and the text ends; made when first asked for */
  const uint32_t *ends; /* where each byte ends */
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
  const struct tree_node *node = &tree->nodes.at[id];
  return node->flags & TREE_ALIAS ? &tree->nodes.at[node->link] : node;
}

/* The first item of a list or mapping, and the item after another; TREE_NONE after the last. */
tree_id tree_first(const struct tree *tree, tree_id id);
tree_id tree_next(const struct tree *tree, tree_id id);

/* Gives the memory of the nodes back early. */
void tree_release(struct tree *tree);

struct mark tree_mark(const struct tree *tree, tree_id id);
const char *tree_text(const struct tree *tree, tree_id id);

/* A scalar's text as an expression, with the place of every byte. */
struct expr_text tree_expr_text(struct tree *tree, tree_id id);

/* Whether a scalar's text is `word`. */
bool tree_is(const struct tree *tree, tree_id id, const char *word);

#endif
