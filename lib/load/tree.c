#include "load/tree.h"

#include <string.h>

tree_id tree_first(const struct tree *tree, tree_id id) {
  const struct tree_node *node = &tree->nodes.at[id];
  if (node->flags & TREE_ALIAS) id = node->link;
  return tree->nodes.at[id].size ? id + 1 : TREE_NONE;
}

tree_id tree_next(const struct tree *tree, tree_id id) {
  const struct tree_node *node = &tree->nodes.at[id];
  if (node->flags & TREE_LAST) return TREE_NONE;
  return node->kind == TREE_SCALAR || node->flags & TREE_ALIAS ? id + 1 : id + node->link;
}

void tree_release(struct tree *tree) {
  arena_release(tree->arena, tree->nodes.at);
  tree->nodes.at = NULL;
  tree->nodes.count = tree->nodes.capacity = 0;
}

struct mark tree_mark(const struct tree *tree, tree_id id) {
  const struct tree_node *node = tree_at(tree, id);
  uint32_t end = node->start + 1;
  if (node->flags & TREE_DECODED)
    end = tree->decoded.at[node->link].end;
  else if (node->kind == TREE_SCALAR)
    end = node->start + node->size + (node->flags & TREE_PLAIN ? 0 : 2);
  return (struct mark){node->start, end};
}

/* Where the text of a scalar that is not decoded starts. */
static uint32_t text_start(const struct tree_node *node) {
  return node->start + (node->flags & TREE_PLAIN ? 0 : 1);
}

const char *tree_text(const struct tree *tree, tree_id id) {
  const struct tree_node *node = tree_at(tree, id);
  return node->flags & TREE_DECODED ? tree->decoded.at[node->link].text
                                    : tree->source->bytes + (text_start(node) - tree->source->base);
}

bool tree_is(const struct tree *tree, tree_id id, const char *word) {
  const struct tree_node *node = tree_at(tree, id);
  size_t size = strlen(word);
  return node->kind == TREE_SCALAR && node->size == size &&
         !memcmp(tree_text(tree, id), word, size);
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* The raw bytes that one escape of a text in double quotes takes. */
static size_t escape_size(const char *at) {
  switch (at[1]) {
  case 'x': return 4;
  case 'u': return 6;
  case 'U': return 10;
  default: return 2;
  }
}

/* Finds the place of every byte of a decoded scalar in the raw bytes that it was decoded from:
 * what is no space stands there in the same order, escapes and doubled quotes aside. */
static void align(struct tree *tree, const struct tree_node *node, struct decoded *decoded) {
  const char *text = decoded->text;
  uint32_t *map = ARENA_ARRAY(tree->arena, uint32_t, node->size + 1);
  uint32_t *ends = ARENA_ARRAY(tree->arena, uint32_t, node->size + 1);
  const char *raw = tree->source->bytes + (node->start - tree->source->base);
  const char *end = tree->source->bytes + (decoded->end - tree->source->base);
  char quote = raw < end && (*raw == '"' || *raw == '\'') ? *raw++ : '\0';
  if (raw < end && (*raw == '|' || *raw == '>')) /* a block scalar's header */
    while (raw < end && *raw != '\n') raw++;
  for (uint32_t i = 0; i < node->size; i++) {
    while (raw < end && is_space(*raw) && !(is_space(text[i]) && *raw == text[i])) raw++;
    while (quote == '"' && raw + 1 < end && raw[0] == '\\' && (raw[1] == '\n' || raw[1] == '\r')) {
      raw += 2;
      while (raw < end && is_space(*raw)) raw++;
    }
    uint32_t first = i;
    map[i] = tree->source->base + (uint32_t)(raw - tree->source->bytes);
    if (raw >= end) {
      /* Nothing is left of it. */
    } else if (quote == '"' && *raw == '\\') {
      raw += escape_size(raw);
      while (i + 1 < node->size && ((unsigned char)text[i + 1] & 0xc0) == 0x80)
        map[++i] = map[first]; /* an escape may stand for a character of several bytes */
    } else if (quote == '\'' && *raw == '\'') {
      raw += 2;
    } else if (*raw == text[i]) {
      raw++;
    }
    for (uint32_t k = first; k <= i; k++)
      ends[k] = tree->source->base + (uint32_t)(raw - tree->source->bytes);
  }
  map[node->size] = tree->source->base + (uint32_t)(raw - tree->source->bytes);
  decoded->map = map;
  decoded->ends = ends;
}

struct expr_text tree_expr_text(struct tree *tree, tree_id id) {
  const struct tree_node *node = tree_at(tree, id);
  struct expr_text text = {.at = tree_text(tree, id), .size = node->size};
  if (node->flags & TREE_DECODED) {
    struct decoded *decoded = &tree->decoded.at[node->link];
    if (!decoded->map) align(tree, node, decoded);
    text.map = decoded->map;
    text.ends = decoded->ends;
    text.base = node->start;
  } else {
    text.base = text_start(node);
  }
  return text;
}
