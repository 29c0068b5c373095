/* UTF-8: decoding, counting, and which characters a name may have. */
#ifndef BPGRAPH_BASE_UTF8_H
#define BPGRAPH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character at text[0..size), size > 0, and sets its length in bytes.  A malformed
 * one gives UINT32_MAX and length 1. */
uint32_t utf8_decode(const char *text, size_t size, size_t *length);

/* How many characters text[0..size) has. */
size_t utf8_count(const char *text, size_t size);

/* The place after `count` characters, or the end. */
const char *utf8_skip(const char *text, size_t size, size_t count);

/* The offset of the first byte that is not UTF-8 or is a control character other than tab and
 * line ends; `size` where there is none. */
size_t utf8_find_bad(const char *text, size_t size);

/* The length of the name (a letter or _, then letters, digits, _) at the start of a text; 0 where
 * none starts.  Letters are those of ASCII and, beyond it, all characters that are not known as
 * spaces, punctuation, operators or symbols. */
size_t utf8_name(const char *text, size_t size);

/* How many columns of a terminal text[0..size) takes: East Asian characters and most pictures two,
 * what combines with its neighbour none. */
size_t utf8_width(const char *text, size_t size);

/* Whether a character cannot be seen, or changes how others are seen: blanks beyond ASCII, marks of
 * direction, controls. */
bool utf8_is_hidden(uint32_t code);

/* The edit distance of two texts in bytes, a swap of neighbours counting 1 and a change of case
 * nothing; limit + 1 at most. */
size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size, size_t limit);

/* How far a misspelt name of this size may be from the one that was meant. */
size_t edit_limit(size_t size);

#endif
