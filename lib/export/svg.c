#include "export/svg.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/utf8.h"
#include "export/label.h"
#include "export/palette.h"

/* The names that are spoken, by the id of their group in the SVG. */
struct names {
  struct arena *arena;
  struct map ids; /* -> index into texts */
  VEC(const char *) texts;
};

/* ---- what is said ------------------------------------------------------------------------ */

static void print_xml(struct text *out, const char *string) {
  const size_t size = strlen(string);
  size_t length;
  for (size_t i = 0; i < size; i += length) {
    uint32_t code = utf8_decode(string + i, size - i, &length);
    bool control = (code < 0x20 && code != '\n') || (code >= 0x7f && code < 0xa0);
    if (code == '&')
      text_puts(out, "&amp;");
    else if (code == '<')
      text_puts(out, "&lt;");
    else if (code == '>')
      text_puts(out, "&gt;");
    else if (code == '"')
      text_puts(out, "&quot;");
    else if (control || code == UINT32_MAX || (code & 0xfffe) == 0xfffe)
      text_puts(out, code == '\t' ? " " : "\xef\xbf\xbd");
    else
      text_add(out, string + i, length);
  }
}

static void add_name(struct names *names, struct text *id, struct text *text) {
  const char *bytes = text_string(id);
  map_add(names->arena, &names->ids, bytes, id->count, (uint32_t)names->texts.count);
  *vec_push(names->arena, &names->texts) = text_string(text);
}

static struct names collect_names(const struct picture *picture) {
  struct names names = {.arena = picture->arena};
  map_room(names.arena, &names.ids, picture->nodes.count + picture->edges.count);
  for (size_t i = 0; i < picture->nodes.count; i++) {
    struct text id, text;
    text_init(&id, names.arena, NULL, NULL);
    text_init(&text, names.arena, NULL, NULL);
    text_printf(&id, "n%u", (unsigned)picture->nodes.at[i].id);
    describe_node(picture, &picture->nodes.at[i], &text);
    add_name(&names, &id, &text);
  }
  for (size_t i = 0; i < picture->edges.count; i++) {
    const struct edge *edge = &picture->edges.at[i];
    struct text id, text;
    text_init(&id, names.arena, NULL, NULL);
    text_init(&text, names.arena, NULL, NULL);
    text_printf(&id, "n%u_n%u_%u", (unsigned)edge->source, (unsigned)picture->nodes.at[edge->to].id,
                (unsigned)picture->arcs.at[edge->arc].slot);
    describe_edge(picture, edge, &text);
    add_name(&names, &id, &text);
  }
  return names;
}

/* ---- the style sheet --------------------------------------------------------------------- */

static void print_rule(const char *selector, const char *property, const struct color *color,
                       struct text *out) {
  text_printf(out, "[%s=\"%s\"]{%s:%s}\n", selector, color->light, property, color->dark);
}

static void print_style(const struct picture *picture, struct text *out) {
  const struct color *colors = palettes[picture->palette];
  text_puts(out, "<style>\n"
                 "text{font-family:Arial,\"Liberation Sans\",Helvetica,sans-serif}\n"
                 "@media (prefers-color-scheme:dark){\n");
  for (int tone = 0; tone < TONES; tone++) {
    print_rule("fill", "fill", &colors[tone], out);
    if (tone < TONE_INPUT) print_rule("stroke", "stroke", &colors[tone], out);
  }
  text_puts(out, "}\n</style>\n");
}

/* ---- the head ---------------------------------------------------------------------------- */

static void print_title(const struct picture *picture, struct text *out) {
  const struct net *net = picture->result->net;
  if (net->title)
    print_xml(out, net->title);
  else
    print_xml(out, net->source->name);
}

static void print_description(const struct picture *picture, struct text *out) {
  const struct net *net = picture->result->net;
  if (net->description) {
    print_xml(out, net->description);
    text_char(out, '\n');
  }
  text_printf(out, "A computation graph of %zu nodes and %zu edges.", picture->nodes.count,
              picture->edges.count);
  if (picture->output == DRAWN_NONE) return;
  struct text output;
  text_init(&output, picture->arena, NULL, NULL);
  describe_node(picture, &picture->nodes.at[picture->output], &output);
  text_puts(out, " Its output: ");
  print_xml(out, text_string(&output));
  text_char(out, '.');
}

