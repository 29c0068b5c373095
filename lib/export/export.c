#include "export/export.h"

#include <string.h>

static const struct {
  const char *name, *ending;
  export_fn *export;
} exporters[] = {
    {"text", ".txt", export_text}, {"json", ".json", export_json}, {"npz", ".npz", export_npz}};
enum { EXPORTERS = sizeof exporters / sizeof *exporters };

export_fn *export_find(const char *format, size_t size) {
  for (size_t i = 0; i < EXPORTERS; i++)
    if (strlen(exporters[i].name) == size && !memcmp(exporters[i].name, format, size))
      return exporters[i].export;
  return NULL;
}

const char *export_format(const char *path) {
  size_t size = strlen(path);
  for (size_t i = 0; i < EXPORTERS; i++) {
    size_t ending = strlen(exporters[i].ending);
    if (size > ending && !strcmp(path + size - ending, exporters[i].ending))
      return exporters[i].name;
  }
  return NULL;
}

const char *export_name(size_t i) { return i < EXPORTERS ? exporters[i].name : NULL; }

static void print_ints(const struct attr *attr, struct text *out) {
  if (attr->list) text_char(out, '[');
  for (size_t i = 0; i < attr->ints.count; i++) {
    if (i) text_puts(out, ", ");
    text_integer(out, attr->ints.at[i]);
  }
  if (attr->list) text_char(out, ']');
}

static void print_pairs(const struct attr *attr, struct text *out) {
  text_char(out, '[');
  for (size_t i = 0; i + 1 < attr->ints.count; i += 2)
    text_printf(out, "%s[%lld, %lld]", i ? ", " : "", (long long)attr->ints.at[i],
                (long long)attr->ints.at[i + 1]);
  text_char(out, ']');
}

void print_attr_value(const struct attr_spec *spec, const struct attr *attr, struct text *out) {
  switch (spec->type) {
  case ATTR_INT: text_integer(out, attr->integer); break;
  case ATTR_INTS: print_ints(attr, out); break;
  case ATTR_PAIRS: print_pairs(attr, out); break;
  case ATTR_NUMBER: text_number(out, attr->number); break;
  case ATTR_BOOL: text_puts(out, attr->truth ? "true" : "false"); break;
  case ATTR_WORD: text_puts(out, spec->words[attr->word]); break;
  case ATTR_TEXT: text_printf(out, "\"%.*s\"", (int)attr->text.size, attr->text.at); break;
  }
}

bool is_default_attr(const struct attr_spec *spec, const struct attr *attr) {
  const struct attr *fallback = &spec->fallback;
  if (!attr->given) return true;
  if (!fallback->given) return false;
  switch (spec->type) {
  case ATTR_INT: return attr->integer == fallback->integer;
  case ATTR_NUMBER: return attr->number == fallback->number;
  case ATTR_BOOL: return attr->truth == fallback->truth;
  case ATTR_WORD: return attr->word == fallback->word;
  case ATTR_INTS:
  case ATTR_PAIRS:
    return attr->ints.count == fallback->ints.count &&
           (!attr->ints.count ||
            !memcmp(attr->ints.at, fallback->ints.at, attr->ints.count * sizeof *attr->ints.at));
  default: return false;
  }
}

void print_settings(const struct node *node, const char *before, struct text *out) {
  for (size_t i = 0; i < op_attr_count(node->op); i++) {
    if (is_default_attr(&node->op->attrs[i], &node->attr[i])) continue;
    text_printf(out, "%s%s=", before, node->op->attrs[i].name);
    print_attr_value(&node->op->attrs[i], &node->attr[i], out);
    before = ", ";
  }
}

void print_definition(const struct result *result, node_id id, struct text *out) {
  const struct graph *graph = &result->net->graph;
  const struct node *node = graph_node(graph, id);
  if (!node->op || node->text.start) {
    graph_print_text(graph, id, out);
    return;
  }
  const node_id *inputs = graph_inputs(graph, node);
  text_printf(out, "%s(", node->op->name);
  for (unsigned k = 0; k < node->count; k++) {
    if (k) text_puts(out, ", ");
    graph_print_name(graph, inputs[k], out);
  }
  print_settings(node, ", ", out);
  text_char(out, ')');
}
