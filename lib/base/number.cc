// The one C++ file: it wraps std::from_chars and std::to_chars, which are exact, shortest, free of
// locales and several times faster than strtod and printf.
#include "base/number.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t skip_digits(const char *text, size_t size, size_t at) {
  while (at < size && is_digit(text[at])) at++;
  return at;
}

// The length of [0-9]* [. [0-9]*] [eE [+-] [0-9]+] with at least one digit before the exponent.
size_t decimal_length(const char *text, size_t size, bool *integer) {
  size_t whole = skip_digits(text, size, 0), end = whole;
  *integer = true;
  if (end < size && text[end] == '.') {
    end = skip_digits(text, size, end + 1);
    *integer = false;
    if (whole == 0 && end == 1) return 0;  // a lone dot
  }
  if (end == 0) return 0;
  if (end < size && (text[end] == 'e' || text[end] == 'E')) {
    size_t digits = end + 1;
    if (digits < size && (text[digits] == '+' || text[digits] == '-')) digits++;
    size_t after = skip_digits(text, size, digits);
    if (after > digits) {
      end = after;
      *integer = false;
    }
  }
  return end;
}

// Whether a decimal that std::from_chars calls out of range is large rather than tiny.
bool is_large(const char *text, size_t size) {
  long long exponent = 0, position = 0;
  bool seen = false, fraction = false;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == 'e' || text[i] == 'E') {
      const char *from = text + i + 1;
      if (from < text + size && *from == '+') from++;
      if (std::from_chars(from, text + size, exponent).ec != std::errc())
        exponent = *from == '-' ? -(1LL << 60) : 1LL << 60;
      break;
    }
    if (text[i] == '.') {
      fraction = true;
    } else {
      seen = seen || text[i] != '0';
      if (seen && !fraction) position++;
      if (!seen && fraction) position--;
    }
  }
  return seen && exponent + position > 0;
}

enum number_kind parse_decimal(const char *text, size_t size, bool integer, double *value) {
  auto read = std::from_chars(text, text + size, *value, std::chars_format::general);
  if (read.ec == std::errc::result_out_of_range) {
    if (is_large(text, size)) return NUMBER_TOO_LARGE;
    *value = 0;
  }
  return integer ? NUMBER_INTEGER : NUMBER_FLOAT;
}

enum number_kind parse_based(const char *text, size_t size, int base, double *value) {
  *value = 0;
  for (size_t i = 0; i < size; i++) {
    int digit;
    if (std::from_chars(text + i, text + i + 1, digit, base).ec != std::errc()) return NUMBER_NONE;
    if (*value >= 9007199254740992.0) return NUMBER_TOO_LARGE;  // no longer exact
    *value = *value * base + digit;
  }
  return size ? NUMBER_INTEGER : NUMBER_NONE;
}

bool is_one_of(const char *text, size_t size, const char *a, const char *b, const char *c) {
  return size == 4 && (!memcmp(text, a, 4) || !memcmp(text, b, 4) || !memcmp(text, c, 4));
}

size_t copy(char *out, const char *text) {
  size_t size = strlen(text);
  memcpy(out, text, size);
  return size;
}

}  // namespace

enum number_kind number_scan(const char *text, size_t size, double *value, size_t *length) {
  bool integer;
  *length = decimal_length(text, size, &integer);
  return *length ? parse_decimal(text, *length, integer, value) : NUMBER_NONE;
}

enum number_kind number_parse(const char *text, size_t size, double *value) {
  if (size > 2 && text[0] == '0' && text[1] == 'x')
    return parse_based(text + 2, size - 2, 16, value);
  if (size > 2 && text[0] == '0' && text[1] == 'o') return parse_based(text + 2, size - 2, 8, value);
  if (is_one_of(text, size, ".nan", ".NaN", ".NAN")) {
    *value = NAN;
    return NUMBER_FLOAT;
  }
  bool sign = size && (text[0] == '-' || text[0] == '+'), negative = sign && text[0] == '-';
  text += sign, size -= sign;
  enum number_kind kind;
  if (is_one_of(text, size, ".inf", ".Inf", ".INF")) {
    *value = INFINITY;
    kind = NUMBER_FLOAT;
  } else {
    size_t length;
    kind = number_scan(text, size, value, &length);
    if (length != size) return NUMBER_NONE;
  }
  if (negative) *value = -*value;
  return kind;
}

size_t number_format(char out[NUMBER_SIZE], double value) {
  if (std::isnan(value)) return copy(out, "NaN");
  if (std::isinf(value)) return copy(out, value > 0 ? "Infinity" : "-Infinity");
  double size = std::fabs(value);
  auto format = value == 0 || (size >= 1e-5 && size < 1e16) ? std::chars_format::fixed
                                                            : std::chars_format::scientific;
  return static_cast<size_t>(std::to_chars(out, out + NUMBER_SIZE, value, format).ptr - out);
}

size_t number_round(char out[NUMBER_SIZE], double value, int digits) {
  if (!std::isfinite(value)) return number_format(out, value);
  if (value == 0) return copy(out, "0");  // also for -0, whose sign only confuses people
  auto format = std::chars_format::general;
  if (std::fabs(value) >= 1e-5 && std::fabs(value) < 1) {
    // %g would switch to an exponent at 1e-4; a person reads 0.00002 more easily.
    char whole[NUMBER_SIZE];
    int places = digits - 1 - static_cast<int>(std::floor(std::log10(std::fabs(value))));
    char *end =
        std::to_chars(whole, whole + NUMBER_SIZE, value, std::chars_format::fixed, places).ptr;
    while (end[-1] == '0') end--;
    if (end[-1] == '.') end--;
    memcpy(out, whole, static_cast<size_t>(end - whole));
    return static_cast<size_t>(end - whole);
  }
  return static_cast<size_t>(std::to_chars(out, out + NUMBER_SIZE, value, format, digits).ptr - out);
}

size_t integer_format(char out[NUMBER_SIZE], int64_t value) {
  return static_cast<size_t>(std::to_chars(out, out + NUMBER_SIZE, value).ptr - out);
}
