#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

enum { PIECE = 1 << 16 };

void text_init(struct text *text, struct arena *arena, text_sink *sink, void *user) {
  *text = (struct text){.arena = arena, .sink = sink, .user = user};
}

bool text_flush(struct text *text) {
  if (text->sink && text->count) {
    if (!text->failed && !text->sink(text->user, text->at, text->count)) text->failed = true;
    text->count = 0;
  }
  return !text->failed;
}

/* Room for `size` more bytes and a NUL. */
static char *text_reserve(struct text *text, size_t size) {
  if (text->sink && text->count >= PIECE) text_flush(text);
  text->at = vec_reserve(text->arena, text->at, text->count + size + 1, &text->capacity, 1);
  return text->at + text->count;
}

void text_add(struct text *text, const char *bytes, size_t size) {
  if (!size) return;
  memcpy(text_reserve(text, size), bytes, size);
  text->count += size;
}

void text_puts(struct text *text, const char *string) { text_add(text, string, strlen(string)); }

void text_char(struct text *text, char c) {
  *text_reserve(text, 1) = c;
  text->count++;
}

void text_fill(struct text *text, char c, size_t times) {
  memset(text_reserve(text, times), c, times);
  text->count += times;
}

void text_printf(struct text *text, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (size > 0) {
    vsnprintf(text_reserve(text, (size_t)size), (size_t)size + 1, format, again);
    text->count += (size_t)size;
  }
  va_end(again);
}

void text_number(struct text *text, double value) {
  text->count += number_format(text_reserve(text, NUMBER_SIZE), value);
}

void text_rounded(struct text *text, double value, int digits) {
  text->count += number_round(text_reserve(text, NUMBER_SIZE), value, digits);
}

void text_integer(struct text *text, int64_t value) {
  text->count += integer_format(text_reserve(text, NUMBER_SIZE), value);
}

void text_bytes(struct text *text, double bytes) {
  static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++) bytes /= 1000;
  text_rounded(text, bytes, 3);
  text_printf(text, " %s", units[unit]);
}

const char *text_string(struct text *text) {
  *text_reserve(text, 0) = '\0';
  return text->at;
}
