#include "lang/fold.h"

#include <math.h>
#include <string.h>

/* ---- operators --------------------------------------------------------------------------- */

static double fold_numbers(enum symbol symbol, double a, double b) {
  switch (symbol) {
  case SYMBOL_ADD: return a + b;
  case SYMBOL_SUB: return a - b;
  case SYMBOL_MUL: return a * b;
  case SYMBOL_DIV: return a / b;
  case SYMBOL_POW: return pow(a, b);
  case SYMBOL_FLOOR_DIV: return floor(a / b);
  case SYMBOL_MOD: return a - b * floor(a / b);
  case SYMBOL_LESS: return a < b;
  case SYMBOL_LESS_EQUAL: return a <= b;
  case SYMBOL_GREATER: return a > b;
  case SYMBOL_GREATER_EQUAL: return a >= b;
  case SYMBOL_EQUAL: return a == b;
  case SYMBOL_NOT_EQUAL: return a != b;
  case SYMBOL_AND: return a != 0 && b != 0;
  case SYMBOL_OR: return a != 0 || b != 0;
  default: return NAN;
  }
}

static bool same_word(const struct value *a, const struct value *b) {
  return a->word.size == b->word.size && !memcmp(a->word.bytes, b->word.bytes, a->word.size);
}

static bool same_list(const struct scope *scope, const struct value *a, const struct value *b) {
  if (a->list.count != b->list.count) return false;
  for (size_t i = 0; i < a->list.count; i++) {
    double x, y;
    if (!value_number(scope, &a->list.at[i], &x) || !value_number(scope, &b->list.at[i], &y) ||
        x != y)
      return false;
  }
  return true;
}

static struct value join_lists(struct scope *scope, const struct value *a, const struct value *b) {
  struct value *at = ARENA_ARRAY(scope->arena, struct value, a->list.count + b->list.count + 1);
  if (a->list.count) memcpy(at, a->list.at, a->list.count * sizeof *at);
  if (b->list.count) memcpy(at + a->list.count, b->list.at, b->list.count * sizeof *at);
  struct value joined = *a;
  joined.list.count = a->list.count + b->list.count;
  joined.list.at = at;
  return joined;
}

/* list * times, which rules make shapes with. */
static struct value repeat_list(struct scope *scope, const struct value *list, double times) {
  const size_t n = list->list.count, count = times > 0 ? n * (size_t)times : 0;
  struct value *at = ARENA_ARRAY(scope->arena, struct value, count + 1);
  for (size_t i = 0; i < count; i++) at[i] = list->list.at[i % n];
  struct value repeated = *list;
  repeated.list.count = count;
  repeated.list.at = at;
  return repeated;
}

enum outcome fold_symbol(struct scope *scope, const struct expr_item *item,
                         const struct value *operands, struct value *out) {
  const struct value *a = &operands[0], *b = &operands[item->count - 1];
  enum symbol symbol = item->symbol;
  bool equality = symbol == SYMBOL_EQUAL || symbol == SYMBOL_NOT_EQUAL;
  double x, y;
  *out = make_number(0, item->mark);
  if (value_number(scope, a, &x) && value_number(scope, b, &y)) {
    if (item->count == 1)
      out->number = symbol == SYMBOL_NOT ? x == 0 : -x;
    else
      out->number = fold_numbers(symbol, x, y);
    return OUTCOME_DONE;
  }
  if (a->kind == VALUE_WORD && b->kind == VALUE_WORD && equality) {
    out->number = same_word(a, b) == (symbol == SYMBOL_EQUAL);
    return OUTCOME_DONE;
  }
  struct value left, right;
  if (scope->fold && symbol == SYMBOL_MUL && a->kind == VALUE_LIST && value_number(scope, b, &y)) {
    *out = repeat_list(scope, a, y);
    return OUTCOME_DONE;
  }
  if (!value_list(scope, a, &left) || !value_list(scope, b, &right)) return OUTCOME_UNKNOWN;
  if (symbol == SYMBOL_ADD)
    *out = join_lists(scope, &left, &right);
  else if (equality)
    out->number = same_list(scope, &left, &right) == (symbol == SYMBOL_EQUAL);
  else
    return OUTCOME_UNKNOWN;
  return OUTCOME_DONE;
}

