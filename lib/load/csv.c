/* .csv files: lines of numbers with commas between them, as spreadsheets, pandas and
 * numpy.savetxt(delimiter=',') write them.  The tensor has always two axes, lines and cells.
 *
 * A first line in which no cell is a number is a header and is left out.  Blanks around a cell,
 * quotes, a byte order mark, blank lines at the end and all three kinds of line ends are fine;
 * empty cells, lines of different lengths and everything that is no number are faults. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "load/formats.h"

enum {
  FAULTS_MOST = 20, /* then reading stops */
  RAGGED_MOST = 3   /* where the first line is the odd one, all others differ from it */
};

/* What people separate cells with that is no comma. */
static const struct separator {
  char character;
  const char *name;
} separators[] = {{';', "semicolons"}, {'\t', "tabs"}, {' ', "spaces"}};

/* A cell that is no number. */
struct bad_cell {
  uint64_t offset;
  size_t size;
  enum number_kind kind;             /* NUMBER_NONE or NUMBER_TOO_LARGE */
  const struct separator *separator; /* what it has where a comma should be, or NULL */
};

struct csv {
  struct reader in;
  VEC(double) numbers;
  uint64_t rows, columns; /* columns is 0 until a line sets it */
  const char *model;      /* that line */
  bool header;
  size_t faults, ragged;
  uint64_t blank; /* where the first of the blank lines just read starts, plus 1; or 0 */
  struct bad_cell bad[FAULTS_MOST]; /* of the row that is read */
  size_t bad_count;
};

/* A row while it is read. */
struct row {
  uint64_t offset, end;
  uint64_t cells, numbers;
  bool comment; /* it starts with #, as numpy.savetxt writes a header */
  bool blank;
};

static struct report *report_of(const struct csv *csv) { return csv->in.file->request->report; }

/* ---- faults ---------------------------------------------------------------------------------- */

/* Ends a message that was just added. */
static void count_fault(struct csv *csv) {
  struct report *report = report_of(csv);
  if (!csv->faults++) reader_blame(&csv->in);
  if (csv->faults == FAULTS_MOST)
    report_see(report, csv->in.file->request->mark, "after %d faults the rest is not read",
               FAULTS_MOST);
}

static void blame_cell(struct csv *csv, const struct bad_cell *bad) {
  struct report *report = report_of(csv);
  struct mark mark = reader_mark(&csv->in, bad->offset, bad->size);
  bool large = bad->kind == NUMBER_TOO_LARGE;
  const char *text = bad->size ? "a cell" : "an empty cell";
  if (bad->size && csv->in.source) {
    text = data_quote(csv->in.file, report_bytes(report, mark), bad->size);
    if (!large) text = data_format(csv->in.file, "'%s'", text);
  }
  if (large)
    report_add(report, mark, BP(NUMBER_TOO_LARGE), text);
  else
    report_add(report, mark, BP(NOT_A_NUMBER), text);
  if (bad->separator)
    report_hint(report, "cells are separated by commas, not by %s", bad->separator->name);
  count_fault(csv);
}

static void blame_row(struct csv *csv, uint64_t offset, uint64_t end, const char *what) {
  struct mark mark = reader_mark(&csv->in, offset, (size_t)(end - offset));
  report_add(report_of(csv), mark, BP(RAGGED), what);
  count_fault(csv);
}

static bool blame_text(struct csv *csv, const char *at, const char *what) {
  struct mark mark = reader_mark(&csv->in, reader_offset(&csv->in, at), 1);
  report_add(report_of(csv), mark, BP(BAD_FILE), "CSV", what);
  count_fault(csv);
  return false;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static inline bool is_blank(char c) { return c == ' ' || c == '\t'; }
static inline bool ends_line(const struct csv *csv, const char *at) {
  return *at == '\n' || *at == '\r' || at == csv->in.end;
}

/* The numbers that are no YAML numbers, as NumPy, C and JSON write them. */
static bool parse_word(const char *text, size_t size, double *value) {
  static const struct {
    const char *text;
    double value;
  } words[] = {{"nan", NAN}, {"NaN", NAN}, {"inf", INFINITY}, {"Infinity", INFINITY}};
  bool sign = size && (*text == '-' || *text == '+');
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strlen(words[i].text) != size - sign) continue;
    if (memcmp(words[i].text, text + sign, size - sign) != 0) continue;
    *value = *text == '-' ? -words[i].value : words[i].value;
    return true;
  }
  return false;
}

static enum number_kind parse_cell(const char *text, size_t size, double *value) {
  enum number_kind kind = number_parse(text, size, value);
  return kind == NUMBER_NONE && parse_word(text, size, value) ? NUMBER_FLOAT : kind;
}

/* The length of the number at the start of a text; 0 where there is none. */
static size_t number_length(const char *text, size_t size) {
  double value;
  size_t sign = size && (*text == '-' || *text == '+'), length;
  number_scan(text + sign, size - sign, &value, &length);
  return length ? sign + length : 0;
}

/* "1;2" and "1 2" are cells in which something else than a comma stands between numbers. */
static const struct separator *find_separator(const char *text, size_t size) {
  size_t length = number_length(text, size), next = length + 1;
  if (!length || next >= size) return NULL;
  while (next < size && is_blank(text[next])) next++;
  if (!number_length(text + next, size - next)) return NULL;
  for (size_t i = 0; i < sizeof separators / sizeof *separators; i++)
    if (text[length] == separators[i].character) return &separators[i];
  return NULL;
}

