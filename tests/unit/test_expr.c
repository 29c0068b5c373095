/* lang/expr: precedence as in Python, and the place of every symbol. */
#include "unit.h"

#include <string.h>

#include "base/map.h"
#include "lang/expr.h"

static struct arena arena;
static struct report report;
static struct source *source;

static int setup(void **state) {
  (void)state;
  arena_init(&arena, NULL);
  report_init(&report, &arena);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_free(&arena);
  return 0;
}

typedef bool parse_fn(struct arena *, struct report *, const struct expr_text *, struct expr *);

static bool parse_net(struct arena *memory, struct report *messages, const struct expr_text *text,
                      struct expr *out) {
  return expr_parse(memory, messages, text, false, out);
}

static bool parse(parse_fn *parser, const char *text, struct expr *out) {
  source = report_source(&report, "x", text, strlen(text));
  struct expr_text expr = {.at = text, .size = strlen(text), .base = source->base};
  *out = (struct expr){{0}};
  return parser(&arena, &report, &expr, out);
}

/* ---- what an expression means ------------------------------------------------------------ */

/* One item with its operands, as in Lisp. */
static const char *written(const struct expr_item *item, const char *const *operands) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  const char *head = "", *tail = "";
  uint32_t count = item->count;
  switch ((enum expr_kind)item->kind) {
  case EXPR_NUMBER: text_number(&text, item->number); return text_string(&text);
  case EXPR_TRUTH: return item->number != 0 ? "true" : "false";
  case EXPR_NONE: return "_";
  case EXPR_NAME: text_add(&text, item->name, item->size); return text_string(&text);
  case EXPR_TEXT:
    text_printf(&text, "\"%.*s\"", (int)item->size, item->name);
    return text_string(&text);
  case EXPR_SYMBOL: text_printf(&text, "(%s", symbol_text[item->symbol]), tail = ")"; break;
  case EXPR_CALL: text_printf(&text, "(%.*s", (int)item->size, item->name), tail = ")"; break;
  case EXPR_MEMBER:
    text_printf(&text, "(.%.*s", (int)item->size, item->name), count = 1, tail = ")";
    break;
  case EXPR_KEYWORD: text_printf(&text, "%.*s=", (int)item->size, item->name), count = 1; break;
  case EXPR_INDEX: head = "([]", count = item->count + 1, tail = ")"; break;
  case EXPR_SLICE: head = "(:", count = 3, tail = ")"; break;
  case EXPR_LIST: head = "[", tail = "]"; break;
  }
  text_puts(&text, head);
  for (uint32_t i = 0; i < count; i++) {
    bool glued = item->kind == EXPR_KEYWORD || (item->kind == EXPR_LIST && !i);
    text_printf(&text, "%s%s", glued ? "" : " ", operands[i]);
  }
  text_puts(&text, tail);
  return text_string(&text);
}

static uint32_t operand_count(const struct expr_item *item) {
  switch ((enum expr_kind)item->kind) {
  case EXPR_SYMBOL:
  case EXPR_CALL:
  case EXPR_LIST: return item->count;
  case EXPR_INDEX: return item->count + 1;
  case EXPR_KEYWORD:
  case EXPR_MEMBER: return 1;
  case EXPR_SLICE: return 3;
  default: return 0;
  }
}

static const char *lisp(const struct expr *expr) {
  const char *stack[400];
  size_t depth = 0;
  for (size_t i = 0; i < expr->items.count; i++) {
    depth -= operand_count(&expr->items.at[i]);
    stack[depth] = written(&expr->items.at[i], stack + depth);
    depth++;
  }
  assert_int_equal(depth, 1);
  return stack[0];
}

struct meaning {
  const char *text, *lisp;
};

static void check_meanings(parse_fn *parser, const struct meaning *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct expr expr;
    if (!parse(parser, cases[i].text, &expr)) {
      print_error("%s: %s\n", cases[i].text, report.messages.at[0].text);
      fail();
    }
    assert_string_equal(lisp(&expr), cases[i].lisp);
  }
}

