#include "export/yaml.h"

#include <math.h>
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"

enum { LINE_MOST = 96 };

/* ---- scalars ----------------------------------------------------------------------------- */

static bool is_same_word(const char *text, size_t size, const char *word) {
  if (strlen(word) != size) return false;
  for (size_t i = 0; i < size; i++) {
    char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    if (c != word[i]) return false;
  }
  return true;
}

/* A word that some readers take for true, false or null. */
static bool is_taken_word(const char *text, size_t size) {
  static const char *const words[] = {"true", "false", "null", "~", "yes",
                                      "no",   "on",    "off",  "y", "n"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (is_same_word(text, size, words[i])) return true;
  return false;
}

/* Whether a plain scalar cannot start so. */
static bool starts_badly(const char *text, size_t size) {
  bool alone = size == 1 || text[1] == ' ';
  if (strchr(",[]{}#&*!|>'\"%@`", text[0])) return true;
  if (strchr("-?:", text[0])) return alone || (text[0] != '-' && size > 1);
  return size >= 3 && (!memcmp(text, "---", 3) || !memcmp(text, "...", 3));
}

/* Whether a plain scalar would end, or mean something else, somewhere in this text. */
static bool breaks(const char *text, size_t size, bool flow) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    bool last = i + 1 == size;
    if (c < ' ' || c == 0x7f) return true;
    if (c == ':' && (last || text[i + 1] == ' ')) return true;
    if (c == '#' && i && text[i - 1] == ' ') return true;
    if (flow && strchr(",[]{}:", c)) return true;
  }
  return false;
}

/* Characters that YAML does not print: they are written as escapes. */
static bool has_hidden(const char *text, size_t size) {
  for (size_t i = 0, length; i < size; i += length) {
    uint32_t code = utf8_decode(text + i, size - i, &length);
    if (code >= 0x80 && utf8_is_hidden(code)) return true;
  }
  return false;
}

static bool is_broken(const char *text, size_t size, bool flow) {
  return !size || text[0] == ' ' || text[size - 1] == ' ' || starts_badly(text, size) ||
         breaks(text, size, flow) || has_hidden(text, size);
}

static void quote(struct text *out, const char *text, size_t size) {
  text_char(out, '"');
  for (size_t i = 0, length; i < size; i += length) {
    uint32_t code = utf8_decode(text + i, size - i, &length);
    if (code == '"' || code == '\\')
      text_printf(out, "\\%c", (char)code);
    else if (code == '\n')
      text_puts(out, "\\n");
    else if (code < ' ' || code == 0x7f)
      text_printf(out, "\\x%02x", (unsigned)code);
    else if (code >= 0x80 && code != UINT32_MAX && utf8_is_hidden(code))
      text_printf(out, code > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)code);
    else
      text_add(out, text + i, length);
  }
  text_char(out, '"');
}

void yaml_text(struct text *out, const char *text, size_t size, bool flow) {
  double number;
  bool taken = is_taken_word(text, size) || number_parse(text, size, &number) != NUMBER_NONE;
  if (taken || is_broken(text, size, flow))
    quote(out, text, size);
  else
    text_add(out, text, size);
}

void yaml_number(struct text *out, double number) {
  if (isnan(number))
    text_puts(out, ".nan");
  else if (isinf(number))
    text_puts(out, number < 0 ? "-.inf" : ".inf");
  else
    text_number(out, number);
}

/* ---- lines ------------------------------------------------------------------------------- */

static void start_line(struct text *out, size_t indent) {
  text_char(out, '\n');
  text_fill(out, ' ', indent);
}

/* Puts items that were written apart side by side, or under each other where that gets long: rows
 * of a matrix a line each, numbers as many as fit. */
static void join(struct text *out, const struct text *items, size_t count, bool rows,
                 size_t indent) {
  size_t width = indent;
  for (size_t i = 0; i < count; i++) width += items[i].count + 2;
  bool wrapped = width > LINE_MOST;
  size_t at = indent;
  for (size_t i = 0; i < count; i++) {
    if (i) text_char(out, ',');
    bool full = i && wrapped && (rows || at + items[i].count + 2 > LINE_MOST);
    if (full)
      start_line(out, indent), at = indent;
    else if (i)
      text_char(out, ' ');
    text_add(out, items[i].at, items[i].count);
    at += items[i].count + 2;
  }
}

/* ---- tensors ----------------------------------------------------------------------------- */

