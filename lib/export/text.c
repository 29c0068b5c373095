/* A table for people: name, expression, shape, value, gradient; the output last. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "export/export.h"
#include "ops/kernel.h"

enum {
  DIGITS = 6,      /* significant */
  VECTOR_MOST = 8, /* entries of a vector that are shown */
  MATRIX_MOST = 6, /* rows and columns of a matrix that are shown */
  TEXT_MOST = 48,  /* characters of an expression that are shown */
  ROWS_MOST = 200  /* rows; --all shows more */
};

enum column { COLUMN_NAME, COLUMN_TEXT, COLUMN_SHAPE, COLUMN_VALUE, COLUMN_GRADIENT, COLUMNS };

static const char *const headings[COLUMNS] = {"name", "expression", "shape", "value", "gradient"};

/* One node's row: a cell may have several lines. */
struct row {
  const char *cells[COLUMNS];
};

struct table {
  const struct result *result;
  struct arena *arena;
  VEC(struct row) rows;
  size_t width[COLUMNS], left_out;
};

/* ---- cells ------------------------------------------------------------------------------- */

static void print_entries(const double *at, size_t count, struct text *out) {
  text_char(out, '[');
  for (size_t i = 0; i < count; i++) {
    if (i) text_puts(out, ", ");
    text_rounded(out, at[i], DIGITS);
  }
  text_char(out, ']');
}

/* Rows under each other, entries flush right. */
static void print_matrix(struct arena *arena, const double *at, size_t rows, size_t columns,
                         struct text *out) {
  struct text *texts = ARENA_ARRAY(arena, struct text, rows * columns + 1);
  size_t width = 0;
  for (size_t i = 0; i < rows * columns; i++) {
    text_init(&texts[i], arena, NULL, NULL);
    text_rounded(&texts[i], at[i], DIGITS);
    if (texts[i].count > width) width = texts[i].count;
  }
  for (size_t r = 0; r < rows; r++) {
    text_puts(out, r ? "\n [" : "[[");
    for (size_t c = 0; c < columns; c++) {
      struct text *entry = &texts[r * columns + c];
      if (c) text_puts(out, ", ");
      text_fill(out, ' ', width - entry->count);
      text_add(out, entry->at, entry->count);
    }
    text_puts(out, r + 1 < rows ? "]," : "]]");
  }
}

/* The smallest, the mean, the largest, and the Euclidean norm. */
static void print_summary(const double *at, size_t size, struct text *out) {
  double low = at[0], high = at[0], scale = 0, sum = 0;
  for (size_t i = 0; i < size; i++) {
    if (at[i] < low || isnan(at[i])) low = at[i];
    if (at[i] > high || isnan(at[i])) high = at[i];
    if (fabs(at[i]) > scale || isnan(at[i])) scale = fabs(at[i]);
  }
  double mean = pairwise_sum(at, size, 1) / (double)size;
  if (scale > 0 && isfinite(scale))
    for (size_t i = 0; i < size; i++) sum += at[i] / scale * (at[i] / scale);
  text_puts(out, "min ");
  text_rounded(out, low, 4);
  text_puts(out, "  mean ");
  text_rounded(out, mean, 4);
  text_puts(out, "  max ");
  text_rounded(out, high, 4);
  text_puts(out, "  norm ");
  text_rounded(out, isfinite(scale) ? scale * sqrt(sum) : scale, 4);
}

static const char *tensor_cell(struct arena *arena, const struct shape *shape, const double *at) {
  struct text out;
  text_init(&out, arena, NULL, NULL);
  if (!at)
    text_char(&out, '0'); /* everywhere */
  else if (shape->rank == 0)
    text_rounded(&out, *at, DIGITS);
  else if (shape->size == 0)
    text_puts(&out, "(empty)");
  else if (shape->rank == 1 && shape->size <= VECTOR_MOST)
    print_entries(at, shape->size, &out);
  else if (shape->rank == 2 && shape->dim[0] <= MATRIX_MOST && shape->dim[1] <= MATRIX_MOST)
    print_matrix(arena, at, (size_t)shape->dim[0], (size_t)shape->dim[1], &out);
  else
    print_summary(at, shape->size, &out);
  return text_string(&out);
}

static const char *name_cell(const struct result *result, struct arena *arena, node_id id) {
  struct text out;
  text_init(&out, arena, NULL, NULL);
  graph_print_name(&result->net->graph, id, &out);
  return text_string(&out);
}

static const char *definition_cell(const struct result *result, struct arena *arena, node_id id) {
  static const char *const roles[] = {"input", "parameter", "constant", "constant"};
  const struct node *node = graph_node(&result->net->graph, id);
  if (!node->op) return roles[node->role];
  struct text out;
  text_init(&out, arena, NULL, NULL);
  print_definition(result, id, &out);
  const char *text = text_string(&out);
  if (utf8_count(text, out.count) <= TEXT_MOST) return text;
  size_t kept = (size_t)(utf8_skip(text, out.count, TEXT_MOST - 3) - text);
  char *cut = arena_copy(arena, text, kept + 3);
  memcpy(cut + kept, "...", 4);
  return cut;
}

static const char *shape_cell(struct arena *arena, const struct shape *shape) {
  struct text out;
  struct dims dims = shape_dims(shape);
  if (!shape->rank) return "";
  text_init(&out, arena, NULL, NULL);
  dims_print(&dims, &out);
  return text_string(&out);
}

