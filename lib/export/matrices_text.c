/* Jacobians and Hessians for people: what is known of the structure, and the numbers of small ones
 * as a table with a label for each row and column. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "export/export.h"
#include "export/matrices.h"

enum {
  DIGITS = 6,        /* significant */
  ROWS_MOST = 24,    /* of a table */
  COLUMNS_MOST = 12, /* of a table */
  RUNS_MOST = 8,     /* of rows or columns of zeros */
  NODES_MOST = 6,    /* in a heading, or whose blocks are described one by one */
  LINE_MOST = 8      /* eigenvalues in a line */
};

/* ---- names ------------------------------------------------------------------------------- */

static void print_named(const struct result *result, node_id id, struct text *out) {
  const struct shape *shape = graph_node(&result->net->graph, id)->shape;
  struct dims dims = shape_dims(shape);
  graph_print_name(&result->net->graph, id, out);
  if (!shape->rank) return;
  text_char(out, ' ');
  dims_print(&dims, out);
}

/* "p[0, 1]" */
static void print_entry(const struct result *result, node_id id, size_t entry, struct text *out) {
  const struct shape *shape = graph_node(&result->net->graph, id)->shape;
  struct dims index = {.rank = shape->rank};
  graph_print_name(&result->net->graph, id, out);
  if (!shape->rank) return;
  unravel(shape, entry, index.at);
  dims_print(&index, out);
}

static void print_title(const struct result *result, struct text *out) {
  if (result->net->title) text_printf(out, "%s\n\n", result->net->title);
}

/* ---- tables ------------------------------------------------------------------------------ */

struct table {
  struct arena *arena;
  size_t rows, columns;
  const char **cells; /* with labels: rows + 1 times columns + 1 */
};

static void start_table(struct table *table, struct arena *arena, size_t rows, size_t columns) {
  *table = (struct table){.arena = arena, .rows = rows, .columns = columns};
  table->cells = ARENA_ARRAY(arena, const char *, (rows + 1) * (columns + 1));
  table->cells[0] = "";
}

static const char **cell_at(const struct table *table, size_t row, size_t column) {
  return &table->cells[row * (table->columns + 1) + column];
}

/* Numbers stand flush right, labels of rows flush left. */
static void print_table(const struct table *table, struct text *out) {
  size_t *width = ARENA_ARRAY(table->arena, size_t, table->columns + 1);
  for (size_t r = 0; r <= table->rows; r++)
    for (size_t c = 0; c <= table->columns; c++) {
      const char *cell = *cell_at(table, r, c);
      const size_t own = utf8_width(cell, strlen(cell));
      if (own > width[c]) width[c] = own;
    }
  for (size_t r = 0; r <= table->rows; r++) {
    size_t behind = 0; /* blanks that are owed before the next number */
    for (size_t c = 0; c <= table->columns; c++) {
      const char *cell = *cell_at(table, r, c);
      const size_t pad = width[c] - utf8_width(cell, strlen(cell));
      text_fill(out, ' ', c ? behind + pad + 2 : 0);
      text_puts(out, cell);
      behind = c ? 0 : pad;
    }
    text_char(out, '\n');
  }
}

static const char *number_cell(struct arena *arena, double value) {
  struct text text;
  text_init(&text, arena, NULL, NULL);
  text_rounded(&text, value, DIGITS);
  return text_string(&text);
}

static void label_entries(const struct table *table, const struct result *result, node_id id,
                          size_t count, bool columns, size_t first) {
  for (size_t i = 0; i < count; i++) {
    struct text text;
    text_init(&text, table->arena, NULL, NULL);
    print_entry(result, id, i, &text);
    *cell_at(table, columns ? 0 : first + i + 1, columns ? first + i + 1 : 0) = text_string(&text);
  }
}

/* Puts a matrix into a table, from a row and a column on. */
static void fill_table(const struct table *table, const struct view *view, size_t row,
                       size_t column) {
  double *numbers = ARENA_ARRAY(table->arena, double, view->columns->size + 1);
  for (size_t i = 0; i < view->rows->size; i++) {
    view_row(view, i, numbers);
    for (size_t j = 0; j < view->columns->size; j++)
      *cell_at(table, row + i + 1, column + j + 1) =
          view_is_outside(view, i, j) ? "." : number_cell(table->arena, numbers[j]);
  }
}

/* ---- what there is to say of a matrix ---------------------------------------------------- */

struct summary {
  size_t rows, columns, nonzero, off; /* off: those off the diagonal */
  double low, high;
  bool *row, *column; /* of each: something in it is not 0 */
};

static void start_summary(struct summary *s, struct arena *arena, size_t rows, size_t columns) {
  *s = (struct summary){.rows = rows, .columns = columns, .low = INFINITY, .high = -INFINITY};
  s->row = ARENA_ARRAY(arena, bool, rows + 1);
  s->column = ARENA_ARRAY(arena, bool, columns + 1);
}

static void add_row(struct summary *s, size_t i, const double *row) {
  for (size_t j = 0; j < s->columns; j++) {
    if (row[j] < s->low || isnan(row[j])) s->low = row[j];
    if (row[j] > s->high || isnan(row[j])) s->high = row[j];
    if (row[j] == 0) continue;
    s->nonzero++;
    s->off += i != j;
    s->row[i] = s->column[j] = true;
  }
}

