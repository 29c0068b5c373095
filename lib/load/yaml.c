/* libyaml's events become a tree.  The only file that knows of libyaml; the faults that it defends
 * against are libyaml 0.2.5's: it is quadratic in flow depth, passes duplicate keys, self-referring
 * aliases and floods of directives, and gives reader errors no place. */
#include <yaml.h>

#include <string.h>

#include "base/map.h"
#include "base/utf8.h"
#include "load/tree.h"

enum { DEPTH_MOST = 64, EXPANSION_MOST = 10000000, TOP_KEYS_MOST = 1000 };

struct anchor {
  tree_id node;
  bool open;       /* its list or mapping has not ended yet */
  uint64_t weight; /* items that an alias of it stands for */
};

/* A list or mapping that has begun. */
struct level {
  tree_id node, last; /* last: its newest item */
  bool mapping, flow;
  int64_t anchor; /* index into anchors, or -1 */
  uint64_t weight_before;
};

struct reader {
  struct tree *tree;
  yaml_parser_t parser;
  yaml_event_t event;
  const char *bytes; /* what libyaml reads: the source without a byte order mark */
  size_t size;
  uint32_t base; /* the mark of bytes[0] */
  bool ascii;    /* then characters and bytes are the same */
  size_t cursor; /* byte and character offset of the last mark that was translated */
  size_t cursor_index;
  struct level levels[DEPTH_MOST + 1];
  int depth;
  struct map anchor_names;
  VEC(struct anchor) anchors;
  uint64_t weight; /* items so far, aliases expanded */
};

/* ---- places ------------------------------------------------------------------------------ */

/* libyaml counts characters; marks count bytes. */
static size_t byte_offset(struct reader *r, size_t index) {
  if (r->ascii) return index < r->size ? index : r->size;
  if (index < r->cursor_index) r->cursor = r->cursor_index = 0;
  const char *at = utf8_skip(r->bytes + r->cursor, r->size - r->cursor, index - r->cursor_index);
  r->cursor = (size_t)(at - r->bytes);
  r->cursor_index = index;
  return r->cursor;
}

static struct mark mark_at(const struct reader *r, size_t offset, size_t size) {
  uint32_t start = r->base + (uint32_t)offset;
  return (struct mark){start, start + (uint32_t)size};
}

/* ---- faults of the file ------------------------------------------------------------------ */

/* What libyaml says, what it means for a net file, and what to do. */
static const struct {
  const char *problem, *text, *hint;
} problems[] = {
    {"mapping values are not allowed", "a second ':' where a value stands",
     "put a text that contains ': ' into quotes"},
    {"block sequence entries are not allowed", "YAML reads '- ' as the start of a list item",
     "write -x without the blank, or put the expression into quotes"},
    {"found character that cannot start any token", "YAML does not let a text start so",
     "indent with blanks, not tabs; put a text that starts with @, ` or % into quotes"},
    {"did not find expected ',' or '}'", "',' or '}' is expected here",
     "an expression with [ ] { } or , inside braces needs quotes or a line of its own"},
    {"did not find expected ',' or ']'", "',' or ']' is expected here",
     "an expression with [ ] { } or , inside brackets needs quotes"},
    {"did not find expected key", "a key is expected here",
     "is the indentation right? 'name: value' needs a blank after ':'"},
    {"could not find expected ':'", "':' is expected after a key",
     "is a blank missing after ':', or is a text not closed?"},
    {"did not find expected alphabetic or numeric character",
     "YAML reads & as an anchor and * as an alias", "put the expression into quotes"},
    {"did not find expected whitespace or line break",
     "YAML reads & as an anchor and * as an alias", "put the expression into quotes"},
    {"did not find expected comment or line break",
     "YAML reads | and > as the start of a text on lines of its own",
     "put the expression into quotes"},
    {"did not find expected node content", "a value is expected here", NULL},
    {"did not find expected <document start>", "one mapping is expected, at the left margin",
     "are all top-level keys written as 'key: value' at the left margin?"},
    {"found unknown escape character", "no such escape in a text in double quotes",
     "write \\\\ for a backslash, or use single quotes"},
    {"did not find expected '-' indicator", "'- ' is expected here", "is the indentation right?"},
};

/* Whether libyaml complains so. */
static bool is_said(const struct reader *r, const char *problem) {
  return r->parser.problem && strstr(r->parser.problem, problem);
}