static void print_head(const struct picture *picture, struct text *out) {
  text_puts(out, "<title id=\"bpgraph-title\">");
  print_title(picture, out);
  text_puts(out, "</title>\n<desc id=\"bpgraph-description\">");
  print_description(picture, out);
  text_puts(out, "</desc>\n");
  print_style(picture, out);
}

/* ---- line by line ------------------------------------------------------------------------ */

static bool starts(const char *line, const char *with) {
  return !strncmp(line, with, strlen(with));
}

/* The value of the attribute `id` in a tag; its size is 0 where there is none. */
static const char *find_id(const char *line, size_t size, size_t *id_size) {
  const char *at = strstr(line, " id=\"");
  *id_size = 0;
  if (!at || at >= line + size) return line;
  at += 5;
  *id_size = strcspn(at, "\"");
  return at;
}

static bool contains(const char *line, size_t size, const char *piece) {
  const char *found = strstr(line, piece);
  return found && found < line + size;
}

/* A group's opening tag, with its name; NULL where it has none. */
static const char *print_group(const struct names *names, const char *line, size_t size,
                               struct text *out) {
  size_t id_size;
  const char *id = find_id(line, size, &id_size);
  int64_t at = id_size ? map_find(&names->ids, id, id_size) : MAP_NONE;
  const char *end = memchr(line, '>', size);
  if (!end) end = line + size;
  text_add(out, line, (size_t)(end - line));
  if (at != MAP_NONE) {
    text_puts(out, " role=\"img\" aria-label=\"");
    print_xml(out, names->texts.at[at]);
    text_char(out, '"');
  } else if (!contains(line, size, " class=\"graph")) {
    text_puts(out, " aria-hidden=\"true\""); /* a piece of what has a name */
  }
  text_add(out, end, size - (size_t)(end - line));
  text_char(out, '\n');
  return at == MAP_NONE ? NULL : names->texts.at[at];
}

/* A comment or the document type, which may take several lines: where the next line starts. */
static const char *skip(const char *line, const char *end_mark) {
  const char *end = strstr(line, end_mark);
  if (!end) return line + strlen(line);
  end += strlen(end_mark);
  return end + (*end == '\n');
}

/* The opening tag of the whole, which takes several lines. */
static const char *print_root(const struct picture *picture, const char *line, struct text *out) {
  size_t size = strcspn(line, ">");
  text_add(out, line, size);
  text_puts(out, "\n role=\"graphics-document document\" aria-roledescription=\"computation graph\""
                 " aria-labelledby=\"bpgraph-title\" aria-describedby=\"bpgraph-description\">\n");
  print_head(picture, out);
  line += size;
  return line + (*line == '>') + (line[0] && line[1] == '\n');
}

void svg_finish(const struct picture *picture, const struct image *image, struct text *out) {
  const struct names names = collect_names(picture);
  struct text copy; /* with a NUL */
  text_init(&copy, picture->arena, NULL, NULL);
  text_add(&copy, image->bytes, image->size);
  const char *line = text_string(&copy), *name = NULL;
  while (*line) {
    size_t size = strcspn(line, "\n");
    if (starts(line, "<!--")) {
      line = skip(line, "-->");
      continue;
    }
    if (starts(line, "<!DOCTYPE")) {
      line = skip(line, ">");
      continue;
    }
    if (starts(line, "<svg")) {
      line = print_root(picture, line, out);
      continue;
    }
    if (starts(line, "<g ")) {
      name = print_group(&names, line, size, out);
    } else if (starts(line, "<title>")) { /* what the pointer shows: a name, or nothing */
      if (name) {
        text_puts(out, "<title>");
        print_xml(out, name);
        text_puts(out, "</title>\n");
      }
    } else {
      text_add(out, line, size);
      text_char(out, '\n');
    }
    line += size + (line[size] == '\n');
  }
}