static struct summary summarise(const struct view *view, struct arena *arena) {
  struct summary s;
  start_summary(&s, arena, view->rows->size, view->columns->size);
  double *row = ARENA_ARRAY(arena, double, s.columns + 1);
  for (size_t i = 0; i < s.rows; i++) {
    view_row(view, i, row);
    add_row(&s, i, row);
  }
  return s;
}

static void print_range(double low, double high, struct text *out) {
  text_puts(out, ", min ");
  text_rounded(out, low, 4);
  text_puts(out, "  max ");
  text_rounded(out, high, 4);
  text_char(out, '\n');
}

static void print_summary(const struct summary *s, struct text *out) {
  if (!s->rows || !s->columns) {
    text_puts(out, "(empty)\n");
    return;
  }
  text_printf(out, "%zu x %zu, %zu of them not 0", s->rows, s->columns, s->nonzero);
  print_range(s->low, s->high, out);
}

/* "5 blocks of 4 x 3, axis 0 of p with axis 0 of s" */
static void print_blocks(const struct result *result, const struct view *view, struct text *out) {
  const struct jacobian *jacobian = view->jacobian;
  const size_t p = jacobian->p.free_count, s = jacobian->s.free_count;
  text_printf(out, ": %zu blocks of %zu x %zu, ", jacobian->p.paired_count, view->turned ? s : p,
              view->turned ? p : s);
  bool first = true;
  for (unsigned i = 0; i < view->columns->rank; i++) {
    if (view_pair(view, i) < 0) continue;
    text_printf(out, "%saxis %d of ", first ? "" : ", ", view_pair(view, i));
    graph_print_name(&result->net->graph, view->of, out);
    text_printf(out, " with axis %u of ", i);
    graph_print_name(&result->net->graph, view->by, out);
    first = false;
  }
}

static void print_structure(const struct result *result, const struct view *view,
                            struct text *out) {
  const char *kind = view_kind(view);
  text_puts(out, kind);
  if (!strcmp(kind, "block diagonal")) print_blocks(result, view, out);
}

/* The runs of rows or columns in which all is 0. */
static void print_zeros(const struct result *result, node_id id, const char *what, const bool *seen,
                        size_t count, struct text *out) {
  size_t runs = 0, left_out = 0;
  for (size_t i = 0, end; i < count; i = end) {
    for (end = i + 1; end < count && seen[end] == seen[i];) end++;
    if (seen[i]) continue;
    if (runs++ >= RUNS_MOST) {
      left_out += end - i;
      continue;
    }
    text_printf(out, runs == 1 ? "zero %s: " : ", ", what);
    print_entry(result, id, i, out);
    if (end - i > 1) text_puts(out, end - i > 2 ? " .. " : ", ");
    if (end - i > 1) print_entry(result, id, end - 1, out);
  }
  if (left_out) text_printf(out, " and %zu more", left_out);
  if (runs) text_char(out, '\n');
}

/* Zero rows and columns are worth a line where they are not all there is. */
static void print_all_zeros(const struct result *result, const struct view *view,
                            const struct summary *summary, struct text *out) {
  if (!summary->nonzero) return;
  print_zeros(result, view->of, "rows", summary->row, view->rows->size, out);
  print_zeros(result, view->by, "columns", summary->column, view->columns->size, out);
}

static bool is_small(size_t rows, size_t columns) {
  return rows && columns && rows <= ROWS_MOST && columns <= COLUMNS_MOST;
}

/* Whether the numbers are diagonal where the structure says nothing of it. */
static bool is_seen_diagonal(const struct view *view, const struct summary *summary) {
  return view->rows == view->columns && view->rows->rank > 0 && summary->nonzero && !summary->off &&
         !strcmp(view_kind(view), "dense");
}

/* ---- Jacobians --------------------------------------------------------------------------- */

void export_jacobian_text(const struct jacobian_result *answer, struct text *out) {
  const struct result *result = &answer->result;
  const struct view view = view_matrix(&answer->matrix, false);
  const struct summary summary = summarise(&view, out->arena);
  print_title(result, out);
  text_puts(out, "Jacobian of ");
  print_named(result, view.of, out);
  text_puts(out, " by ");
  print_named(result, view.by, out);
  text_puts(out, "\nstructure: ");
  print_structure(result, &view, out);
  if (is_seen_diagonal(&view, &summary)) text_puts(out, ", but diagonal at these values");
  text_puts(out, "\n\n");
  if (is_small(view.rows->size, view.columns->size)) {
    struct table table;
    start_table(&table, out->arena, view.rows->size, view.columns->size);
    label_entries(&table, result, view.of, view.rows->size, false, 0);
    label_entries(&table, result, view.by, view.columns->size, true, 0);
    fill_table(&table, &view, 0, 0);
    print_table(&table, out);
  } else
    print_summary(&summary, out);
  print_all_zeros(result, &view, &summary, out);
  print_undefined_places(result, out);
}