static const char *line_start(const struct reader *r, size_t at) {
  const char *line = r->bytes + at;
  while (line > r->bytes && line[-1] != '\n' && line[-1] != '\r') line--;
  return line;
}

/* Whether `text` stands between the start of the line and a place. */
static bool is_before(const struct reader *r, size_t at, const char *text) {
  size_t size = strlen(text);
  for (const char *c = line_start(r, at); c + size <= r->bytes + at; c++)
    if (!memcmp(c, text, size)) return true;
  return false;
}

/* Faults whose meaning depends on what stands around them; false where it is none of these.
 * `from` is where the list, mapping or text begins that libyaml was reading. */
static bool report_special(struct reader *r, size_t at, size_t from) {
  struct report *report = r->tree->report;
  struct mark mark = mark_at(r, at, at < r->size), start = mark_at(r, from, 1);
  const char *line = line_start(r, at);
  char c = at < r->size ? r->bytes[at] : '\0';
  if (is_said(r, "found unexpected end of stream")) {
    report_add(report, start, BP(YAML_SYNTAX), "this quote is never closed");
  } else if (is_said(r, "did not find expected ','") && (c == ']' || c == '}')) {
    report_add(report, mark, BP(YAML_SYNTAX), "this bracket closes nothing");
  } else if (is_said(r, "did not find expected ','") && from < (size_t)(line - r->bytes)) {
    report_add(report, start, BP(YAML_SYNTAX), "this bracket is never closed");
    report_see(report, mark, "here something else follows");
  } else if (is_said(r, "did not find expected key") &&
             (is_before(r, at, "\"") || is_before(r, at, "'") || is_before(r, at, "]"))) {
    report_add(report, mark, BP(YAML_SYNTAX), "the value has ended before this");
    report_hint(report, "put the whole expression into quotes");
  } else if (is_said(r, "mapping values are not allowed") && r->bytes + at - line > 1024) {
    report_add(report, mark_at(r, (size_t)(line - r->bytes), 1), BP(YAML_SYNTAX),
               "a key of more than 1024 characters");
  } else if (is_said(r, "mapping values are not allowed") && !is_before(r, at, ": ")) {
    report_add(report, mark, BP(YAML_SYNTAX), "no key can stand here");
    report_hint(report, "is this line indented as its neighbours are?");
  } else {
    return false;
  }
  return true;
}

static void report_problem(struct reader *r) {
  const char *said = r->parser.problem ? r->parser.problem : "not well-formed";
  size_t at = r->parser.error == YAML_READER_ERROR ? r->parser.problem_offset
                                                   : byte_offset(r, r->parser.problem_mark.index);
  if (at > r->size) at = r->size;
  size_t from = r->parser.context ? byte_offset(r, r->parser.context_mark.index) : at;
  if (report_special(r, at, from)) return;
  struct mark mark = mark_at(r, at, at < r->size);
  for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
    if (!strstr(said, problems[i].problem)) continue;
    report_add(r->tree->report, mark, BP(YAML_SYNTAX), problems[i].text);
    if (problems[i].hint) report_hint(r->tree->report, "%s", problems[i].hint);
    return;
  }
  report_add(r->tree->report, mark, BP(YAML_SYNTAX), said);
}

/* The first of the line ends that libyaml knows beside the plain ones (U+0085, U+2028, U+2029);
 * `size` where there is none.  No editor shows them as what they are. */
static size_t find_odd_break(const char *bytes, size_t size) {
  for (size_t i = 0; i + 1 < size; i++) {
    const unsigned char *at = (const unsigned char *)bytes + i;
    if ((at[0] == 0xc2 && at[1] == 0x85) ||
        (at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9)))
      return i;
  }
  return size;
}

