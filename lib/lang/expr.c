#include "lang/expr.h"

#include <string.h>

#include "base/number.h"
#include "base/utf8.h"

const char *const symbol_text[SYMBOL_COUNT] = {"+",  "-",  "*",  "/",  "@", "**",  "<",  "<=", ">",
                                               ">=", "==", "!=", "//", "%", "and", "or", "not"};

enum { NESTING_MOST = 200 };

struct parser {
  struct arena *arena;
  struct report *report;
  const struct expr_text *text;
  struct expr *out;
  size_t at;     /* the next byte */
  size_t end;    /* the end of the last thing that was read */
  int nesting;   /* parentheses, brackets, unary operators and exponents around this place */
  bool constant; /* inside an attribute, an index or a list */
  bool rule;
};

static bool parse_compare(struct parser *p);
static bool parse_unary(struct parser *p);

/* ---- places ------------------------------------------------------------------------------ */

static struct mark mark_of(const struct parser *p, size_t start, size_t end) {
  const struct expr_text *text = p->text;
  if (!text->base) return (struct mark){0, 0};
  if (!text->map) return (struct mark){text->base + (uint32_t)start, text->base + (uint32_t)end};
  uint32_t last = end > start ? text->ends[end - 1] : text->map[start];
  return (struct mark){text->map[start], last};
}