/* ---- Hessians ---------------------------------------------------------------------------- */

static const struct node *wrt_node(const struct hessian_result *answer, size_t i) {
  return graph_node(&answer->result.net->graph, answer->result.wrt.at[i]);
}

static void print_heading(const struct hessian_result *answer, const char *what, struct text *out) {
  const struct result *result = &answer->result;
  const node_id output = result->plan.output;
  print_title(result, out);
  text_puts(out, what);
  if (graph_node(&result->net->graph, output)->shape->size != 1) text_puts(out, "upstream . ");
  print_named(result, output, out);
  text_puts(out, " by ");
  for (size_t i = 0; i < answer->count && i < NODES_MOST; i++) {
    if (i) text_puts(out, ", ");
    print_named(result, result->wrt.at[i], out);
  }
  if (answer->count > NODES_MOST) text_printf(out, " and %zu more", answer->count - NODES_MOST);
  text_char(out, '\n');
}

static void print_one_table(const struct hessian_result *answer, struct text *out) {
  const struct result *result = &answer->result;
  struct table table;
  start_table(&table, out->arena, answer->size, answer->size);
  for (size_t a = 0, row = 0; a < answer->count; row += wrt_node(answer, a++)->shape->size) {
    const size_t size = wrt_node(answer, a)->shape->size;
    label_entries(&table, result, result->wrt.at[a], size, false, row);
    label_entries(&table, result, result->wrt.at[a], size, true, row);
    for (size_t b = 0, column = 0; b < answer->count; b++) {
      const struct view view = view_block(answer, a, b);
      fill_table(&table, &view, row, column);
      column += view.columns->size;
    }
  }
  print_table(&table, out);
}

/* What is known of a block of several. */
static void print_block(const struct result *result, const struct view *view, struct text *out) {
  text_puts(out, "structure of ");
  graph_print_name(&result->net->graph, view->of, out);
  text_char(out, '/');
  graph_print_name(&result->net->graph, view->by, out);
  text_puts(out, ": ");
  print_structure(result, view, out);
  text_char(out, '\n');
}

/* Dense ones go without saying, and so do all where they are many. */
static void print_structures(const struct hessian_result *answer, struct text *out) {
  if (answer->count == 1) {
    const struct view view = view_block(answer, 0, 0);
    text_puts(out, "structure: ");
    print_structure(&answer->result, &view, out);
    text_char(out, '\n');
    return;
  }
  for (size_t a = 0; answer->count <= NODES_MOST && a < answer->count; a++)
    for (size_t b = a; b < answer->count; b++) {
      const struct view view = view_block(answer, a, b);
      if (strcmp(view_kind(&view), "dense") != 0) print_block(&answer->result, &view, out);
    }
}

static void print_all_in_short(const struct hessian_result *answer, struct text *out) {
  struct summary s;
  start_summary(&s, out->arena, answer->size, answer->size);
  double *row = ARENA_ARRAY(out->arena, double, answer->size + 1);
  for (size_t i = 0; i < answer->size; i++) {
    hessian_row(answer, i, row);
    add_row(&s, i, row);
  }
  print_summary(&s, out);
}

static void print_eigenvalues(const struct hessian_result *answer, struct text *out) {
  if (!answer->eigenvalues) return;
  text_printf(out, "\n%s; eigenvalues:", hessian_definiteness(answer));
  for (size_t i = 0; i < answer->size; i++) {
    text_puts(out, i && i % LINE_MOST == 0 ? "\n  " : " ");
    text_rounded(out, answer->eigenvalues[i], DIGITS);
  }
  text_char(out, '\n');
}

static void print_product(const struct hessian_result *answer, struct text *out) {
  const struct shape *shape = wrt_node(answer, 0)->shape;
  const node_id id = answer->result.wrt.at[0];
  print_heading(answer, "Hessian times a vector, of ", out);
  text_char(out, '\n');
  if (!is_small(shape->size, 2)) {
    struct summary s;
    start_summary(&s, out->arena, 1, shape->size);
    add_row(&s, 0, answer->product);
    text_printf(out, "%zu entries", shape->size);
    print_range(s.low, s.high, out);
    return;
  }
  struct table table;
  start_table(&table, out->arena, shape->size, 2);
  *cell_at(&table, 0, 1) = "vector";
  *cell_at(&table, 0, 2) = "product";
  label_entries(&table, &answer->result, id, shape->size, false, 0);
  for (size_t i = 0; i < shape->size; i++) {
    *cell_at(&table, i + 1, 1) = number_cell(out->arena, answer->times[i]);
    *cell_at(&table, i + 1, 2) = number_cell(out->arena, answer->product[i]);
  }
  print_table(&table, out);
}

void export_hessian_text(const struct hessian_result *answer, struct text *out) {
  if (answer->times) {
    print_product(answer, out);
  } else {
    const bool small = is_small(answer->size, answer->size);
    print_heading(answer, "Hessian of ", out);
    print_structures(answer, out);
    text_char(out, '\n');
    if (small)
      print_one_table(answer, out);
    else
      print_all_in_short(answer, out);
    print_eigenvalues(answer, out);
  }
  print_undefined_places(&answer->result, out);
}