/* ---- lists ------------------------------------------------------------------------------- */

struct value make_list(struct arena *arena, size_t count, const int64_t *at, struct mark mark) {
  struct value *values = ARENA_ARRAY(arena, struct value, count ? count : 1);
  for (size_t i = 0; i < count; i++) values[i] = make_number((double)at[i], mark);
  struct value list = {.kind = VALUE_LIST, .mark = mark, .text = mark};
  list.list.count = count;
  list.list.at = values;
  return list;
}

/* One bound as an integer; *given says whether it was written at all. */
static bool read_bound(struct scope *scope, const struct value *value, bool *given, int64_t *out) {
  double number;
  *given = value->kind != VALUE_NONE;
  if (!*given) return true;
  if (!value_number(scope, value, &number)) {
    report_add(scope->report, value->text, BP(NOT_CONSTANT), "the bound of a slice",
               "a number or arithmetic on numbers and shapes");
    if (value->kind == VALUE_NODE) report_hint(scope->report, "does it belong under constants?");
    return false;
  }
  if (number != floor(number) || fabs(number) > 9e15) {
    report_add(scope->report, value->text, BP(BAD_INDEX), "the bound of a slice is no integer");
    return false;
  }
  *out = (int64_t)number;
  return true;
}

static int64_t clamp(int64_t bound, int64_t n, int64_t low, int64_t high) {
  if (bound < 0) bound += n;
  return bound < low ? low : bound > high ? high : bound;
}

bool slice_bounds(struct scope *scope, const struct value *slice, int64_t n, struct bounds *out) {
  bool has_start, has_stop, has_step;
  int64_t start = 0, stop = 0, step = 1;
  if (!read_bound(scope, &slice->list.at[0], &has_start, &start) ||
      !read_bound(scope, &slice->list.at[1], &has_stop, &stop) ||
      !read_bound(scope, &slice->list.at[2], &has_step, &step))
    return false;
  if (step == 0) {
    report_add(scope->report, slice->text, BP(BAD_INDEX), "the step of a slice is 0");
    return false;
  }
  int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
  start = has_start ? clamp(start, n, low, high) : step > 0 ? low : high;
  stop = has_stop ? clamp(stop, n, low, high) : step > 0 ? high : low;
  int64_t span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
  *out = (struct bounds){start, stop, step, span > 0 ? (size_t)((span + stride - 1) / stride) : 0};
  return true;
}

enum outcome fold_index(struct scope *scope, const struct value *list, const struct value *index,
                        struct value *out) {
  int64_t n = (int64_t)list->list.count;
  if (index->kind == VALUE_SLICE) {
    struct bounds bounds;
    if (!slice_bounds(scope, index, n, &bounds)) return OUTCOME_FAILED;
    struct value *at = ARENA_ARRAY(scope->arena, struct value, bounds.count ? bounds.count : 1);
    for (size_t i = 0; i < bounds.count; i++)
      at[i] = list->list.at[bounds.start + (int64_t)i * bounds.step];
    *out = *list;
    out->list.count = bounds.count;
    out->list.at = at;
    return OUTCOME_DONE;
  }
  double number;
  if (!value_number(scope, index, &number)) return OUTCOME_UNKNOWN;
  if (number < 0) number += (double)n;
  if (number != floor(number) || number < 0 || number >= (double)n) {
    struct text why;
    text_init(&why, scope->arena, NULL, NULL);
    text_printf(&why, "there is no such item: the list has %d", (int)n);
    report_add(scope->report, index->text, BP(BAD_INDEX), text_string(&why));
    return OUTCOME_FAILED;
  }
  *out = list->list.at[(size_t)number];
  return OUTCOME_DONE;
}
