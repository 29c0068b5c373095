#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static const struct {
  unsigned number;
  enum severity severity;
  const char *format, *meaning;
} catalogue[DIAG_COUNT] = {
#define DIAG(id, number, severity, format, meaning) {number, SEVERITY_##severity, format, meaning},
#include "base/diag.def"
#undef DIAG
};

void report_init(struct report *report, struct arena *arena) {
  *report = (struct report){.arena = arena};
}

struct source *report_source(struct report *report, const char *name, const char *bytes,
                             size_t size) {
  uint64_t base = 1; /* 0 is no place */
  if (report->sources.count) {
    const struct source *last = report->sources.at[report->sources.count - 1];
    base = (uint64_t)last->base + last->size + 1;
  }
  if (base + size + 1 > UINT32_MAX) return NULL;
  struct source *source = ARENA_NEW(report->arena, struct source);
  source->name = name;
  source->bytes = bytes;
  source->size = size;
  source->base = (uint32_t)base;
  *vec_push(report->arena, &report->sources) = source;
  return source;
}

static const char *format_text(struct report *report, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, format, arguments);
  char *text = arena_alloc(report->arena, (size_t)size + 1);
  vsnprintf(text, (size_t)size + 1, format, again);
  va_end(again);
  return text;
}

static bool said_before(const struct report *report, const struct message *message) {
  for (size_t i = 0; i < report->messages.count; i++) {
    const struct message *other = &report->messages.at[i];
    if (other->id == message->id && other->mark.start == message->mark.start &&
        other->source == message->source && !strcmp(other->text, message->text))
      return true;
  }
  return false;
}

static void add(struct report *report, struct mark mark, const struct source *source, enum diag id,
                const char *format, va_list arguments) {
  enum severity severity = catalogue[id].severity;
  report->dropped = report->counts[severity] >= REPORT_LIMIT;
  struct message message = {.id = id, .severity = severity, .mark = mark, .source = source};
  if (!report->dropped) {
    message.text = format_text(report, format, arguments);
    message.group = report->messages.count;
    report->dropped = said_before(report, &message);
    if (report->dropped) return;
    *vec_push(report->arena, &report->messages) = message;
  }
  report->counts[severity]++;
}

void report_add(struct report *report, struct mark mark, enum diag id, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add(report, mark, NULL, id, format, arguments);
  va_end(arguments);
}

void report_about(struct report *report, const struct source *source, enum diag id,
                  const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add(report, (struct mark){0, 0}, source, id, format, arguments);
  va_end(arguments);
}

void report_hint(struct report *report, const char *format, ...) {
  if (report->dropped || !report->messages.count) return;
  va_list arguments;
  va_start(arguments, format);
  report->messages.at[report->messages.count - 1].hint = format_text(report, format, arguments);
  va_end(arguments);
}

void report_see(struct report *report, struct mark mark, const char *format, ...) {
  if (report->dropped || !report->messages.count) return;
  const struct message *main = &report->messages.at[report->messages.count - 1];
  struct message note = {.id = main->id, .severity = SEVERITY_NOTE, .mark = mark};
  note.group = main->group;
  va_list arguments;
  va_start(arguments, format);
  note.text = format_text(report, format, arguments);
  va_end(arguments);
  *vec_push(report->arena, &report->messages) = note;
}

bool report_full(const struct report *report) {
  return report->counts[SEVERITY_ERROR] >= REPORT_LIMIT;
}

bool report_failed(const struct report *report) {
  return report->counts[SEVERITY_ERROR] || report->counts[SEVERITY_FAILURE];
}

enum severity report_worst(const struct report *report) {
  for (int severity = SEVERITY_FAILURE; severity > SEVERITY_NOTE; severity--)
    if (report->counts[severity]) return (enum severity)severity;
  return SEVERITY_NOTE;
}

/* The source that holds a mark, found from the back: the last one whose base is not beyond it. */
static struct source *find_source(const struct report *report, uint32_t at) {
  for (size_t i = report->sources.count; i-- > 0;)
    if (at && report->sources.at[i]->base <= at) return report->sources.at[i];
  return NULL;
}

