/* The texts of ops: choosing one, and putting operands for names. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "export/code.h"
#include "ops/snippets.h"

const char *format_text(struct code *code, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, format, arguments);
  char *text = arena_alloc(code->arena, (size_t)size + 1);
  vsnprintf(text, (size_t)size + 1, format, again);
  va_end(again);
  va_end(arguments);
  return text;
}

/* ---- scanning ---------------------------------------------------------------------------- */

static bool is_letter(char c) { return isalpha((unsigned char)c) || c == '_' || (c & 0x80); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The end of the name, number or text at `at`; `at` itself where none of them is. */
static const char *skip_word(const char *at) {
  if (*at == '"') {
    for (at++; *at && *at != '"'; at++) at += *at == '\\' && at[1];
    return *at ? at + 1 : at;
  }
  bool number = is_digit(*at) || (*at == '.' && is_digit(at[1]));
  while (is_letter(*at) || is_digit(*at) || (number && *at == '.')) {
    bool exponent = number && (*at == 'e' || *at == 'E') && (at[1] == '-' || at[1] == '+');
    at += exponent ? 2 : 1;
  }
  return at;
}

/* The end of what is in brackets, from the opening one on. */
static const char *skip_brackets(const char *at) {
  int depth = 0;
  while (*at) {
    const char *end = skip_word(at);
    if (end != at) {
      at = end;
      continue;
    }
    depth += (*at == '(' || *at == '[' || *at == '{') - (*at == ')' || *at == ']' || *at == '}');
    at++;
    if (depth == 0) break;
  }
  return at;
}

/* An operator between operands: what it and its operands must bind like. */
struct infix {
  const char *text;
  enum level own, left, right;
};

/* Longer ones first.  What is right of + and * is put into parentheses where it has + and *, so that
 * everything is rounded in the same order. */
static const struct infix infixes[] = {{"**", LEVEL_UNARY, LEVEL_ATOM, LEVEL_ATOM},
                                       {"&&", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {"||", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {"<=", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {">=", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {"==", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {"!=", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {"<", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {">", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {"?", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {":", LEVEL_CHOICE, LEVEL_SUM, LEVEL_SUM},
                                       {"+", LEVEL_SUM, LEVEL_SUM, LEVEL_PRODUCT},
                                       {"-", LEVEL_SUM, LEVEL_SUM, LEVEL_PRODUCT},
                                       {"*", LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_UNARY},
                                       {"/", LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_UNARY},
                                       {"@", LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_UNARY}};

static const struct infix *find_infix(const char *at) {
  for (size_t i = 0; i < sizeof infixes / sizeof *infixes; i++)
    if (!strncmp(at, infixes[i].text, strlen(infixes[i].text))) return &infixes[i];
  return NULL;
}

static const char *skip_blanks(const char *at) {
  while (*at == ' ') at++;
  return at;
}

/* The end of an operand: a word or brackets, with calls, indices and members behind it. */
static const char *skip_operand(const char *at) {
  const char *end = *at == '(' || *at == '[' ? skip_brackets(at) : skip_word(at);
  if (end == at) return at + (*at != '\0');
  for (;;) {
    if (*end == '(' || *end == '[')
      end = skip_brackets(end);
    else if (*end == '.' && is_letter(end[1]))
      end = skip_word(end + 1);
    else
      return end;
  }
}

enum level level_of(const char *text) {
  enum level level = LEVEL_ATOM;
  for (const char *at = skip_blanks(text); *at;) {
    while (*at == '-' || *at == '*' || *at == '&' || *at == '!') { /* a sign binds like a product */
      const enum level sign = *at == '-' ? LEVEL_PRODUCT : LEVEL_UNARY;
      if (sign < level) level = sign;
      at = skip_blanks(at + 1);
    }
    at = skip_blanks(skip_operand(at));
    const struct infix *infix = find_infix(at);
    if (!infix) {
      if (*at) at++;
      continue;
    }
    if (infix->own < level) level = infix->own;
    at = skip_blanks(at + strlen(infix->text));
  }
  return level;
}

unsigned count_name(const char *text, const char *name) {
  unsigned count = 0;
  size_t size = strlen(name);
  for (const char *at = text; *at;) {
    const char *end = skip_word(at);
    if ((size_t)(end - at) == size && !memcmp(at, name, size) && (at == text || at[-1] != '.'))
      count++;
    at = end == at ? at + 1 : end;
  }
  return count;
}

/* ---- functions that texts call ------------------------------------------------------------- */

static void use_snippets(const struct map *known, const struct language *language, const char *text,
                         bool *used) {
  for (const char *at = text; *at;) {
    const char *end = skip_word(at);
    const int64_t i = end == at ? MAP_NONE : map_find(known, at, (size_t)(end - at));
    if (i != MAP_NONE && !used[i]) {
      used[i] = true;
      use_snippets(known, language, language->snippet_text(&snippets[i]), used);
    }
    at = end == at ? at + 1 : end;
  }
}

bool *find_snippets(struct code *code, const char *text) {
  struct map known = {.capacity = 0};
  uint32_t count = 0;
  for (; snippets[count].name; count++)
    if (code->language->snippet_text(&snippets[count]))
      map_add(code->arena, &known, snippets[count].name, strlen(snippets[count].name), count);
  bool *used = ARENA_ARRAY(code->arena, bool, count + 1);
  use_snippets(&known, code->language, text, used);
  return used;
}

/* ---- alternatives ------------------------------------------------------------------------ */

static bool holds(struct code *code, node_id id, const char *guard, size_t size) {
  struct value value;
  if (!rule_constant(&code->rules, id, guard, size, &value)) {
    code->failed = true;
    return false;
  }
  return (value.kind == VALUE_NUMBER || value.kind == VALUE_TRUTH) && value.number != 0;
}

const char *choose_text(struct code *code, node_id id, const char *text, size_t *size) {
  static const char arrow[] = " => ";
  while (text && *text) {
    const char *end = text + strcspn(text, "\n"), *at = strstr(text, arrow);
    bool guarded = at && at < end;
    const char *from = guarded ? at + strlen(arrow) : text;
    *size = (size_t)(end - from);
    if (!guarded || holds(code, id, text, (size_t)(at - text))) return from;
    text = end + (*end == '\n');
  }
  return NULL;
}

/* ---- operands for names ------------------------------------------------------------------ */

/* What a name's place in a text asks of the operand that is put there. */
static enum level wanted_level(const char *text, const char *at, const char *end) {
  enum level wanted = LEVEL_CHOICE;
  const char *after = skip_blanks(end);
  const struct infix *right = find_infix(after);
  if (right && right->left > wanted) wanted = right->left;
  if (*after == '.' || *after == '[') wanted = LEVEL_ATOM;
  const char *before = at;
  while (before > text && before[-1] == ' ') before--;
  if (before == text || strchr("(,[=", before[-1])) {
    bool equal = before > text + 1 && before[-1] == '=' && strchr("=!<>", before[-2]);
    return equal ? LEVEL_SUM > wanted ? LEVEL_SUM : wanted : wanted;
  }
  const char *start = before - 1;
  if (start > text && start[-1] == '*' && *start == '*') start--;
  const struct infix *left = find_infix(start);
  if (!left) return wanted;
  const char *operand = start;
  while (operand > text && operand[-1] == ' ') operand--;
  bool sign = operand == text || strchr("(,[=?:<>*/+-", operand[-1]);
  const enum level asked = sign ? LEVEL_UNARY : left->right;
  return asked > wanted ? asked : wanted;
}

static void put_operand(const char *operand, enum level wanted, struct text *out) {
  bool tight = wanted == LEVEL_CHOICE || level_of(operand) >= wanted;
  text_printf(out, tight ? "%s" : "(%s)", operand);
}

/* Whether a name in a text is a keyword: `axis=0`. */
static bool is_keyword(const char *end) { return *end == '=' && end[1] != '='; }

static void put_constant(struct code *code, node_id id, const char *text, size_t size,
                         struct text *out) {
  struct value value;
  if (rule_constant(&code->rules, id, text, size, &value))
    code->language->print_constant(&value, out);
  else
    code->failed = true;
}

const char *fill_text(struct code *code, node_id id, const char *text, struct symbols *symbols) {
  struct text out;
  text_init(&out, code->arena, NULL, NULL);
  for (const char *at = text; *at;) {
    const char *end = skip_word(at);
    if (*at == '{') {
      end = skip_brackets(at);
      put_constant(code, id, at + 1, (size_t)(end - at) - 2, &out);
    } else if (end == at) {
      text_char(&out, *at);
      end++;
    } else {
      bool name = is_letter(*at) && !is_keyword(end) && (at == text || at[-1] != '.');
      const char *operand = name ? symbols->find(symbols, at, (size_t)(end - at)) : NULL;
      if (operand)
        put_operand(operand, wanted_level(text, at, end), &out);
      else
        text_add(&out, at, (size_t)(end - at));
    }
    at = end;
  }
  return text_string(&out);
}

const char *fold_text(struct code *code, node_id id, const char *text, struct symbols *symbols,
                      unsigned *at) {
  const char *place = text;
  while (!(skip_word(place) == place + 1 && *place == 'a')) {
    const char *end = skip_word(place);
    place = end == place ? place + 1 : end;
  }
  const size_t before = (size_t)(place - text);
  const unsigned count = code_node(code, id)->count;
  struct text out;
  text_init(&out, code->arena, NULL, NULL);
  for (unsigned k = 1; k < count; k++) text_add(&out, text, before);
  *at = 1;
  text_puts(&out, fill_text(code, id, text, symbols) + before);
  for (*at = 2; *at < count; ++*at) /* 0 stands for what is there already */
    text_puts(&out, fill_text(code, id, format_text(code, "0%s", place + 1), symbols) + 1);
  return text_string(&out);
}