static void test_precedence_is_pythons(void **state) {
  (void)state;
  static const struct meaning cases[] = {
      {"a + b * c", "(+ a (* b c))"},
      {"a * b + c", "(+ (* a b) c)"},
      {"a - b - c", "(- (- a b) c)"},
      {"a / b * c", "(* (/ a b) c)"},
      {"a @ b * c", "(* (@ a b) c)"},
      {"a * b @ c", "(@ (* a b) c)"},
      {"a ** b ** c", "(** a (** b c))"},
      {"a * b ** c", "(* a (** b c))"},
      {"-a ** b", "(- (** a b))"},
      {"a ** -b", "(** a (- b))"},
      {"a ** -b ** c", "(** a (- (** b c)))"},
      {"-a * b", "(* (- a) b)"},
      {"a * -b", "(* a (- b))"},
      {"a - -b", "(- a (- b))"},
      {"--a", "(- (- a))"},
      {"+a", "a"},
      {"a + +b", "(+ a b)"},
      {"a < b + c", "(< a (+ b c))"},
      {"a + b >= c * d", "(>= (+ a b) (* c d))"},
      {"a == b", "(== a b)"},
      {"a != b", "(!= a b)"},
      {"a <= b", "(<= a b)"},
      {"a > b", "(> a b)"},
      {"(a + b) * c", "(* (+ a b) c)"},
      {"((a))", "a"},
      {"(a < b) < c", "(< (< a b) c)"},
      {"a.T @ b", "(@ (.T a) b)"},
      {"-a.T ** b", "(- (** (.T a) b))"},
      {"a.T.mT", "(.mT (.T a))"},
      {"(a + b).T", "(.T (+ a b))"},
      {"f(a).T[0]", "([] (.T (f a)) 0)"},
      {"a ** b.T", "(** a (.T b))"},
      {"a ** b[0]", "(** a ([] b 0))"},
      {"a\n  + b\t*\r\nc", "(+ a (* b c))"},
  };
  check_meanings(parse_net, cases, COUNT_OF(cases));
}

static void test_a_minus_before_a_number_belongs_to_it(void **state) {
  (void)state;
  static const struct meaning cases[] = {
      {"-2", "-2"},         {"-2 * a", "(* -2 a)"},      {"--2", "2"},
      {"a - 2", "(- a 2)"}, {"a-2", "(- a 2)"},          {"a ** -2", "(** a -2)"},
      {"+2", "2"},          {"-2 ** 2", "(- (** 2 2))"}, {"-(2)", "-2"},
  };
  check_meanings(parse_net, cases, COUNT_OF(cases));
}

static void test_calls_indices_and_lists(void **state) {
  (void)state;
  static const struct meaning cases[] = {
      {"f()", "(f)"},
      {"f(a)", "(f a)"},
      {"f(a, b + c,)", "(f a (+ b c))"},
      {"f (a)", "(f a)"},
      {"f(a, axis=0)", "(f a axis=0)"},
      {"f(a, axis = -1, keepdims=true)", "(f a axis=-1 keepdims=true)"},
      {"f(x=a, y=b)", "(f x=a y=b)"},
      {"f(a == b)", "(f (== a b))"},
      {"f(a, shape=[2, -1])", "(f a shape=[2 -1])"},
      {"f(a, pads=[[1, 2], []])", "(f a pads=[[1 2] []])"},
      {"f(a, spec=\"ij,jk->ik\")", "(f a spec=\"ij,jk->ik\")"},
      {"f(a, mode=tanh)", "(f a mode=tanh)"},
      {"f(g(a), h(b))", "(f (g a) (h b))"},
      {"a[0]", "([] a 0)"},
      {"a[-1, b]", "([] a -1 b)"},
      {"a[1:3]", "([] a (: 1 3 _))"},
      {"a[:]", "([] a (: _ _ _))"},
      {"a[::-1]", "([] a (: _ _ -1))"},
      {"a[1::2, :n]", "([] a (: 1 _ 2) (: _ n _))"},
      {"a[:, i]", "([] a (: _ _ _) i)"},
      {"a[:2:]", "([] a (: _ 2 _))"},
      {"a[b.shape[0] - 1:]", "([] a (: (- ([] (.shape b) 0) 1) _ _))"},
      {"a[0][1]", "([] ([] a 0) 1)"},
      {"1.5e-3 + .5 + 2.", "(+ (+ 0.0015 0.5) 2)"},
      {"true", "true"},
      {"truelove", "truelove"},
      {"\xce\xb8_1 * \xce\xbb", "(* \xce\xb8_1 \xce\xbb)"},
  };
  check_meanings(parse_net, cases, COUNT_OF(cases));
}