struct mark source_mark(const struct source *source, const char *at, size_t size) {
  uint32_t start = source->base + (uint32_t)(at - source->bytes);
  return (struct mark){start, start + (uint32_t)size};
}

const char *report_bytes(const struct report *report, struct mark mark) {
  const struct source *source = find_source(report, mark.start);
  return source->bytes + (mark.start - source->base);
}

static void index_lines(const struct report *report, struct source *source) {
  *vec_push(report->arena, &source->lines) = 0;
  const char *bytes = source->bytes;
  for (size_t i = 0; i < source->size; i++)
    if (bytes[i] == '\n' || (bytes[i] == '\r' && bytes[i + 1] != '\n'))
      *vec_push(report->arena, &source->lines) = (uint32_t)i + 1;
}

/* The number of the last line that starts at or before `offset`. */
static size_t line_of(const struct source *source, uint32_t offset) {
  size_t low = 0, high = source->lines.count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (source->lines.at[middle] <= offset)
      low = middle;
    else
      high = middle;
  }
  return low;
}

bool report_locate(const struct report *report, struct mark mark, struct place *place) {
  struct source *source = find_source(report, mark.start);
  if (!source) return false;
  if (!source->lines.count) index_lines(report, source);
  uint32_t offset = mark.start - source->base;
  size_t line = line_of(source, offset);
  const char *text = source->bytes + source->lines.at[line];
  *place = (struct place){.source = source, .line = line + 1, .text = text};
  place->size = strcspn(text, "\r\n");
  if (text + place->size > source->bytes + source->size)
    place->size = (size_t)(source->bytes + source->size - text);
  place->column = 1 + utf8_count(text, (size_t)(source->bytes + offset - text));
  return true;
}

static uint32_t sort_key(const struct message *message) { return message->mark.start; }

void report_sort(struct report *report) {
  /* Insertion sort of whole groups: few messages, and the order of equals is kept. */
  struct message *at = report->messages.at;
  size_t count = report->messages.count;
  for (size_t from = 0; from < count;) {
    size_t size = 1;
    while (from + size < count && at[from + size].group == at[from].group) size++;
    size_t to = from;
    while (to > 0) {
      size_t previous = to - 1;
      while (previous > 0 && at[previous - 1].group == at[previous].group) previous--;
      if (sort_key(&at[previous]) <= sort_key(&at[from])) break;
      to = previous;
    }
    for (size_t i = 0; i < size; i++) {
      struct message moved = at[from + i];
      memmove(&at[to + i + 1], &at[to + i], (from - to) * sizeof *at);
      at[to + i] = moved;
    }
    from += size;
  }
}

const char *severity_name(enum severity severity) {
  static const char *const names[] = {"note", "warning", "error", "error"};
  return names[severity];
}

unsigned diag_number(enum diag id) { return catalogue[id].number; }
enum severity diag_severity(enum diag id) { return catalogue[id].severity; }
const char *diag_format(enum diag id) { return catalogue[id].format; }
const char *diag_meaning(enum diag id) { return catalogue[id].meaning; }

size_t report_visible(struct text *out, const char *text, size_t size) {
  size_t columns = 0, length;
  for (size_t i = 0; i < size; i += length) {
    uint32_t code = utf8_decode(text + i, size - i, &length);
    char escape[16];
    int width = 0;
    if (code == UINT32_MAX || (length == 1 && code != '\t' && utf8_is_hidden(code)))
      width = snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)text[i]);
    else if (code != '\t' && utf8_is_hidden(code))
      width = snprintf(escape, sizeof escape, "<U+%04X>", (unsigned)code);
    if (width)
      text_add(out, escape, (size_t)width);
    else if (code == '\t')
      text_char(out, ' ');
    else
      text_add(out, text + i, length);
    columns += width ? (size_t)width : utf8_width(text + i, length);
  }
  return columns;
}

enum { LINE_SHOWN = 100 }; /* characters of a source line that are shown */

