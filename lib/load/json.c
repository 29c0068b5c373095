/* .json files: a number, nested lists of numbers, or a member of an object that is such a tensor,
 * as `bpgraph eval --format json` writes them.
 *
 * JSON as RFC 8259 has it, and nothing more lenient; "NaN", "Infinity" and "-Infinity" are numbers
 * in our own output.  The parser is our own because a library that makes a tree of the file takes
 * five times the memory of the tensor (jansson: 198 MB for 40 MB of numbers); this one keeps
 * nothing but the numbers. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "load/formats.h"

enum { NESTING_MOST = 64 };

struct json {
  struct reader in;
  struct report *report;
  VEC(char) text; /* the string read last */
  VEC(double) numbers;
  struct dims dims;
  size_t matches;          /* how often what is wanted was found */
  struct data_names names; /* of the deepest object in which it was looked for */
  struct data_names parts; /* the same, compared with the first part of what was looked for */
  const char *rest;        /* what was looked for there */
  unsigned depth;          /* how deep that is, from 1 */
};

static bool skip_value(struct json *json, unsigned depth);

/* ---- complaints ------------------------------------------------------------------------------ */

static struct mark mark_of(struct json *json, const char *at, size_t size) {
  return reader_mark(&json->in, reader_offset(&json->in, at), size);
}

/* Ends a message that was just added. */
static bool blame(const struct json *json) {
  reader_blame(&json->in);
  return false;
}

static bool refuse(struct json *json, const char *at, size_t size, const char *what) {
  report_add(json->report, mark_of(json, at, size), BP(BAD_FILE), "JSON", what);
  return blame(json);
}

/* How much of a text to underline and to name: a word, or one character. */
static size_t word_size(const struct json *json) {
  const char *at = json->in.at;
  size_t size = strcspn(at, " \t\r\n,:[]{}\"");
  return size || at == json->in.end ? size : 1;
}

