/* Exporters: each writes a result in one format and reads nothing else.  One row of `exporters` in
 * export.c and one file a format. */
#ifndef BPGRAPH_EXPORT_EXPORT_H
#define BPGRAPH_EXPORT_EXPORT_H

#include "engine/evaluate.h"

typedef void export_fn(const struct result *result, struct text *out);

export_fn export_text, export_json, export_npz;

/* The exporter of a format by name ("json"), or NULL. */
export_fn *export_find(const char *format, size_t size);
/* The format that a file's ending stands for ("out.json"), or NULL. */
const char *export_format(const char *path);
/* The name of the i-th format, or NULL after the last. */
const char *export_name(size_t i);

/* Writes a node's expression as the author wrote it; an op that was spelled out as a call. */
void print_definition(const struct result *result, node_id id, struct text *out);

/* What the text format says below the numbers: where derivatives are undefined. */
void print_undefined_places(const struct result *result, struct text *out);

/* The members `undefined` and `warnings` of JSON. */
void json_undefined(const struct result *result, struct text *out);
void json_warnings(const struct result *result, struct text *out);

/* Writes the attributes that do not hold their defaults: "axis=0, keepdims=true", with `before` in
 * front of the first. */
void print_settings(const struct node *node, const char *before, struct text *out);

/* The CRC-32 of some bytes, as zip files have it. */
uint32_t crc_of(const char *bytes, size_t size);

/* Writes an attribute's value as an expression has it: [1, 2], true, "ij->ji". */
void print_attr_value(const struct attr_spec *spec, const struct attr *attr, struct text *out);

/* Whether an attribute holds its default, and goes without saying. */
bool is_default_attr(const struct attr_spec *spec, const struct attr *attr);

#endif
