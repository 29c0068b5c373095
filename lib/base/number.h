/* Numbers as text.  Reading follows the YAML 1.2 core schema and nothing else; writing gives the
 * shortest text that reads back to the same double.  Neither knows of locales. */
#ifndef BPGRAPH_BASE_NUMBER_H
#define BPGRAPH_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { NUMBER_SIZE = 40 }; /* no number is longer as text */

enum number_kind {
  NUMBER_NONE,     /* not a number of the core schema */
  NUMBER_INTEGER,  /* written without fraction and exponent */
  NUMBER_FLOAT,    /* everything else, .inf and .nan included */
  NUMBER_TOO_LARGE /* a number beyond the range of a double */
};

/* Reads all of text[0..size).  Too small a number is 0. */
enum number_kind number_parse(const char *text, size_t size, double *value);

/* Reads the longest unsigned decimal number (12, 1.5, .15, 1e-3) at the start of a text, as
 * expressions have it; *length is 0 where there is none. */
enum number_kind number_scan(const char *text, size_t size, double *value, size_t *length);

/* Writes the shortest text, fixed from 1e-5 to 1e16, and returns its length; no NUL is added.
 * NaN and infinities are NaN, Infinity and -Infinity. */
size_t number_format(char out[NUMBER_SIZE], double value);

/* Writes at most `digits` (1 to 17) significant digits, without trailing zeros. */
size_t number_round(char out[NUMBER_SIZE], double value, int digits);

size_t integer_format(char out[NUMBER_SIZE], int64_t value);

#ifdef __cplusplus
}
#endif
#endif