/* Ordinary faults: something else is where `what` should be. */
static bool expected(struct json *json, const char *what) {
  size_t size = word_size(json);
  if (!size && json->in.at == json->in.end)
    return refuse(json, json->in.at, 0,
                  data_format(json->in.file, "the file ends where %s should be", what));
  return refuse(json, json->in.at, size,
                data_format(json->in.file, "%s should be where '%s' is", what,
                            data_quote(json->in.file, json->in.at, size)));
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* The next character that is no space, or NUL; it is not taken. */
static char peek(struct json *json) {
  struct reader *in = &json->in;
  for (;;) {
    reader_need(in);
    while (*in->at == ' ' || *in->at == '\n' || *in->at == '\r' || *in->at == '\t') in->at++;
    if (in->at < in->end || in->last) break;
  }
  reader_need(in);
  return *in->at;
}

static bool take(struct json *json, char c) {
  if (peek(json) != c) return false;
  json->in.at++;
  return true;
}

static size_t count_digits(const char *at) {
  size_t count = 0;
  while (at[count] >= '0' && at[count] <= '9') count++;
  return count;
}

/* The length of a number: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?; else 0. */
static size_t number_length(const char *text) {
  const char *at = text + (*text == '-');
  size_t digits = count_digits(at);
  if (!digits || (*at == '0' && digits > 1)) return 0;
  at += digits;
  if (*at == '.') {
    digits = count_digits(at + 1);
    if (!digits) return 0;
    at += 1 + digits;
  }
  if (*at == 'e' || *at == 'E') {
    at += 1 + (at[1] == '+' || at[1] == '-');
    digits = count_digits(at);
    if (!digits) return 0;
    at += digits;
  }
  return (size_t)(at - text);
}

/* What people write instead of a number. */
static const char *number_hint(const char *text, size_t size) {
  bool sign = *text == '-' || *text == '+';
  if (size == 3U + sign && !memcmp(text + sign, "NaN", 3))
    return "JSON has no NaN; write it as \"NaN\"";
  if (size == 8U + sign && !memcmp(text + sign, "Infinity", 8))
    return "JSON has no infinity; write it as \"Infinity\" or \"-Infinity\"";
  if (size == 4 && !memcmp(text, "null", 4))
    return "null stands for a gradient that does not exist";
  if (count_digits(text + sign) || text[sign] == '.')
    return "JSON numbers have no +, no leading zeros, and digits on both sides of the dot";
  return NULL;
}

static bool refuse_number(struct json *json, const char *at, size_t size) {
  const char *hint = number_hint(at, size);
  const char *text = data_format(json->in.file, "'%s'", data_quote(json->in.file, at, size));
  report_add(json->report, mark_of(json, at, size), BP(NOT_A_NUMBER), text);
  if (hint) report_hint(json->report, "%s", hint);
  return blame(json);
}

static bool read_number(struct json *json, double *value) {
  struct reader *in = &json->in;
  const char *text = in->at;
  bool negative = *text == '-';
  size_t size = number_length(text), length;
  if (text + size == in->end && !in->last) return refuse(json, text, 1, "this number is too long");
  if (!size || !strchr(" \t\r\n,]}", text[size])) { /* NUL ends the file */
    size = word_size(json);
    return size && text < in->end && !strchr("{}[],:\"", *text) ? refuse_number(json, text, size)
                                                                : expected(json, "a number");
  }
  if (number_scan(text + negative, size - negative, value, &length) == NUMBER_TOO_LARGE) {
    report_add(json->report, mark_of(json, text, size), BP(NUMBER_TOO_LARGE),
               data_quote(in->file, text, size));
    return blame(json);
  }
  if (negative) *value = -*value;
  in->at += size;
  return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

static void add_byte(struct json *json, unsigned byte) {
  *vec_push(json->in.file->request->arena, &json->text) = (char)byte;
}

static void add_utf8(struct json *json, unsigned long code) {
  if (code < 0x80) {
    add_byte(json, (unsigned)code);
    return;
  }
  unsigned tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
  add_byte(json, lead[tail] | (unsigned)(code >> 6 * tail));
  while (tail--) add_byte(json, 0x80 | (unsigned)(code >> 6 * tail & 0x3f));
}

/* Four hexadecimal digits. */
static bool read_hex(struct json *json, unsigned long *code) {
  *code = 0;
  for (int i = 0; i < 4; i++) {
    static const char digits[] = "0123456789abcdef";
    char c = *json->in.at;
    if (c >= 'A' && c <= 'F') c = (char)(c - 'A' + 'a');
    const char *digit = c ? strchr(digits, c) : NULL;
    if (!digit) return expected(json, "a hexadecimal digit");
    *code = *code << 4 | (unsigned long)(digit - digits);
    json->in.at++;
  }
  return true;
}

/* What follows \u; characters beyond 16 bits are written as a pair. */
static bool read_unicode(struct json *json) {
  unsigned long code, low;
  if (!read_hex(json, &code)) return false;
  bool high = code >= 0xd800 && code < 0xdc00;
  if (high && json->in.at[0] == '\\' && json->in.at[1] == 'u') {
    json->in.at += 2;
    if (!read_hex(json, &low)) return false;
    if (low >= 0xdc00 && low < 0xe000) code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (code >= 0xd800 && code < 0xe000)
    return refuse(json, json->in.at - 6, 6, "half of a pair of \\u escapes");
  add_utf8(json, code);
  return true;
}

static bool read_escape(struct json *json) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  char c = *++json->in.at;
  const char *known = c ? strchr(from, c) : NULL;
  if (!known && c != 'u') return refuse(json, json->in.at - 1, 2, "an unknown escape");
  json->in.at++;
  if (!known) return read_unicode(json);
  add_byte(json, (unsigned char)to[known - from]);
  return true;
}

/* Reads a string into json->text; a NUL follows it. */
static bool read_string(struct json *json) {
  struct reader *in = &json->in;
  json->text.count = 0;
  in->at++;
  for (;; reader_need(in)) {
    unsigned char c = (unsigned char)*in->at;
    if (c == '"') break;
    if (c < 0x20) return expected(json, "the end of a string");
    if (c != '\\') {
      add_byte(json, c);
      in->at++;
    } else if (!read_escape(json)) {
      return false;
    }
  }
  in->at++;
  add_byte(json, '\0');
  json->text.count--;
  return true;
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* The lists around a place. */
struct nest {
  unsigned depth, rank;           /* the rank is known from the first number, or empty list, on */
  bool ranked, closed[RANK_MOST]; /* closed: a list of this depth has ended, its size is known */
  int64_t count[RANK_MOST];
  uint64_t start[RANK_MOST]; /* where the open lists start */
};

static bool refuse_list(struct json *json, uint64_t offset, const char *what) {
  report_add(json->report, reader_mark(&json->in, offset, 1), BP(RAGGED), what);
  return blame(json);
}

static bool open_list(struct json *json, struct nest *nest) {
  uint64_t here = reader_offset(&json->in, json->in.at);
  if (nest->ranked && nest->depth == nest->rank)
    return refuse_list(json, here, "a list is where numbers are in the lists before it");
  if (nest->depth == RANK_MOST) {
    report_add(json->report, mark_of(json, json->in.at, 1), BP(RANK_TOO_HIGH), RANK_MOST);
    return blame(json);
  }
  nest->start[nest->depth] = here;
  nest->count[nest->depth++] = 0;
  json->in.at++;
  return true;
}

static bool close_list(struct json *json, struct nest *nest) {
  unsigned axis = --nest->depth;
  if (!nest->ranked) nest->rank = nest->depth + 1;
  nest->ranked = true;
  if (nest->closed[axis] && nest->count[axis] != json->dims.at[axis])
    return refuse_list(
        json, nest->start[axis],
        data_format(json->in.file, "this list has %" PRId64 " entr%s, the ones before it %" PRId64,
                    nest->count[axis], nest->count[axis] == 1 ? "y" : "ies", json->dims.at[axis]));
  nest->closed[axis] = true;
  json->dims.at[axis] = nest->count[axis];
  return true;
}

/* "NaN", "Infinity" and "-Infinity" are in json->text as our own output has them. */
static bool parse_word(const struct json *json, double *value) {
  static const struct {
    const char *text;
    double value;
  } words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    *value = words[i].value;
    if (json->text.count == strlen(words[i].text) && !strcmp(json->text.at, words[i].text))
      return true;
  }
  return false;
}

static bool read_word(struct json *json, double *value) {
  uint64_t start = reader_offset(&json->in, json->in.at);
  if (!read_string(json)) return false;
  if (parse_word(json, value)) return true;
  size_t size = json->text.count;
  size_t length = (size_t)(reader_offset(&json->in, json->in.at) - start);
  report_add(json->report, reader_mark(&json->in, start, length), BP(NOT_A_NUMBER),
             data_format(json->in.file, "the text \"%s\"",
                         data_quote(json->in.file, json->text.at, size)));
  return blame(json);
}

static bool read_entry(struct json *json, struct nest *nest) {
  uint64_t here = reader_offset(&json->in, json->in.at);
  double value;
  if (!(*json->in.at == '"' ? read_word(json, &value) : read_number(json, &value))) return false;
  if (!nest->ranked) nest->rank = nest->depth;
  nest->ranked = true;
  if (nest->depth != nest->rank)
    return refuse_list(json, here, "a number is where lists are in the lists before it");
  *vec_push(json->in.file->request->arena, &json->numbers) = value;
  return true;
}

/* After a value: closes the lists that end here.  *more is set where another value follows. */
static bool end_value(struct json *json, struct nest *nest, bool *more) {
  for (*more = false; nest->depth && !*more;) {
    nest->count[nest->depth - 1]++;
    if (take(json, ','))
      *more = true;
    else if (!take(json, ']'))
      return expected(json, ", or ]");
    else if (!close_list(json, nest))
      return false;
  }
  return true;
}

/* A number, or an empty list, with the lists that start before it. */
static bool read_item(struct json *json, struct nest *nest) {
  while (peek(json) == '[') {
    if (!open_list(json, nest)) return false;
    if (take(json, ']')) return close_list(json, nest);
  }
  return read_entry(json, nest);
}

static bool read_tensor(struct json *json) {
  struct nest nest = {.depth = 0};
  json->numbers.count = 0;
  for (bool more = true; more;)
    if (!read_item(json, &nest) || !end_value(json, &nest, &more)) return false;
  json->dims.rank = nest.rank;
  return true;
}

/* ---- what is not wanted ---------------------------------------------------------------------- */

static bool skip_word(struct json *json) {
  static const char *const words[] = {"true", "false", "null"};
  size_t size = word_size(json);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (size == strlen(words[i]) && !memcmp(json->in.at, words[i], size)) {
      json->in.at += size;
      return true;
    }
  double number;
  return (size && (*json->in.at == '-' || count_digits(json->in.at))) ? read_number(json, &number)
                                                                      : expected(json, "a value");
}

static bool read_key(struct json *json) {
  if (peek(json) != '"') return expected(json, "a name in quotes");
  return read_string(json) && (take(json, ':') || expected(json, ":"));
}

static bool skip_list(struct json *json, unsigned depth) {
  json->in.at++;
  if (take(json, ']')) return true;
  do
    if (!skip_value(json, depth + 1)) return false;
  while (take(json, ','));
  return take(json, ']') || expected(json, ", or ]");
}

/* Skips an object; collects its names where `names` is given. */
static bool skip_object(struct json *json, unsigned depth, struct data_names *names) {
  json->in.at++;
  if (take(json, '}')) return true;
  do {
    if (!read_key(json)) return false;
    if (names) names_add(names, json->text.at, json->text.count);
    if (!skip_value(json, depth + 1)) return false;
  } while (take(json, ','));
  return take(json, '}') || expected(json, ", or }");
}

/* `depth` is how many lists and objects are around the value. */
static bool skip_value(struct json *json, unsigned depth) {
  char c = peek(json);
  if ((c == '[' || c == '{') && depth == NESTING_MOST) {
    report_add(json->report, mark_of(json, json->in.at, 1), BP(TOO_DEEP), NESTING_MOST);
    return blame(json);
  }
  if (c == '[') return skip_list(json, depth);
  if (c == '{') return skip_object(json, depth, NULL);
  return c == '"' ? read_string(json) : skip_word(json);
}

/* ---- what is wanted -------------------------------------------------------------------------- */

static bool search_value(struct json *json, const char *rest, unsigned depth);

/* An object where the tensor should be: says what could be picked. */
static bool refuse_object(struct json *json, unsigned depth) {
  uint64_t start = reader_offset(&json->in, json->in.at);
  struct data_names names = {.file = json->in.file};
  if (!skip_object(json, depth, &names)) return false;
  const char *what = names.count ? data_format(json->in.file, "an object is no tensor; it has: %s",
                                               names_list(&names))
                                 : "an empty object is no tensor";
  report_add(json->report, reader_mark(&json->in, start, 1), BP(BAD_FILE), "JSON", what);
  const char *key = json->in.file->request->key;
  if (names.count)
    report_hint(json->report, "pick a member with `key: %s%s%s`", key ? key : "", key ? "." : "",
                names.shown[0]);
  return blame(json);
}

static bool read_wanted(struct json *json, unsigned depth) {
  json->matches++;
  return peek(json) == '{' ? refuse_object(json, depth) : read_tensor(json);
}

/* Reads a member's value: all of `rest` is its name, or the first part of it, or it is skipped.
 * Names may have dots in them, so both h: {z: ...} and h.z: ... are what `h.z` means. */
static bool read_member(struct json *json, const char *rest, unsigned depth) {
  const char *name = json->text.at;
  size_t size = json->text.count;
  bool starts = strlen(name) == size && !strncmp(rest, name, size);
  if (starts && !rest[size]) {
    if (!json->matches) return read_wanted(json, depth);
    peek(json);
    return refuse(
        json, json->in.at, 1,
        data_format(json->in.file, "'%s' is here a second time", json->in.file->request->key));
  }
  return starts && rest[size] == '.' ? search_value(json, rest + size + 1, depth)
                                     : skip_value(json, depth);
}

/* Names are kept of the deepest object only, the first of that depth: there the key went wrong. */
static bool start_names(struct json *json, const char *rest, unsigned depth) {
  if (json->depth > depth) return false;
  json->depth = depth + 1;
  json->rest = rest;
  json->names = json->parts = (struct data_names){.file = json->in.file, .wanted = rest};
  json->names.size = strlen(rest);
  json->parts.size = strcspn(rest, ".");
  return true;
}

/* Keeps the name of a member. */
static void collect_name(struct json *json) {
  names_add(&json->names, json->text.at, json->text.count);
  if (json->parts.size < json->names.size) names_add(&json->parts, json->text.at, json->text.count);
}

/* Looks for `rest` in a value; one that is no object is skipped. */
static bool search_value(struct json *json, const char *rest, unsigned depth) {
  if (peek(json) != '{' || depth == NESTING_MOST) return skip_value(json, depth);
  bool first = start_names(json, rest, depth);
  json->in.at++;
  if (take(json, '}')) return true;
  do {
    if (!read_key(json)) return false;
    if (first && json->depth == depth + 1) collect_name(json);
    if (!read_member(json, rest, depth + 1)) return false;
  } while (take(json, ','));
  return take(json, '}') || expected(json, ", or }");
}

/* Says which member is meant perhaps: one like all that was looked for, or like its first part. */
static void hint_key(const struct json *json, int before) {
  const struct data_names *whole = &json->names, *part = &json->parts;
  const char *key = json->in.file->request->key;
  if (part->nearest && part->distance && (!whole->nearest || part->distance < whole->distance))
    report_hint(json->report, "did you mean '%.*s%s%s'?", before, key, part->nearest,
                json->rest + part->size);
  else if (whole->nearest)
    report_hint(json->report, "did you mean '%.*s%s'?", before, key, whole->nearest);
}

static bool refuse_key(const struct json *json) {
  const struct data_file *file = json->in.file;
  const char *key = file->request->key;
  if (!json->depth)
    return data_fault(file, "it is no object: there is no member '%s' to pick", key);
  int before = (int)(json->rest - key);
  const char *has = json->names.count ? names_list(&json->names) : "nothing";
  if (before)
    data_fault(file, "it has no '%s'; '%.*s' has: %s", key, before - 1, key, has);
  else
    data_fault(file, "it has no '%s'; it has: %s", key, has);
  hint_key(json, before);
  return false;
}

static bool read_document(struct json *json) {
  const char *key = json->in.file->request->key;
  if (!(key ? search_value(json, key, 0) : read_wanted(json, 0))) return false;
  if (peek(json) || json->in.at < json->in.end) return expected(json, "the end of the file");
  return json->matches || refuse_key(json);
}

bool json_read_file(struct data_file *file, struct data *out) {
  struct arena *arena = file->request->arena;
  struct json json = {.report = file->request->report};
  if (!reader_open(&json.in, file)) return false;
  bool good = read_document(&json);
  reader_close(&json.in);
  arena_release(arena, json.text.at);
  if (!good) return false;
  out->dims = json.dims;
  out->at = arena_resize(arena, json.numbers.at, json.numbers.count * sizeof *out->at);
  return true;
}

/* ---- all tensors of an object ---------------------------------------------------------------- */

static const char within[] = "gradients"; /* where our own results have them */

static bool is_within(const struct json *json) {
  return json->text.count == strlen(within) && !memcmp(json->text.at, within, json->text.count);
}

/* Whether the document has its tensors in a member of its own, as our results do. */
static bool scan_within(struct json *json, bool *found) {
  *found = false;
  if (peek(json) != '{') return expected(json, "an object, name: tensor,");
  json->in.at++;
  if (take(json, '}')) return true;
  do {
    if (!read_key(json)) return false;
    *found = *found || (is_within(json) && peek(json) == '{');
    if (!skip_value(json, 1)) return false;
  } while (take(json, ','));
  return take(json, '}') || expected(json, ", or }");
}

/* Hands one member on; null says that there is none. */
static bool hand_on(struct json *json) {
  struct data_file *file = json->in.file;
  const char *name = arena_copy(json->report->arena, json->text.at, json->text.count);
  size_t size = json->text.count;
  peek(json);
  struct mark mark = reader_mark(&json->in, reader_offset(&json->in, json->in.at), word_size(json));
  if (*json->in.at == 'n') return skip_word(json);
  if (*json->in.at == '{') return refuse_object(json, 2);
  if (!read_tensor(json)) return false;
  struct data data = {.dims = json->dims, .at = json->numbers.at, .path = file->opened};
  return file->each(file->each_user, name, size, mark, &data);
}

static bool hand_on_members(struct json *json, bool inside) {
  json->in.at++; /* { */
  if (take(json, '}')) return true;
  do {
    if (!read_key(json)) return false;
    bool here = is_within(json) && peek(json) == '{';
    bool fine = !inside ? hand_on(json) : here ? hand_on_members(json, false) : skip_value(json, 1);
    if (!fine) return false;
  } while (take(json, ','));
  return take(json, '}') || expected(json, ", or }");
}

bool json_read_each(struct data_file *file) {
  struct json json = {.report = file->request->report};
  bool inside;
  if (!reader_open(&json.in, file)) return false;
  bool good = scan_within(&json, &inside);
  if (good && (peek(&json) || json.in.at < json.in.end))
    good = expected(&json, "the end of the file");
  reader_close(&json.in);
  rewind(file->stream);
  if (good && reader_open(&json.in, file)) {
    peek(&json);
    good = hand_on_members(&json, inside);
    reader_close(&json.in);
  }
  arena_release(file->request->arena, json.text.at);
  arena_release(file->request->arena, json.numbers.at);
  return good;
}