static bool check_encoding(struct reader *r) {
  struct report *report = r->tree->report;
  const unsigned char *bytes = (const unsigned char *)r->bytes;
  if (r->size >= 2 &&
      ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff))) {
    report_add(report, mark_at(r, 0, 1), BP(BAD_ENCODING), "the file is UTF-16");
    report_hint(report, "save it as UTF-8");
    return false;
  }
  size_t bad = utf8_find_bad(r->bytes, r->size);
  if (!r->ascii) bad = find_odd_break(r->bytes, bad);
  if (bad == r->size) return true;
  size_t length;
  uint32_t code = utf8_decode(r->bytes + bad, r->size - bad, &length);
  char text[60];
  if (code == UINT32_MAX)
    snprintf(text, sizeof text, "the byte 0x%02x is not UTF-8", bytes[bad]);
  else
    snprintf(text, sizeof text, "a control character (U+%04X)", (unsigned)code);
  report_add(report, mark_at(r, bad, length), BP(BAD_ENCODING), text);
  report_hint(report, code == UINT32_MAX ? "save the file as UTF-8" : "delete it");
  return false;
}

static bool is_blank_line(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) at++;
  return at == end || *at == '#';
}

/* The first line from `at` on that is neither blank nor a comment; NULL where there is none. */
static const char *find_content(const char *at, const char *end) {
  while (at < end) {
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    if (!line_end) line_end = end;
    if (!is_blank_line(at, line_end)) return at;
    at = line_end < end ? line_end + 1 : end;
  }
  return NULL;
}

/* Before libyaml sees them: a flood of directives costs it quadratic time. */
static bool check_directives(struct reader *r) {
  const char *at = find_content(r->bytes, r->bytes + r->size);
  if (!at) {
    report_about(r->tree->report, r->tree->source, BP(EMPTY_FILE));
    report_hint(r->tree->report, "a net starts with: bpgraph: 1");
    return false;
  }
  if (*at != '%') return true;
  report_add(r->tree->report, mark_at(r, (size_t)(at - r->bytes), 1), BP(DIRECTIVE));
  report_hint(r->tree->report, "delete the lines that start with %%");
  return false;
}

/* After the document only its end mark, comments and blank lines may follow. */
static bool check_end(struct reader *r) {
  const char *end = r->bytes + r->size;
  const char *at = r->bytes + byte_offset(r, r->event.end_mark.index);
  const char *line = find_content(at, end);
  while (line && end - line >= 3 && !memcmp(line, "...", 3) && line[-1] == '\n')
    line = find_content(line + 3, end);
  if (!line) return true;
  report_add(r->tree->report, mark_at(r, (size_t)(line - r->bytes), 1), BP(MANY_DOCUMENTS));
  report_hint(r->tree->report, "a net file is one YAML document");
  return false;
}

/* ---- growing the tree -------------------------------------------------------------------- */

static bool expects_key(const struct reader *r) {
  const struct level *level = &r->levels[r->depth];
  return r->depth && level->mapping && r->tree->nodes.at[level->node].size % 2 == 0;
}

/* Appends a node to the list or mapping that is open. */
static tree_id append(struct reader *r, struct tree_node node) {
  struct tree *tree = r->tree;
  tree_id id = (tree_id)tree->nodes.count;
  *vec_push(tree->arena, &tree->nodes) = node;
  r->weight++;
  if (!r->depth) {
    tree->root = id;
    return id;
  }
  struct level *level = &r->levels[r->depth];
  tree->nodes.at[level->node].size++;
  level->last = id;
  return id;
}

/* Takes up an anchor; its name is the text of the event. */
static int64_t add_anchor(struct reader *r, const yaml_char_t *name, tree_id node, bool open) {
  if (!name) return -1;
  size_t size = strlen((const char *)name);
  const char *copy = arena_copy(r->tree->arena, (const char *)name, size);
  int64_t at = map_add(r->tree->arena, &r->anchor_names, copy, size, (uint32_t)r->anchors.count);
  if (at == MAP_NONE) {
    at = (int64_t)r->anchors.count;
    vec_push(r->tree->arena, &r->anchors);
  }
  r->anchors.at[at] = (struct anchor){node, open, 1};
  return at;
}

static bool report_tag(struct reader *r, struct mark mark) {
  report_add(r->tree->report, mark, BP(TAG));
  report_hint(r->tree->report, "leave the tag out; put a text that starts with ! into quotes");
  return false;
}

/* libyaml's mark of a scalar with an anchor is that of the anchor: where the text starts. */
static size_t skip_anchor(const struct reader *r, size_t at, size_t end) {
  const char *bytes = r->bytes;
  while (at < end && !strchr(" \t\r\n", bytes[at])) at++;
  for (;;) {
    while (at < end && strchr(" \t\r\n", bytes[at])) at++;
    if (at == end || bytes[at] != '#') return at;
    while (at < end && bytes[at] != '\n') at++; /* a comment */
  }
}