static void print_entries(struct text *out, const struct shape *shape, unsigned axis,
                          const double *at, size_t size, size_t indent) {
  if (axis == shape->rank) {
    yaml_number(out, *at);
    return;
  }
  size_t count = (size_t)shape->dim[axis], step = size / count;
  struct text *items = ARENA_ARRAY(out->arena, struct text, count);
  for (size_t i = 0; i < count; i++) {
    text_init(&items[i], out->arena, NULL, NULL);
    print_entries(&items[i], shape, axis + 1, at + i * step, step, indent + 1);
  }
  text_char(out, '[');
  join(out, items, count, axis + 1 < shape->rank, indent + 1);
  text_char(out, ']');
  for (size_t i = 0; i < count; i++) arena_release(out->arena, items[i].at);
}

void yaml_tensor(struct text *out, const struct shape *shape, const double *at, size_t indent) {
  if (shape->size) {
    print_entries(out, shape, 0, at, shape->size, indent);
    return;
  }
  struct dims dims = shape_dims(shape);
  text_puts(out, "{zeros: ");
  dims_print(&dims, out);
  text_char(out, '}');
}

/* ---- trees ------------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* A scalar on one line. */
static void print_scalar(struct text *out, struct tree *tree, tree_id id, bool flow) {
  const struct tree_node *node = tree_at(tree, id);
  const char *at = tree_text(tree, id);
  struct text line;
  text_init(&line, out->arena, NULL, NULL);
  for (uint32_t i = 0; i < node->size; i++) {
    bool blank = is_blank(at[i]);
    if (!blank) text_char(&line, at[i]);
    if (blank && line.count && i + 1 < node->size && !is_blank(at[i + 1])) text_char(&line, ' ');
  }
  const char *text = text_string(&line);
  if (node->flags & TREE_PLAIN && !is_broken(text, line.count, flow))
    text_add(out, text, line.count); /* the author knows what 1.0 and y are */
  else
    yaml_text(out, text, line.count, flow);
  arena_release(out->arena, line.at);
}

static void print_tree(struct text *out, struct tree *tree, tree_id id, bool flow, size_t indent) {
  const struct tree_node *node = tree_at(tree, id);
  if (node->kind == TREE_SCALAR) {
    print_scalar(out, tree, id, flow);
    return;
  }
  bool mapping = node->kind == TREE_MAPPING, rows = mapping;
  struct text *items = ARENA_ARRAY(out->arena, struct text, node->size + 1);
  size_t count = 0;
  for (tree_id at = tree_first(tree, id); at != TREE_NONE; at = tree_next(tree, at)) {
    struct text *item = &items[count++];
    text_init(item, out->arena, NULL, NULL);
    if (mapping) {
      print_tree(item, tree, at, true, indent + 1);
      text_puts(item, ": ");
      at = tree_next(tree, at);
    }
    print_tree(item, tree, at, true, indent + 1 + (mapping ? item->count : 0));
    rows = rows || tree_at(tree, at)->kind != TREE_SCALAR;
  }
  text_char(out, mapping ? '{' : '[');
  join(out, items, count, rows, indent + 1);
  text_char(out, mapping ? '}' : ']');
  for (size_t i = 0; i < count; i++) arena_release(out->arena, items[i].at);
}

void yaml_tree(struct text *out, struct tree *tree, tree_id id, size_t indent) {
  print_tree(out, tree, id, false, indent);
}

/* The last scalar in a node; TREE_NONE where an alias or nothing stands at its end. */
static tree_id last_scalar(const struct tree *tree, tree_id id) {
  while (tree->nodes.at[id].kind != TREE_SCALAR && !(tree->nodes.at[id].flags & TREE_ALIAS)) {
    tree_id at = tree_first(tree, id), last = TREE_NONE;
    for (; at != TREE_NONE; at = tree_next(tree, at)) last = at;
    if (last == TREE_NONE) return TREE_NONE;
    id = last;
  }
  return tree->nodes.at[id].flags & TREE_ALIAS ? TREE_NONE : id;
}

bool yaml_comment(const struct tree *tree, tree_id id, const char **at, size_t *size) {
  tree_id last = last_scalar(tree, id);
  if (last == TREE_NONE) return false;
  const struct source *source = tree->source;
  const char *from = source->bytes + (tree_mark(tree, last).end - source->base);
  while (*from == ' ' || *from == '\t' || *from == ']' || *from == '}') from++;
  if (*from != '#' || !is_blank(from[-1])) return false;
  *at = from;
  *size = strcspn(from, "\r\n");
  while (*size && is_blank(from[*size - 1])) --*size;
  return true;
}