/* Nodes off the way from `wrt` to the output have a gradient too, but nobody asked for it. */
static const char *gradient_cell(const struct result *result, struct arena *arena, node_id id) {
  const struct shape *shape = graph_node(&result->net->graph, id)->shape;
  const double *at;
  enum gradient gradient = result_gradient(result, id, &at);
  bool wanted = result->all;
  for (size_t i = 0; i < result->wrt.count && !wanted; i++) wanted = result->wrt.at[i] == id;
  if (gradient == GRADIENT_NULL || (gradient == GRADIENT_ZERO && !wanted)) return "-";
  return tensor_cell(arena, shape, at);
}

/* ---- rows -------------------------------------------------------------------------------- */

/* The width of the widest line of a cell. */
static size_t cell_width(const char *cell) {
  size_t widest = 0;
  while (*cell) {
    size_t line = strcspn(cell, "\n"), width = utf8_width(cell, line);
    if (width > widest) widest = width;
    cell += line + (cell[line] == '\n');
  }
  return widest;
}

static void add_row(struct table *table, node_id id) {
  const struct result *result = table->result;
  const struct node *node = graph_node(&result->net->graph, id);
  struct row row = {{name_cell(result, table->arena, id), definition_cell(result, table->arena, id),
                     shape_cell(table->arena, node->shape),
                     tensor_cell(table->arena, node->shape, run_value(&result->run, id)),
                     gradient_cell(result, table->arena, id)}};
  for (int c = 0; c < COLUMNS; c++) {
    size_t width = cell_width(row.cells[c]);
    if (width > table->width[c]) table->width[c] = width;
  }
  *vec_push(table->arena, &table->rows) = row;
}

static bool is_shown(const struct result *result, node_id id) {
  const struct node *node = graph_node(&result->net->graph, id);
  if (id == result->plan.output || node->backward || !run_value(&result->run, id)) return false;
  return node->name || (result->all && node->role == ROLE_NODE);
}

static void add_rows(struct table *table) {
  const struct result *result = table->result;
  for (node_id id = 0; id < result->plan.node_count; id++) {
    if (!is_shown(result, id)) continue;
    if (!result->all && table->rows.count >= ROWS_MOST)
      table->left_out++;
    else
      add_row(table, id);
  }
  add_row(table, result->plan.output);
}

static bool has_column(const struct table *table, int column) {
  if (column == COLUMN_GRADIENT) return table->result->gradients;
  return column != COLUMN_SHAPE || table->width[column] > 0;
}

/* One line of each cell; false when no cell has so many. */
static bool print_line(const struct table *table, const struct row *row, size_t line,
                       struct text *out) {
  bool any = false;
  size_t behind = 0; /* blanks that are owed before the next cell */
  for (int c = 0; c < COLUMNS; c++) {
    if (!has_column(table, c)) continue;
    const char *cell = row->cells[c];
    for (size_t i = 0; i < line && *cell; i++) {
      cell += strcspn(cell, "\n");
      cell += *cell == '\n';
    }
    size_t size = strcspn(cell, "\n");
    if (size) {
      text_fill(out, ' ', behind);
      text_add(out, cell, size);
      behind = 0;
      any = true;
    }
    behind += table->width[c] - utf8_width(cell, size) + 2;
  }
  if (any) text_char(out, '\n');
  return any;
}

static void print_row(const struct table *table, const struct row *row, struct text *out) {
  for (size_t line = 0; print_line(table, row, line, out); line++)
    ;
}

/* ---- below the table --------------------------------------------------------------------- */

void print_undefined_places(const struct result *result, struct text *out) {
  const struct graph *graph = &result->net->graph;
  for (size_t i = 0; i < result->undefined.count; i++) {
    const struct undefined *at = &result->undefined.at[i];
    const struct node *node = graph_node(graph, at->node);
    const struct shape *shape = undefined_shape(result, at);
    text_puts(out, i ? "" : "\n");
    text_puts(out, "undefined derivative: ");
    graph_print_name(graph, at->node, out);
    text_printf(out, " = %s at ", node->op->name);
    graph_print_name(graph, graph_inputs(graph, node)[at->input], out);
    struct dims dims = {.rank = shape->rank};
    unravel(shape, at->first[0], dims.at);
    if (shape->rank) dims_print(&dims, out);
    if (at->count > 1) text_printf(out, " and %zu more", at->count - 1);
    text_printf(out, "; taken as: %s\n", node->op->convention ? node->op->convention : "0");
  }
}

void export_text(const struct result *result, struct text *out) {
  struct table table = {.result = result, .arena = out->arena};
  for (int c = 0; c < COLUMNS; c++) table.width[c] = c == COLUMN_SHAPE ? 0 : strlen(headings[c]);
  add_rows(&table);
  if (table.width[COLUMN_SHAPE] && table.width[COLUMN_SHAPE] < strlen(headings[COLUMN_SHAPE]))
    table.width[COLUMN_SHAPE] = strlen(headings[COLUMN_SHAPE]);
  if (result->net->title) text_printf(out, "%s\n\n", result->net->title);
  struct row heading;
  memcpy(heading.cells, headings, sizeof heading.cells);
  print_row(&table, &heading, out);
  for (size_t i = 0; i < table.rows.count; i++) {
    if (i + 1 == table.rows.count && table.left_out)
      text_printf(out, "... (%zu more; --all shows them)\n", table.left_out);
    print_row(&table, &table.rows.at[i], out);
  }
  print_undefined_places(result, out);
}