/* A net has a dozen keys at its top: a file with millions is none, and not read to its end. */
static bool has_too_many_keys(const struct reader *r) {
  return r->depth == 1 && expects_key(r) &&
         r->tree->nodes.at[r->levels[1].node].size >= 2 * TOP_KEYS_MOST;
}

static bool add_scalar(struct reader *r) {
  const yaml_event_t *event = &r->event;
  struct tree *tree = r->tree;
  const char *text = (const char *)event->data.scalar.value;
  size_t size = event->data.scalar.length;
  size_t start = byte_offset(r, event->start_mark.index);
  size_t end = byte_offset(r, event->end_mark.index);
  bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  if (event->data.scalar.tag) return report_tag(r, mark_at(r, start, end - start));
  if (has_too_many_keys(r)) {
    report_add(tree->report, mark_at(r, start, end - start), BP(TOO_MANY_KEYS), TOP_KEYS_MOST);
    report_hint(tree->report, "nodes stand under nodes:");
    return false;
  }
  if (!plain && memchr(text, '\0', size)) {
    report_add(tree->report, mark_at(r, start, end - start), BP(NUL_IN_TEXT));
    return false;
  }
  if (event->data.scalar.anchor) start = skip_anchor(r, start, end);
  struct tree_node node = {.kind = TREE_SCALAR, .size = (uint32_t)size};
  node.start = r->base + (uint32_t)start;
  node.flags = (uint8_t)((plain ? TREE_PLAIN : 0) | (r->levels[r->depth].flow ? TREE_FLOW : 0) |
                         (event->data.scalar.anchor ? TREE_ANCHOR : 0));
  size_t first = start + (plain ? 0 : 1);
  bool block = event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
               event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
  bool simple = plain && event->start_mark.line == event->end_mark.line;
  if (block || first + size > r->size || (!simple && memcmp(r->bytes + first, text, size) != 0)) {
    node.link = (uint32_t)tree->decoded.count;
    node.flags |= TREE_DECODED;
    *vec_push(tree->arena, &tree->decoded) =
        (struct decoded){arena_copy(tree->arena, text, size), r->base + (uint32_t)end, NULL, NULL};
  }
  tree_id id = append(r, node);
  if (event->data.scalar.anchor) add_anchor(r, event->data.scalar.anchor, id, false);
  return true;
}

static bool begin(struct reader *r, enum tree_kind kind, const yaml_char_t *anchor,
                  const yaml_char_t *tag, bool flow) {
  size_t start = byte_offset(r, r->event.start_mark.index);
  struct mark mark = mark_at(r, start, start < r->size);
  if (tag) return report_tag(r, mark);
  if (expects_key(r)) {
    report_add(r->tree->report, mark, BP(KEY_NOT_TEXT));
    return false;
  }
  if (r->depth == DEPTH_MOST) {
    report_add(r->tree->report, mark, BP(TOO_DEEP), DEPTH_MOST);
    return false;
  }
  struct tree_node node = {.kind = (uint8_t)kind, .start = mark.start};
  node.flags = (uint8_t)((flow ? TREE_FLOW : 0) | (anchor ? TREE_ANCHOR : 0));
  uint64_t before = r->weight;
  tree_id id = append(r, node);
  r->levels[++r->depth] = (struct level){.node = id,
                                         .last = TREE_NONE,
                                         .mapping = kind == TREE_MAPPING,
                                         .flow = flow,
                                         .anchor = add_anchor(r, anchor, id, true),
                                         .weight_before = before};
  return true;
}

static bool end_level(struct reader *r) {
  const struct level *level = &r->levels[r->depth--];
  struct tree_node *nodes = r->tree->nodes.at;
  nodes[level->node].link = (uint32_t)r->tree->nodes.count - level->node;
  if (level->last != TREE_NONE) nodes[level->last].flags |= TREE_LAST;
  if (level->anchor >= 0) {
    struct anchor *anchor = &r->anchors.at[level->anchor];
    if (anchor->node == level->node) {
      anchor->open = false;
      anchor->weight = r->weight - level->weight_before;
    }
  }
  return true;
}

