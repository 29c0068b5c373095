/* What went wrong, and where: messages with a stable code, a place in a source text, a hint.
 *
 * The library never prints and never exits: a function that fails has added a message here and
 * returns false.  Every message is a row of diag.def. */
#ifndef BPGRAPH_BASE_REPORT_H
#define BPGRAPH_BASE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR, SEVERITY_FAILURE };

enum diag {
#define DIAG(id, number, severity, format, meaning) DIAG_##id,
#include "base/diag.def"
#undef DIAG
  DIAG_COUNT
};

/* The formats as constants of their own, so that the compiler checks each call's arguments. */
#define DIAG(id, number, severity, format, meaning) static const char diag_format_##id[] = format;
#include "base/diag.def"
#undef DIAG
#define BP(id) DIAG_##id, diag_format_##id

/* Bytes [start, end) in the sources of a report, counted through all of them; a mark with
 * start == 0 is no place at all. */
struct mark {
  uint32_t start, end;
};

/* A text that messages point into: a net file, an option's value, a data file. */
struct source {
  const char *name;  /* as the user called it */
  const char *bytes; /* a NUL follows; belongs to the report */
  size_t size;
  uint32_t base;       /* the mark of byte 0 */
  VEC(uint32_t) lines; /* where each line starts; made when first asked for */
};

struct message {
  enum diag id;
  enum severity severity;
  struct mark mark;
  const struct source *source; /* for messages about a whole source; else that of the mark */
  const char *text, *hint;     /* hint may be NULL */
  size_t group;                /* notes stay with the message that they belong to */
};

struct report {
  struct arena *arena;
  VEC(struct source *) sources;
  VEC(struct message) messages;
  size_t counts[SEVERITY_FAILURE + 1]; /* all that were added, kept or not */
  bool dropped;                        /* whether the last one was over the limit */
};

enum { REPORT_LIMIT = 100 }; /* so many messages of a severity are kept */

void report_init(struct report *report, struct arena *arena);

/* Takes up a source; `bytes` must be followed by a NUL and live as long as the report.  NULL when
 * all sources together would be over 4 GB. */
struct source *report_source(struct report *report, const char *name, const char *bytes,
                             size_t size);

/* Adds a message: report_add(report, mark, BP(UNKNOWN_KEY), "inptus"); */
void report_add(struct report *report, struct mark mark, enum diag id, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* The same about a source as a whole. */
void report_about(struct report *report, const struct source *source, enum diag id,
                  const char *format, ...) PRINTF_LIKE(4, 5);
/* Says what to do about the last message. */
void report_hint(struct report *report, const char *format, ...) PRINTF_LIKE(2, 3);
/* Points to a further place that belongs to the last message. */
void report_see(struct report *report, struct mark mark, const char *format, ...) PRINTF_LIKE(3, 4);

/* Whether no more errors are kept: then a hint is not worth being looked for. */
bool report_full(const struct report *report);

/* Whether anything so bad that no answer can be given was added. */
bool report_failed(const struct report *report);

/* The worst severity added; SEVERITY_NOTE when nothing was. */
enum severity report_worst(const struct report *report);

/* Where a mark is.  Lines and columns count from 1, columns in characters. */
struct place {
  const struct source *source;
  size_t line, column;
  const char *text; /* the line, without its end */
  size_t size;
};
bool report_locate(const struct report *report, struct mark mark, struct place *place);

/* The mark of bytes [at, at + size) of a source. */
struct mark source_mark(const struct source *source, const char *at, size_t size);
/* The bytes that a mark stands for. */
const char *report_bytes(const struct report *report, struct mark mark);

/* Puts the messages in order of place (notes after what they belong to). */
void report_sort(struct report *report);
/* Writes one message: file:line:col: error: text [BP012], the line, a caret, the hint. */
void report_print(const struct report *report, const struct message *message, bool color,
                  struct text *out);
/* Writes the line of a mark with a caret under it, as report_print does; nothing where it is no
 * place. */
void report_excerpt(const struct report *report, struct mark mark, struct text *out);
/* Writes "2 errors, 1 warning"; nothing where there is nothing to count. */
void report_count(const struct report *report, struct text *out);

/* Adds a user's text so that no terminal can be led astray by what is in it: control characters,
 * marks of direction, malformed bytes.  Returns how many columns it takes. */
size_t report_visible(struct text *out, const char *text, size_t size);

/* The catalogue. */
const char *severity_name(enum severity severity);
unsigned diag_number(enum diag id);
enum severity diag_severity(enum diag id);
const char *diag_format(enum diag id);
const char *diag_meaning(enum diag id);

/* `size` bytes of a user's text, shortened to be quoted in a message; lives with the report. */
const char *report_quote(struct report *report, const char *bytes, size_t size);

#endif