static void test_rules_have_more_operators(void **state) {
  (void)state;
  static const struct meaning cases[] = {
      {"a // b % c", "(% (// a b) c)"},
      {"a and b or c", "(or (and a b) c)"},
      {"a or b and c", "(or a (and b c))"},
      {"not a == b and c", "(and (not (== a b)) c)"},
      {"rank(a) == 1 and rank(b) == 1", "(and (== (rank a) 1) (== (rank b) 1))"},
      {"android + order", "(+ android order)"},
  };
  check_meanings(expr_parse_rule, cases, COUNT_OF(cases));
}

/* ---- places ------------------------------------------------------------------------------ */

/* "mark<text" of every item in order: the symbol, and the whole it stands for. */
static const char *places(const struct expr *expr) {
  struct text out;
  text_init(&out, &arena, NULL, NULL);
  for (size_t i = 0; i < expr->items.count; i++) {
    const struct expr_item *item = &expr->items.at[i];
    text_puts(&out, i ? " | " : "");
    text_add(&out, report_bytes(&report, item->mark), item->mark.end - item->mark.start);
    text_puts(&out, "<");
    text_add(&out, report_bytes(&report, item->text), item->text.end - item->text.start);
  }
  return text_string(&out);
}

static void test_every_item_knows_its_place(void **state) {
  (void)state;
  static const struct meaning cases[] = {
      {"a", "a<a"},
      {" a+b ", "a<a | b<b | +<a+b"},
      {"a + b * c", "a<a | b<b | c<c | *<b * c | +<a + b * c"},
      {"(a + b) * c", "a<a | b<b | +<(a + b) | c<c | *<(a + b) * c"},
      {"-x ** 2", "x<x | 2<2 | **<x ** 2 | -<-x ** 2"},
      {"- 2", "- 2<- 2"},
      {"f( a, axis = 0 )", "a<a | 0<0 | axis<axis = 0 | f<f( a, axis = 0 )"},
      {"x.T", "x<x | T<x.T"},
      {"x[1:, 0]", "x<x | 1<1 | < | < | 1:<1: | 0<0 | [<x[1:, 0]"},
      {"f(a, s=[1, 2])", "a<a | 1<1 | 2<2 | [<[1, 2] | s<s=[1, 2] | f<f(a, s=[1, 2])"},
      {"a <= 12.5e3", "a<a | 12.5e3<12.5e3 | <=<a <= 12.5e3"},
      {"\xce\xbb@\xce\xb8", "\xce\xbb<\xce\xbb | \xce\xb8<\xce\xb8 | @<\xce\xbb@\xce\xb8"},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct expr expr;
    assert_true(parse(parse_net, cases[i].text, &expr));
    assert_string_equal(places(&expr), cases[i].lisp);
  }
}

static void test_constants_are_known_as_such(void **state) {
  (void)state;
  struct expr expr;
  assert_true(parse(parse_net, "f(a + 1, axis=b + 1, w=c)[d]", &expr));
  for (size_t i = 0; i < expr.items.count; i++) {
    const struct expr_item *item = &expr.items.at[i];
    if (item->kind != EXPR_NAME) continue;
    assert_int_equal(item->constant, item->name[0] != 'a');
    assert_int_equal(item->word, item->name[0] == 'c');
  }
}

/* ---- faults ------------------------------------------------------------------------------ */