/* The source line and a caret under the mark; a window of a line that is too long. */
static void print_line(const struct place *place, struct mark mark, const char *on, const char *off,
                       struct text *out) {
  size_t first = place->column > LINE_SHOWN - 20 ? place->column - LINE_SHOWN / 2 : 1;
  const char *at = utf8_skip(place->text, place->size, first - 1);
  const char *end = utf8_skip(at, (size_t)(place->text + place->size - at), LINE_SHOWN);
  const char *caret = utf8_skip(place->text, place->size, place->column - 1);
  size_t size = mark.end - mark.start, rest = caret < end ? (size_t)(end - caret) : 0;
  if (size > rest) size = rest;
  text_printf(out, "%6zu | ", place->line);
  if (first > 1) text_puts(out, "...");
  size_t before = report_visible(out, at, (size_t)(caret - at));
  size_t width = report_visible(out, caret, size);
  report_visible(out, caret + size, rest - size);
  if (end < place->text + place->size) text_puts(out, "...");
  text_puts(out, "\n       | ");
  text_fill(out, ' ', (first > 1 ? 3 : 0) + before);
  text_puts(out, on);
  text_char(out, '^');
  if (width > 1) text_fill(out, '~', width - 1);
  text_puts(out, off);
  text_char(out, '\n');
}

void report_print(const struct report *report, const struct message *message, bool color,
                  struct text *out) {
  static const char *const colors[] = {"\033[1;36m", "\033[1;35m", "\033[1;31m", "\033[1;31m"};
  const char *bold = color ? "\033[1m" : "", *off = color ? "\033[0m" : "";
  const char *tone = color ? colors[message->severity] : "";
  struct place place;
  bool placed = report_locate(report, message->mark, &place);
  const struct source *source = placed ? place.source : message->source;
  text_puts(out, bold);
  report_visible(out, source ? source->name : "bpgraph", strlen(source ? source->name : "bpgraph"));
  if (placed) text_printf(out, ":%zu:%zu", place.line, place.column);
  text_printf(out, ":%s %s%s:%s ", off, tone, severity_name(message->severity), off);
  report_visible(out, message->text, strlen(message->text));
  if (message->severity != SEVERITY_NOTE || catalogue[message->id].severity == SEVERITY_NOTE)
    text_printf(out, " [BP%03u]", catalogue[message->id].number);
  text_char(out, '\n');
  if (placed) print_line(&place, message->mark, tone, off, out);
  if (!message->hint) return;
  text_printf(out, "%shint:%s ", bold, off);
  report_visible(out, message->hint, strlen(message->hint));
  text_char(out, '\n');
}

void report_excerpt(const struct report *report, struct mark mark, struct text *out) {
  struct place place;
  if (report_locate(report, mark, &place)) print_line(&place, mark, "", "", out);
}

void report_count(const struct report *report, struct text *out) {
  size_t errors = report->counts[SEVERITY_ERROR] + report->counts[SEVERITY_FAILURE];
  size_t warnings = report->counts[SEVERITY_WARNING];
  if (errors) text_printf(out, "%zu error%s", errors, errors == 1 ? "" : "s");
  if (errors && warnings) text_puts(out, ", ");
  if (warnings) text_printf(out, "%zu warning%s", warnings, warnings == 1 ? "" : "s");
  if (!errors && !warnings) return;
  if (errors > REPORT_LIMIT || warnings > REPORT_LIMIT)
    text_printf(out, " (the first %d of a kind are shown)", REPORT_LIMIT);
  text_char(out, '\n');
}

const char *report_quote(struct report *report, const char *bytes, size_t size) {
  enum { LIMIT = 60 };
  if (utf8_count(bytes, size) <= LIMIT) return arena_copy(report->arena, bytes, size);
  size_t kept = (size_t)(utf8_skip(bytes, size, LIMIT - 3) - bytes);
  char *quote = arena_alloc(report->arena, kept + 4);
  memcpy(quote, bytes, kept);
  memcpy(quote + kept, "...", 4);
  return quote;
}