static bool add_alias(struct reader *r) {
  const char *name = (const char *)r->event.data.alias.anchor;
  size_t start = byte_offset(r, r->event.start_mark.index);
  struct mark mark = mark_at(r, start, strlen(name) + 1);
  struct report *report = r->tree->report;
  const char *quoted = report_quote(report, name, strlen(name));
  int64_t at = map_find(&r->anchor_names, name, strlen(name));
  if (at == MAP_NONE) {
    report_add(report, mark, BP(UNKNOWN_ALIAS), quoted);
    report_hint(report, "YAML reads *%s as an alias; an expression that starts so needs quotes",
                quoted);
    return false;
  }
  const struct anchor *anchor = &r->anchors.at[at];
  if (anchor->open) {
    report_add(report, mark, BP(ALIAS_INSIDE_ITSELF), quoted);
    return false;
  }
  const struct tree_node *target = tree_at(r->tree, anchor->node);
  if (expects_key(r) && target->kind != TREE_SCALAR) {
    report_add(report, mark, BP(KEY_NOT_TEXT));
    return false;
  }
  r->weight += anchor->weight;
  if (r->weight > EXPANSION_MOST + r->tree->nodes.count) {
    report_add(report, mark, BP(TOO_MANY_ALIASED), EXPANSION_MOST);
    return false;
  }
  append(r,
         (struct tree_node){
             .start = mark.start, .link = anchor->node, .kind = target->kind, .flags = TREE_ALIAS});
  return true;
}

/* ---- events ------------------------------------------------------------------------------ */

enum step { STEP_MORE, STEP_END, STEP_FAILED };

static enum step take_event(struct reader *r) {
  const yaml_event_t *event = &r->event;
  bool fine = true;
  switch (event->type) {
  case YAML_SCALAR_EVENT: fine = add_scalar(r); break;
  case YAML_ALIAS_EVENT: fine = add_alias(r); break;
  case YAML_SEQUENCE_START_EVENT:
    fine = begin(r, TREE_LIST, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                 event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
    break;
  case YAML_MAPPING_START_EVENT:
    fine = begin(r, TREE_MAPPING, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                 event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
    break;
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT: fine = end_level(r); break;
  case YAML_DOCUMENT_END_EVENT: return check_end(r) ? STEP_END : STEP_FAILED;
  case YAML_STREAM_END_EVENT: return STEP_END;
  default: break;
  }
  return fine ? STEP_MORE : STEP_FAILED;
}

/* What must be closed again even when memory runs out lies in the reader; see tree_read. */
static bool read_events(struct reader *r) {
  if (!check_encoding(r) || !check_directives(r)) return false;
  for (;;) {
    if (!yaml_parser_parse(&r->parser, &r->event)) {
      if (r->parser.error == YAML_MEMORY_ERROR) arena_exhausted(r->tree->arena);
      report_problem(r);
      return false;
    }
    enum step step = take_event(r);
    yaml_event_delete(&r->event);
    if (step != STEP_MORE) return step == STEP_END;
  }
}

static bool is_ascii(const char *bytes, size_t size) {
  unsigned char any = 0;
  for (size_t i = 0; i < size; i++) any |= (unsigned char)bytes[i];
  return any < 0x80;
}

bool tree_read(struct tree *tree, struct arena *arena, struct report *report,
               const struct source *source) {
  *tree = (struct tree){.arena = arena, .report = report, .source = source, .root = TREE_NONE};
  struct reader *r = ARENA_NEW(arena, struct reader);
  size_t skipped = source->size >= 3 && !memcmp(source->bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
  r->tree = tree;
  r->bytes = source->bytes + skipped;
  r->size = source->size - skipped;
  r->base = source->base + (uint32_t)skipped;
  r->ascii = is_ascii(r->bytes, r->size);
  if (!yaml_parser_initialize(&r->parser)) arena_exhausted(arena);
  yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->bytes, r->size);

  /* Memory may run out while libyaml's parser is open: close it before jumping on. */
  jmp_buf *outer = arena->guard, guard;
  volatile bool read = false;
  arena->guard = &guard;
  bool exhausted = setjmp(guard) != 0;
  if (!exhausted) read = read_events(r);
  arena->guard = outer;
  yaml_event_delete(&r->event);
  yaml_parser_delete(&r->parser);
  if (exhausted) arena_exhausted(arena);
  return read;
}

const char *yaml_library_version(void) { return yaml_get_version_string(); }
