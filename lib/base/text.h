/* A growing text, kept in memory or handed on piece by piece to a sink. */
#ifndef BPGRAPH_BASE_TEXT_H
#define BPGRAPH_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/* Takes `size` bytes; false when they could not be written. */
typedef bool text_sink(void *user, const char *bytes, size_t size);

struct text {
  struct arena *arena;
  char *at;
  size_t count, capacity;
  text_sink *sink; /* NULL: keep everything */
  void *user;
  bool failed; /* the sink refused something; what follows is dropped */
};

/* An empty text in `arena`; with a sink it is handed on in pieces of some 64 kB. */
void text_init(struct text *text, struct arena *arena, text_sink *sink, void *user);

void text_add(struct text *text, const char *bytes, size_t size);
void text_puts(struct text *text, const char *string);
void text_char(struct text *text, char c);
void text_fill(struct text *text, char c, size_t times);
void text_printf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* The shortest decimal that reads back to the same double (see base/number.h). */
void text_number(struct text *text, double value);
/* At most `digits` significant digits, for people. */
void text_rounded(struct text *text, double value, int digits);
void text_integer(struct text *text, int64_t value);
/* An amount of memory, for people: "1.5 GB". */
void text_bytes(struct text *text, double bytes);

/* The bytes in memory, followed by a NUL that does not count. */
const char *text_string(struct text *text);

/* Hands the rest to the sink; false when anything could not be written. */
bool text_flush(struct text *text);

#endif