static bool is_word(const char *at, size_t size, const char *word) {
  return strlen(word) == size && !memcmp(at, word, size);
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static void skip_space(struct parser *p) {
  while (p->at < p->text->size && is_space(p->text->at[p->at])) p->at++;
}

static char peek(struct parser *p) {
  skip_space(p);
  return p->at < p->text->size ? p->text->at[p->at] : '\0';
}

static char look(const struct parser *p, size_t ahead) {
  return p->at + ahead < p->text->size ? p->text->at[p->at + ahead] : '\0';
}

static struct expr_item *push(struct parser *p, enum expr_kind kind, size_t start, size_t end,
                              size_t from) {
  struct expr_item *item = vec_push(p->arena, &p->out->items);
  *item = (struct expr_item){.kind = (uint8_t)kind, .constant = p->constant};
  item->mark = mark_of(p, start, end);
  item->text = mark_of(p, from, p->end > from ? p->end : from);
  return item;
}

static void set_name(struct parser *p, struct expr_item *item, size_t start, size_t end) {
  item->name = p->text->at + start;
  item->size = (uint32_t)(end - start);
}

/* ---- complaints -------------------------------------------------------------------------- */

/* Habits from elsewhere, by the text that stands where something else was expected. */
static const struct {
  const char *text, *hint;
} habits[] = {
    {"^", "write ** for a power"},
    {"'", "write x.T for the transpose of a matrix"},
    {"&&", "write logical_and(a, b)"},
    {"||", "write logical_or(a, b)"},
    {"!", "write logical_not(a), or != for 'not equal'"},
    {"//", "write floor(a / b)"},
    {"%", "write mod(a, b)"},
    {"=", "write == to compare; name=value stands in calls only, and nothing is assigned"},
    {">", "write != for 'not equal'"},
    {"and ", "write logical_and(a, b)"},
    {"or ", "write logical_or(a, b)"},
    {"if ", "write where(cond, a, b)"},
    {"?", "write where(cond, a, b)"},
    {"{", "mappings are for net files; here, write a call: zeros([2, 3])"},
    {"&", "write logical_and(a, b)"},
    {"|", "write logical_or(a, b), or abs(x) for |x|"},
    {"~", "write logical_not(a)"},
    {"...", "write : for each axis that stays whole"},
    {"\xe2\x88\x92", "write - for minus"},
    {"\xe2\x80\x90", "write - for minus"},
    {"\xe2\x80\x91", "write - for minus"},
    {"\xe2\x80\x92", "write - for minus"},
    {"\xe2\x80\x93", "write - for minus"},
    {"\xe2\x80\x94", "write - for minus"},
    {"\xe2\x88\x97", "write * for a product"},
    {"\xe2\x8b\x85", "write * for a product, @ for a matrix product"},
    {"\xe2\x88\x98", "write * for the product entry by entry"},
    {"\xe2\x8a\x97", "write outer(x, y) for the outer product"},
    {"\xc3\x97", "write * for a product"},
    {"\xc2\xb7", "write * for a product, @ for a matrix product"},
    {"\xe2\x8a\x99", "write * for the product entry by entry"},
    {"\xc3\xb7", "write / for a quotient"},
    {"\xc2\xb2", "write ** 2"},
    {"\xc2\xb3", "write ** 3"},
    {"\xe2\x88\x91", "write sum(x)"},
    {"\xe2\x88\x8f", "write prod(x)"},
    {"\xe2\x88\x9e", "write inf"},
    {"\xe2\x80\x9c", "write straight quotes: \""},
    {"\xe2\x80\x9d", "write straight quotes: \""},
    {"\xe2\x80\x98", "write straight quotes: \""},
    {"\xe2\x80\x99", "write x.T for the transpose of a matrix"},
    {"\xe2\x88\x9a", "write sqrt(x)"},
    {"\xe2\x89\xa4", "write <="},
    {"\xe2\x89\xa5", "write >="},
    {"\xe2\x89\xa0", "write !="},
};

/* Whether the last thing that was read is this name. */
static bool is_after(const struct parser *p, const char *name) {
  size_t size = strlen(name);
  return p->end >= size && !memcmp(p->text->at + p->end - size, name, size) &&
         (p->end == size || !utf8_name(p->text->at + p->end - size - 1, size + 1));
}

/* An operand stands where an operator should. */
static void hint_missing_operator(struct parser *p, char next) {
  if (is_after(p, "not"))
    report_hint(p->report, "write logical_not(a)");
  else if (next == '(' || next == '.' || (next >= '0' && next <= '9') ||
           utf8_name(p->text->at + p->at, p->text->size - p->at))
    report_hint(p->report, "write x * y for a product, f(x) for a call");
}

static void hint_habit(struct parser *p) {
  const char *at = p->text->at + p->at;
  size_t left = p->text->size - p->at;
  if (left > 1 && at[0] == '^' && (at[1] == 'T' || at[1] == 't')) {
    report_hint(p->report, "write x.T for the transpose of a matrix");
    return;
  }
  for (size_t i = 0; i < sizeof habits / sizeof *habits; i++) {
    size_t size = strlen(habits[i].text);
    if (size <= left && !memcmp(at, habits[i].text, size)) {
      report_hint(p->report, "%s", habits[i].hint);
      return;
    }
  }
}

static const char an_operator[] = "an operator";

/* The last character that is no space, to which a text's end is pointed. */
static struct mark last_mark(const struct parser *p) {
  size_t end = p->text->size;
  while (end && is_space(p->text->at[end - 1])) end--;
  size_t start = end ? end - 1 : 0;
  while (start && ((unsigned char)p->text->at[start] & 0xc0) == 0x80) start--;
  return mark_of(p, start, end);
}

/* Complains about what stands at the current place, where `wanted` was expected. */
static bool fail_expected(struct parser *p, const char *wanted) {
  char next = peek(p);
  struct text why;
  text_init(&why, p->arena, NULL, NULL);
  size_t size = 0;
  if (!next) {
    text_printf(&why, "the expression ends where %s is expected", wanted);
  } else {
    const char *at = p->text->at + p->at;
    size_t left = p->text->size - p->at;
    size = utf8_name(at, left);
    double number;
    if (!size) number_scan(at, left, &number, &size);
    if (!size) utf8_decode(at, left, &size);
    size_t length;
    uint32_t code = utf8_decode(at, left, &length);
    if (utf8_is_hidden(code))
      text_printf(&why, "%s is expected here, not the invisible character U+%04X", wanted,
                  (unsigned)code);
    else
      text_printf(&why, "%s is expected here, not '%s'", wanted, report_quote(p->report, at, size));
  }
  struct mark mark = mark_of(p, p->at, p->at + size);
  if (!next) mark = last_mark(p);
  report_add(p->report, mark, BP(EXPECTED), text_string(&why));
  if (!next) return false;
  if (wanted == an_operator) hint_missing_operator(p, next);
  hint_habit(p);
  return false;
}

static bool enter(struct parser *p) {
  if (++p->nesting <= NESTING_MOST) return true;
  report_add(p->report, mark_of(p, p->at, p->at + 1), BP(TOO_NESTED), NESTING_MOST);
  report_hint(p->report, "name the inner parts as nodes of their own");
  return false;
}

/* ---- the grammar ------------------------------------------------------------------------- */

static bool take(struct parser *p, char c) {
  if (peek(p) != c) return false;
  p->at++;
  p->end = p->at;
  return true;
}

/* What to write for a number with a name right behind it: 2x, 1_000, 0x10, 1e. */
static void hint_number(struct parser *p, size_t start, size_t size, size_t name) {
  const char *text = p->text->at + start, *tail = text + size;
  char plain[2 * NUMBER_SIZE];
  size_t length = 0;
  double value;
  if (size + name < sizeof plain)
    for (size_t i = 0; i < size + name; i++)
      if (text[i] != '_') plain[length++] = text[i];
  if (length && length < size + name && tail[0] == '_' &&
      number_parse(plain, length, &value) == NUMBER_INTEGER)
    report_hint(p->report, "write %.*s", (int)length, plain);
  else if (size == 1 && text[0] == '0' && strchr("xXoObB", tail[0]))
    report_hint(p->report, "write a decimal number");
  else if (name == 1 && (tail[0] == 'e' || tail[0] == 'E'))
    report_hint(p->report, "an exponent needs digits: 1e-3");
  else
    report_hint(p->report, "write %.*s * %.*s for a product", (int)size, text,
                (int)(name > 40 ? 40 : name), tail);
}

static bool parse_number(struct parser *p) {
  double value;
  size_t size, start = p->at;
  enum number_kind kind = number_scan(p->text->at + p->at, p->text->size - p->at, &value, &size);
  if (kind == NUMBER_NONE) return fail_expected(p, "a number, a name or '('");
  p->at = p->end = start + size;
  if (kind == NUMBER_TOO_LARGE) {
    report_add(p->report, mark_of(p, start, p->end), BP(NUMBER_TOO_LARGE),
               report_quote(p->report, p->text->at + start, size));
    return false;
  }
  push(p, EXPR_NUMBER, start, p->end, start)->number = value;
  size_t name = utf8_name(p->text->at + p->at, p->text->size - p->at);
  if (!name) return true;
  report_add(p->report, mark_of(p, start, p->at + name), BP(EXPECTED), "a number runs into a name");
  hint_number(p, start, size, name);
  return false;
}

static bool parse_text(struct parser *p) {
  size_t start = p->at++;
  while (look(p, 0) && look(p, 0) != '"') p->at++;
  if (!look(p, 0)) {
    report_add(p->report, mark_of(p, start, start + 1), BP(EXPECTED), "the closing \" is missing");
    return false;
  }
  p->at++;
  p->end = p->at;
  set_name(p, push(p, EXPR_TEXT, start, p->end, start), start + 1, p->end - 1);
  return true;
}

/* After "(": arguments up to ")". */
static bool parse_arguments(struct parser *p, uint32_t *count) {
  bool outside = p->constant, keywords = false;
  for (*count = 0; !take(p, ')'); ++*count) {
    if (*count && !take(p, ',')) return fail_expected(p, "',' or ')'");
    if (*count && take(p, ')')) return p->constant = outside, true;
    skip_space(p);
    size_t start = p->at, name = utf8_name(p->text->at + start, p->text->size - start);
    p->at += name;
    bool keyword = name && peek(p) == '=' && look(p, 1) != '=';
    if (!keyword) p->at = start;
    if (keywords && !keyword) {
      fail_expected(p, "name=value");
      report_hint(p->report, "arguments without a name come first");
      return false;
    }
    keywords = keywords || keyword;
    if (keyword) p->at++, p->constant = true;
    size_t first = p->out->items.count;
    if (!parse_compare(p)) return false;
    if (!keyword) continue;
    struct expr_item *value = &p->out->items.at[first];
    value->word = p->out->items.count == first + 1 && value->kind == EXPR_NAME;
    set_name(p, push(p, EXPR_KEYWORD, start, start + name, start), start, start + name);
    p->constant = outside;
  }
  return true;
}

static bool parse_name(struct parser *p) {
  size_t start = p->at, size = utf8_name(p->text->at + start, p->text->size - start);
  const char *at = p->text->at + start;
  p->at = p->end = start + size;
  bool yes = is_word(at, size, "true");
  if (yes || is_word(at, size, "false")) {
    push(p, EXPR_TRUTH, start, p->end, start)->number = yes;
    return true;
  }
  if (peek(p) != '(') {
    set_name(p, push(p, EXPR_NAME, start, start + size, start), start, start + size);
    return true;
  }
  p->at++;
  uint32_t count;
  if (!enter(p) || !parse_arguments(p, &count)) return false;
  p->nesting--;
  struct expr_item *call = push(p, EXPR_CALL, start, start + size, start);
  set_name(p, call, start, start + size);
  call->count = count;
  return true;
}

/* After "[": items up to "]". */
static bool parse_list(struct parser *p, size_t start) {
  bool outside = p->constant;
  p->constant = true;
  uint32_t count = 0;
  for (; !take(p, ']'); count++) {
    if (count && !take(p, ',')) return fail_expected(p, "',' or ']'");
    if (!parse_compare(p)) return false;
  }
  p->constant = outside;
  push(p, EXPR_LIST, start, start + 1, start)->count = count;
  return true;
}

static bool parse_primary(struct parser *p) {
  char c = peek(p);
  size_t start = p->at;
  if (c == '"') return parse_text(p);
  if (utf8_name(p->text->at + p->at, p->text->size - p->at)) return parse_name(p);
  if (c != '(' && c != '[') return parse_number(p);
  if (!enter(p)) return false;
  p->at++;
  if (c == '[') {
    if (!parse_list(p, start)) return false;
  } else {
    if (!parse_compare(p)) return false;
    if (!take(p, ')')) {
      bool list = peek(p) == ',';
      fail_expected(p, "')'");
      if (list) report_hint(p->report, "write [a, b] for a list");
      return false;
    }
    struct expr_item *inner = &p->out->items.at[p->out->items.count - 1];
    inner->text = mark_of(p, start, p->end);
  }
  p->nesting--;
  return true;
}

static void push_none(struct parser *p) { push(p, EXPR_NONE, p->at, p->at, p->at); }

/* One index: an expression, or start:stop:step with any part left out. */
static bool parse_index(struct parser *p) {
  skip_space(p);
  size_t start = p->at;
  if (peek(p) == ':')
    push_none(p);
  else if (!parse_compare(p))
    return false;
  if (peek(p) != ':') return true;
  for (int part = 1; part <= 2; part++) {
    bool more = take(p, ':');
    char next = peek(p);
    if (!more || next == ':' || next == ',' || next == ']')
      push_none(p);
    else if (!parse_compare(p))
      return false;
  }
  push(p, EXPR_SLICE, start, p->end, start);
  return true;
}

/* After the operand and "[". */
static bool parse_indices(struct parser *p, size_t from) {
  size_t start = p->at++;
  bool outside = p->constant;
  p->constant = true;
  if (!enter(p)) return false;
  uint32_t count = 0;
  for (; !take(p, ']'); count++) {
    if (count && !take(p, ',')) return fail_expected(p, "',' or ']'");
    if (count && take(p, ']')) break;
    if (!parse_index(p)) return false;
  }
  p->nesting--;
  p->constant = outside;
  if (!count) {
    report_add(p->report, mark_of(p, start, p->end), BP(EXPECTED), "an index is missing");
    return false;
  }
  push(p, EXPR_INDEX, start, start + 1, from)->count = count;
  return true;
}

/* x.sum(), np.exp(x), x.t(): what to write instead. */
static void hint_function(struct parser *p, size_t start, size_t size, size_t from) {
  static const char *const libraries[] = {"np", "numpy", "torch", "math", "F",
                                          "nn", "tf",    "jnp",   "jax"};
  const char *name = p->text->at + start, *operand = p->text->at + from;
  size_t first = utf8_name(operand, start - from), left = start - from - 1;
  int shown = (int)(size > 40 ? 40 : size);
  while (left && (is_space(operand[left - 1]) || operand[left - 1] == '.')) left--;
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
    if (is_word(operand, first, libraries[i])) {
      report_hint(p->report, "write %.*s(...)", shown, name);
      return;
    }
  if (is_word(name, size, "t") || is_word(name, size, "T")) {
    report_hint(p->report, "write .T without parentheses");
    return;
  }
  if (left > 2 && operand[0] == '(' && operand[left - 1] == ')') operand++, left -= 2;
  bool more = name[size + strspn(name + size, " (")] != ')';
  report_hint(p->report, "write %.*s(%.*s%s)", shown, name, (int)(left > 40 ? 40 : left), operand,
              more ? ", ..." : "");
}

static bool parse_member(struct parser *p, size_t from) {
  p->at++;
  skip_space(p);
  size_t start = p->at, size = utf8_name(p->text->at + start, p->text->size - start);
  if (!size) {
    bool part = look(p, 0) >= '0' && look(p, 0) <= '9';
    fail_expected(p, "T, mT or shape");
    if (part)
      report_hint(p->report, "only options know the parts of an expression by number: give "
                             "the part a name of its own");
    return false;
  }
  p->at = p->end = start + size;
  if (peek(p) == '(') {
    report_add(p->report, mark_of(p, start, start + size), BP(EXPECTED),
               "ops are called as functions, not as members");
    hint_function(p, start, size, from);
    return false;
  }
  set_name(p, push(p, EXPR_MEMBER, start, start + size, from), start, start + size);
  return true;
}

static bool parse_postfix(struct parser *p) {
  skip_space(p);
  size_t from = p->at;
  if (!parse_primary(p)) return false;
  for (;;) {
    char c = peek(p);
    if (c == '.') {
      if (!parse_member(p, from)) return false;
    } else if (c == '[') {
      if (!parse_indices(p, from)) return false;
    } else {
      return true;
    }
  }
}

static void push_symbol(struct parser *p, enum symbol symbol, uint32_t count, size_t start,
                        size_t from) {
  struct expr_item *item = push(p, EXPR_SYMBOL, start, start + strlen(symbol_text[symbol]), from);
  item->symbol = (uint8_t)symbol;
  item->count = count;
}

static bool parse_power(struct parser *p) {
  skip_space(p);
  size_t from = p->at;
  if (!parse_postfix(p)) return false;
  if (peek(p) != '*' || look(p, 1) != '*') return true;
  size_t start = p->at;
  p->at += 2;
  if (!enter(p) || !parse_unary(p)) return false;
  p->nesting--;
  push_symbol(p, SYMBOL_POW, 2, start, from);
  return true;
}

static bool parse_unary(struct parser *p) {
  char c = peek(p);
  size_t start = p->at;
  if (c != '-' && c != '+') return parse_power(p);
  p->at++;
  size_t first = p->out->items.count;
  if (!enter(p) || !parse_unary(p)) return false;
  p->nesting--;
  struct expr_item *item = &p->out->items.at[first];
  if (c == '+') {
    p->out->items.at[p->out->items.count - 1].text = mark_of(p, start, p->end);
  } else if (item->kind == EXPR_NUMBER && p->out->items.count == first + 1) {
    item->number = -item->number; /* a negative number is a number, not an op on one */
    item->mark = item->text = mark_of(p, start, p->end);
  } else {
    push_symbol(p, SYMBOL_SUB, 1, start, start);
  }
  return true;
}

/* The operator of a level at the current place, longest first; SYMBOL_COUNT where there is none. */
static enum symbol find_symbol(struct parser *p, const enum symbol *level, size_t count) {
  const char first = peek(p);
  for (size_t i = 0; i < count; i++) {
    const char *text = symbol_text[level[i]];
    if (text[0] != first) continue;
    size_t size = strlen(text), left = p->text->size - p->at;
    if (size > left || memcmp(p->text->at + p->at, text, size) != 0) continue;
    bool word = text[0] >= 'a' && text[0] <= 'z';
    if (word && utf8_name(p->text->at + p->at, left) != size) continue;
    return level[i];
  }
  return SYMBOL_COUNT;
}

/* Operands that one level of left-associative operators joins. */
static bool parse_level(struct parser *p, const enum symbol *level, size_t count,
                        bool (*operand)(struct parser *)) {
  skip_space(p);
  size_t from = p->at;
  if (!operand(p)) return false;
  for (;;) {
    enum symbol symbol = find_symbol(p, level, count);
    if (symbol == SYMBOL_COUNT) return true;
    if ((symbol == SYMBOL_FLOOR_DIV || symbol == SYMBOL_MOD) && !p->rule) return true;
    size_t start = p->at;
    p->at += strlen(symbol_text[symbol]);
    if (!operand(p)) return false;
    push_symbol(p, symbol, 2, start, from);
  }
}

static bool parse_term(struct parser *p) {
  static const enum symbol level[] = {SYMBOL_FLOOR_DIV, SYMBOL_MOD, SYMBOL_MUL, SYMBOL_DIV,
                                      SYMBOL_MATMUL};
  return parse_level(p, level, sizeof level / sizeof *level, parse_unary);
}

static bool parse_sum(struct parser *p) {
  static const enum symbol level[] = {SYMBOL_ADD, SYMBOL_SUB};
  return parse_level(p, level, sizeof level / sizeof *level, parse_term);
}

static bool parse_single_compare(struct parser *p) {
  static const enum symbol level[] = {SYMBOL_LESS_EQUAL, SYMBOL_GREATER_EQUAL, SYMBOL_LESS,
                                      SYMBOL_GREATER,    SYMBOL_EQUAL,         SYMBOL_NOT_EQUAL};
  const size_t count = sizeof level / sizeof *level;
  skip_space(p);
  size_t from = p->at;
  if (!parse_sum(p)) return false;
  enum symbol symbol = find_symbol(p, level, count);
  if (symbol == SYMBOL_COUNT) return true;
  size_t start = p->at;
  p->at += strlen(symbol_text[symbol]);
  if (!parse_sum(p)) return false;
  push_symbol(p, symbol, 2, start, from);
  symbol = find_symbol(p, level, count);
  if (symbol == SYMBOL_COUNT) return true;
  report_add(p->report, mark_of(p, p->at, p->at + strlen(symbol_text[symbol])), BP(EXPECTED),
             "comparisons cannot be chained");
  report_hint(p->report, "write (a < b) * (b < c)");
  return false;
}

static bool parse_not(struct parser *p) {
  static const enum symbol level[] = {SYMBOL_NOT};
  if (find_symbol(p, level, 1) == SYMBOL_COUNT) return parse_single_compare(p);
  size_t start = p->at;
  p->at += strlen(symbol_text[SYMBOL_NOT]);
  if (!enter(p) || !parse_not(p)) return false;
  p->nesting--;
  push_symbol(p, SYMBOL_NOT, 1, start, start);
  return true;
}

static bool parse_and(struct parser *p) {
  static const enum symbol level[] = {SYMBOL_AND};
  return parse_level(p, level, 1, parse_not);
}

static bool parse_compare(struct parser *p) {
  static const enum symbol level[] = {SYMBOL_OR};
  return p->rule ? parse_level(p, level, 1, parse_and) : parse_single_compare(p);
}

static bool parse_whole(struct parser *p) {
  if (!parse_compare(p)) return false;
  return !peek(p) || fail_expected(p, an_operator);
}

bool expr_parse(struct arena *arena, struct report *report, const struct expr_text *text,
                bool constant, struct expr *out) {
  struct parser p = {.arena = arena, .report = report, .text = text, .out = out};
  p.constant = constant;
  return parse_whole(&p);
}

bool expr_parse_rule(struct arena *arena, struct report *report, const struct expr_text *text,
                     struct expr *out) {
  struct parser p = {.arena = arena, .report = report, .text = text, .out = out, .rule = true};
  return parse_whole(&p);
}
