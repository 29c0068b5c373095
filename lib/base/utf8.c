#include "base/utf8.h"

#include <string.h>

uint32_t utf8_decode(const char *text, size_t size, size_t *length) {
  const unsigned char *at = (const unsigned char *)text;
  *length = 1;
  if (at[0] < 0x80) return at[0];
  size_t wanted = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
  if (at[0] < 0xc2 || at[0] > 0xf4 || wanted > size) return UINT32_MAX;
  uint32_t code = at[0] & (0xffU >> (wanted + 1));
  for (size_t i = 1; i < wanted; i++) {
    if ((at[i] & 0xc0) != 0x80) return UINT32_MAX;
    code = code << 6 | (at[i] & 0x3f);
  }
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < least[wanted] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    return UINT32_MAX;
  *length = wanted;
  return code;
}

static bool starts_character(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

size_t utf8_count(const char *text, size_t size) {
  size_t count = 0;
  for (size_t i = 0; i < size; i++) count += starts_character(text[i]);
  return count;
}

const char *utf8_skip(const char *text, size_t size, size_t count) {
  const char *end = text + size;
  while (text < end && count--) {
    text++;
    while (text < end && !starts_character(*text)) text++;
  }
  return text;
}

size_t utf8_find_bad(const char *text, size_t size) {
  size_t at = 0;
  while (at < size) {
    if (size - at >= 8) { /* eight plain ASCII bytes at once: most of every file */
      uint64_t word;
      memcpy(&word, text + at, 8);
      uint64_t high = word & 0x8080808080808080U;
      uint64_t control = (word - 0x2020202020202020U) & ~word & 0x8080808080808080U;
      uint64_t del = word ^ 0x7f7f7f7f7f7f7f7fU;
      del = (del - 0x0101010101010101U) & ~del & 0x8080808080808080U;
      if (!(high | control | del)) {
        at += 8;
        continue;
      }
    }
    size_t length;
    uint32_t code = utf8_decode(text + at, size - at, &length);
    bool control = (code < 0x20 && code != '\t' && code != '\n' && code != '\r') ||
                   (code >= 0x7f && code < 0xa0 && code != 0x85);
    if (code == UINT32_MAX || control || code == 0xfffe || code == 0xffff) return at;
    at += length;
  }
  return size;
}

/* ---- kinds of characters ----------------------------------------------------------------- */

typedef const uint32_t range[2];

static bool is_in(uint32_t code, range *ranges, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
  return false;
}

/* Characters beyond ASCII that are no part of a name: spaces, punctuation, operators, symbols. */
static bool is_symbol(uint32_t code) {
  static range ranges[] = {{0x80, 0xa9},     {0xab, 0xb4},      {0xb6, 0xb9},     {0xbb, 0xbf},
                           {0xd7, 0xd7},     {0xf7, 0xf7},      {0x2000, 0x207f}, {0x208a, 0x208f},
                           {0x20a0, 0x20ff}, {0x2190, 0x2bff},  {0x3000, 0x3004}, {0x3008, 0x3020},
                           {0xd800, 0xf8ff}, {0xfe00, 0xfe0f},  {0xfe30, 0xfe6f}, {0xfeff, 0xfeff},
                           {0xff00, 0xff0f}, {0xff1a, 0xff20},  {0xff3b, 0xff40}, {0xff5b, 0xff65},
                           {0xffe0, 0xffff}, {0x1f000, 0x1faff}};
  return is_in(code, ranges, sizeof ranges / sizeof *ranges);
}

bool utf8_is_hidden(uint32_t code) {
  static range ranges[] = {{0, 0x1f},        {0x7f, 0xa0},     {0xad, 0xad},     {0x61c, 0x61c},
                           {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f}, {0x2028, 0x202f},
                           {0x205f, 0x206f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
  return is_in(code, ranges, sizeof ranges / sizeof *ranges);
}

static size_t width_of(uint32_t code) {
  static range wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                         {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff01, 0xff60},
                         {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
  static range none[] = {{0x300, 0x36f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};
  if (code < 0x300) return 1;
  return is_in(code, wide, sizeof wide / sizeof *wide)   ? 2
         : is_in(code, none, sizeof none / sizeof *none) ? 0
                                                         : 1;
}

size_t utf8_width(const char *text, size_t size) {
  size_t width = 0, length;
  for (size_t at = 0; at < size; at += length)
    width += width_of(utf8_decode(text + at, size - at, &length));
  return width;
}

static bool is_ascii_letter(unsigned char c) {
  return (unsigned char)((c | 0x20) - 'a') < 26 || c == '_';
}

size_t utf8_name(const char *text, size_t size) {
  size_t at = 0;
  while (at < size) {
    unsigned char c = (unsigned char)text[at];
    size_t length = 1;
    if (c < 0x80) {
      if (!is_ascii_letter(c) && !(at && c >= '0' && c <= '9')) break;
    } else {
      uint32_t code = utf8_decode(text + at, size - at, &length);
      bool subscript = code >= 0x2080 && code <= 0x2089;
      if (code == UINT32_MAX || is_symbol(code) || (subscript && !at)) break;
    }
    at += length;
  }
  return at;
}

/* ---- spelling ---------------------------------------------------------------------------- */

enum { EDIT_MOST = 64 };

static char lower_case(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool same_letter(char a, char b) { return lower_case(a) == lower_case(b); }

size_t edit_limit(size_t size) { return size < 5 ? 1 : size < 8 ? 2 : 3; }

size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size, size_t limit) {
  if (a_size > EDIT_MOST || b_size > EDIT_MOST) return limit + 1;
  if (a_size > b_size + limit || b_size > a_size + limit) return limit + 1;
  size_t rows[3][EDIT_MOST + 1];
  size_t *before = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_size; j++) last[j] = j;
  for (size_t i = 1; i <= a_size; i++) {
    row[0] = i;
    for (size_t j = 1; j <= b_size; j++) {
      size_t best = last[j - 1] + !same_letter(a[i - 1], b[j - 1]);
      if (last[j] + 1 < best) best = last[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      bool swap =
          i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]);
      if (swap && before[j - 2] + 1 < best) best = before[j - 2] + 1;
      row[j] = best;
    }
    size_t *oldest = before;
    before = last, last = row, row = oldest;
  }
  return last[b_size] <= limit ? last[b_size] : limit + 1;
}