static void test_faults_have_a_code_and_a_place(void **state) {
  (void)state;
  static const struct {
    const char *text;
    unsigned code;
    size_t column;
  } cases[] = {{"", 401, 0},
               {"a +", 401, 0},
               {"a b", 401, 3},
               {"a + * b", 401, 5},
               {"(a", 401, 0},
               {"a)", 401, 2},
               {"f(a", 401, 0},
               {"f(a b)", 401, 5},
               {"f(,)", 401, 3},
               {"a[", 401, 0},
               {"a[]", 401, 0},
               {"a[1", 401, 0},
               {"[1, 2", 401, 0},
               {"a ^ b", 401, 3},
               {"a'", 401, 2},
               {"2x", 401, 0},
               {"2 x", 401, 3},
               {"x.sum()", 401, 3},
               {"a < b < c", 401, 7},
               {"a && b", 401, 3},
               {"a = b", 401, 3},
               {"a // b", 401, 3},
               {"a % b", 401, 3},
               {"not a", 401, 5},
               {"a and b", 401, 3},
               {"a if b", 401, 3},
               {"\"abc", 401, 1},
               {"a \xe2\x88\x92 b", 401, 3},
               {"x\xc2\xb2", 401, 2},
               {"f(a=1, b)", 401, 8},
               {"a.", 401, 0},
               {"1e400", 303, 1},
               {"a ? b", 401, 3},
               {"a; b", 401, 2},
               {"{a}", 401, 1},
               {"a\\b", 401, 2},
               {"\xce\xbb \xce\xb8", 401, 3}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    struct expr expr;
    report.messages.count = 0;
    bool parsed = parse(parse_net, cases[i].text, &expr);
    if (parsed) print_error("%s is taken\n", cases[i].text);
    assert_false(parsed);
    assert_int_equal(report.messages.count, 1);
    unsigned code = diag_number(report.messages.at[0].id);
    if (code != cases[i].code) print_error("%s\n", cases[i].text);
    assert_int_equal(code, cases[i].code);
    struct place place;
    assert_true(report_locate(&report, report.messages.at[0].mark, &place));
    assert_int_equal(place.line, 1);
    if (cases[i].column && place.column != cases[i].column) print_error("%s\n", cases[i].text);
    if (cases[i].column) assert_int_equal(place.column, cases[i].column);
  }
}

static char *repeat(const char *piece, size_t times, const char *middle, const char *end) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  for (size_t i = 0; i < times; i++) text_puts(&text, piece);
  text_puts(&text, middle);
  for (size_t i = 0; i < times; i++) text_puts(&text, end);
  return arena_copy(&arena, text_string(&text), text.count);
}

static void test_nesting_is_bounded(void **state) {
  (void)state;
  static const char *const nests[][3] = {{"(", "a", ")"},  {"-", "a", ""},     {"f(", "a", ")"},
                                         {"a[", "0", "]"}, {"a ** ", "a", ""}, {"[", "1", "]"},
                                         {"+", "a", ""},   {"f(k=", "a", ")"}};
  for (size_t i = 0; i < COUNT_OF(nests); i++) {
    struct expr expr;
    assert_true(parse(parse_net, repeat(nests[i][0], 150, nests[i][1], nests[i][2]), &expr));
    report.messages.count = 0;
    assert_false(parse(parse_net, repeat(nests[i][0], 10000, nests[i][1], nests[i][2]), &expr));
    assert_int_equal(diag_number(report.messages.at[0].id), 403);
    assert_int_equal(report.messages.count, 1);
  }
}

static void test_length_is_not(void **state) {
  (void)state;
  struct expr expr;
  assert_true(parse(parse_net, repeat("a + ", 1000000, "a", ""), &expr));
  assert_int_equal(expr.items.count, 2000001);
  assert_true(parse(parse_net, repeat("a.T @ b[0] * ", 100000, "a", ""), &expr));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_precedence_is_pythons),
      TEST(test_a_minus_before_a_number_belongs_to_it),
      TEST(test_calls_indices_and_lists),
      TEST(test_rules_have_more_operators),
      TEST(test_every_item_knows_its_place),
      TEST(test_constants_are_known_as_such),
      TEST(test_faults_have_a_code_and_a_place),
      TEST(test_nesting_is_bounded),
      TEST(test_length_is_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