/* Takes one cell's text as a number, or notes that it is none. */
static void take_cell(struct csv *csv, struct row *row, const char *text, size_t size) {
  double value = 0;
  enum number_kind kind = parse_cell(text, size, &value);
  bool good = kind == NUMBER_INTEGER || kind == NUMBER_FLOAT;
  *vec_push(csv->in.file->request->arena, &csv->numbers) = value;
  row->cells++;
  row->numbers += kind != NUMBER_NONE;
  if (good || csv->bad_count == FAULTS_MOST) return;
  csv->bad[csv->bad_count++] =
      (struct bad_cell){reader_offset(&csv->in, text), size, kind, find_separator(text, size)};
}

/* Finds the end of a cell's text: the closing quote, or what ends a cell without quotes. */
static const char *find_end(const struct csv *csv, const char *at, bool quoted) {
  if (!quoted) {
    while (*at != ',' && !ends_line(csv, at)) at++;
    return at;
  }
  while (*at != '"' || at[1] == '"') { /* two quotes stand for one */
    if (ends_line(csv, at)) return NULL;
    at += *at == '"' ? 2 : 1;
  }
  return at;
}

/* Reads a cell and what is around it, up to the comma or the end of the line. */
static bool read_cell(struct csv *csv, struct row *row) {
  struct reader *in = &csv->in;
  reader_need(in);
  while (is_blank(*in->at)) in->at++;
  bool quoted = *in->at == '"';
  const char *text = in->at + quoted, *end = find_end(csv, text, quoted);
  if (!end) return blame_text(csv, in->at, "this quote is not closed on its line");
  in->at = end + quoted;
  while (!quoted && end > text && is_blank(end[-1])) end--;
  while (is_blank(*in->at)) in->at++;
  if (in->at == in->end && !in->last) return blame_text(csv, text, "this cell is too long");
  if (*in->at != ',' && !ends_line(csv, in->at))
    return blame_text(csv, in->at, "a comma should follow the quoted cell");
  row->blank = !quoted && end == text && !row->cells;
  take_cell(csv, row, text, (size_t)(end - text));
  return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void end_line(struct reader *in) {
  reader_need(in);
  if (*in->at == '\r') in->at++;
  if (*in->at == '\n') in->at++;
}

/* Reads one line; false where the rest makes no sense any more. */
static bool read_line(struct csv *csv, struct row *row) {
  struct reader *in = &csv->in;
  *row = (struct row){.offset = reader_offset(in, in->at), .comment = *in->at == '#'};
  csv->bad_count = 0;
  bool more = true;
  while (more) {
    if (!read_cell(csv, row)) return false;
    more = *in->at == ',';
    in->at += more;
  }
  row->blank = row->blank && row->cells == 1;
  row->end = reader_offset(in, in->at);
  end_line(in);
  return true;
}

/* A first line without a number, unless it is a line of numbers with other separators. */
static bool is_header(const struct csv *csv, const struct row *row) {
  bool separated = false;
  for (size_t i = 0; i < csv->bad_count; i++) separated |= csv->bad[i].separator != NULL;
  return !csv->rows && !csv->header && !row->numbers && !separated;
}

static void take_header(struct csv *csv, const struct row *row) {
  csv->header = true;
  csv->numbers.count = 0;
  if (row->comment) return; /* it may be about anything */
  csv->columns = row->cells;
  csv->model = "the header";
}

static void check_length(struct csv *csv, const struct row *row) {
  if (!csv->columns) {
    csv->columns = row->cells;
    csv->model = "the first one";
  }
  if (row->cells == csv->columns || csv->ragged++ >= RAGGED_MOST) return;
  blame_row(csv, row->offset, row->end,
            data_format(csv->in.file, "this line has %" PRIu64 " cell%s, %s %" PRIu64, row->cells,
                        row->cells == 1 ? "" : "s", csv->model, csv->columns));
}

static void check_row(struct csv *csv, const struct row *row) {
  if (csv->blank)
    blame_row(csv, csv->blank - 1, csv->blank - 1, "a blank line has lines of numbers below it");
  csv->blank = 0;
  check_length(csv, row);
  for (size_t i = 0; i < csv->bad_count && csv->faults < FAULTS_MOST; i++)
    blame_cell(csv, &csv->bad[i]);
  csv->rows++;
}

static void take_row(struct csv *csv, const struct row *row) {
  if (row->blank) {
    csv->numbers.count--;
    if (!csv->blank) csv->blank = row->offset + 1;
  } else if (is_header(csv, row)) {
    take_header(csv, row);
  } else {
    check_row(csv, row);
  }
}

static bool read_rows(struct csv *csv) {
  struct reader *in = &csv->in;
  struct row row;
  for (reader_need(in); in->at < in->end; reader_need(in)) {
    if (!read_line(csv, &row)) return false;
    take_row(csv, &row);
    if (csv->faults >= FAULTS_MOST) return false;
  }
  if (csv->faults) return false;
  return csv->rows || data_fault(in->file, csv->header ? "it has a header, but no numbers below it"
                                                       : "it has no numbers");
}

bool csv_read_file(struct data_file *file, struct data *out) {
  struct arena *arena = file->request->arena;
  struct csv csv = {.rows = 0};
  if (!reader_open(&csv.in, file)) return false;
  bool good = read_rows(&csv);
  reader_close(&csv.in);
  if (!good) return false;
  out->dims = make_dims(2, (int64_t[]){(int64_t)csv.rows, (int64_t)csv.columns});
  out->at = arena_resize(arena, csv.numbers.at, csv.numbers.count * sizeof *out->at);
  return true;
}
