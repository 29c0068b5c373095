/* Attributes: from constants of the language to what an op's row specifies. */
#include <math.h>
#include <string.h>

#include "lang/lower.h"

struct attr *default_attrs(struct arena *arena, const struct op *op) {
  size_t count = op_attr_count(op);
  if (!count) return NULL;
  struct attr *attrs = ARENA_ARRAY(arena, struct attr, count);
  for (size_t i = 0; i < count; i++) attrs[i] = op->attrs[i].fallback;
  return attrs;
}

/* true and false are no numbers, but in rules, which calculate with conditions. */
static bool is_truth(const struct scope *scope, const struct value *value) {
  return value->kind == VALUE_TRUTH && !scope->fold;
}

static bool to_integer(const struct scope *scope, const struct value *value, int64_t *out) {
  double number;
  if (is_truth(scope, value) || !value_number(scope, value, &number) || number != floor(number) ||
      fabs(number) > 9e15)
    return false;
  *out = (int64_t)number;
  return true;
}

static bool bind_int(struct scope *scope, const struct attr_spec *spec, const struct value *value,
                     struct attr *out) {
  (void)spec;
  return to_integer(scope, value, &out->integer);
}

static bool bind_ints(struct scope *scope, const struct attr_spec *spec, const struct value *value,
                      struct attr *out) {
  (void)spec;
  struct value list;
  out->list = value_list(scope, value, &list);
  size_t count = out->list ? list.list.count : 1;
  int64_t *at = ARENA_ARRAY(scope->arena, int64_t, count ? count : 1);
  for (size_t i = 0; i < count; i++)
    if (!to_integer(scope, out->list ? &list.list.at[i] : value, &at[i])) return false;
  out->ints.count = count;
  out->ints.at = at;
  return true;
}

static bool bind_pairs(struct scope *scope, const struct attr_spec *spec, const struct value *value,
                       struct attr *out) {
  (void)spec;
  struct value list;
  if (!value_list(scope, value, &list)) return false;
  int64_t *at = ARENA_ARRAY(scope->arena, int64_t, list.list.count * 2 + 1);
  for (size_t i = 0; i < list.list.count; i++) {
    struct value pair;
    if (!value_list(scope, &list.list.at[i], &pair) || pair.list.count != 2) return false;
    for (size_t k = 0; k < 2; k++)
      if (!to_integer(scope, &pair.list.at[k], &at[2 * i + k])) return false;
  }
  out->list = true;
  out->ints.count = list.list.count * 2;
  out->ints.at = at;
  return true;
}

static bool bind_number(struct scope *scope, const struct attr_spec *spec,
                        const struct value *value, struct attr *out) {
  (void)spec;
  return !is_truth(scope, value) && value_number(scope, value, &out->number);
}

static bool bind_truth(struct scope *scope, const struct attr_spec *spec, const struct value *value,
                       struct attr *out) {
  (void)spec, (void)scope;
  if (value->kind != VALUE_TRUTH) return false;
  out->truth = value->number != 0;
  return true;
}

static bool bind_word(struct scope *scope, const struct attr_spec *spec, const struct value *value,
                      struct attr *out) {
  (void)scope;
  if (value->kind != VALUE_WORD && value->kind != VALUE_TEXT) return false;
  for (unsigned i = 0; spec->words[i]; i++)
    if (strlen(spec->words[i]) == value->word.size &&
        !memcmp(spec->words[i], value->word.bytes, value->word.size)) {
      out->word = i;
      return true;
    }
  return false;
}

static bool bind_text(struct scope *scope, const struct attr_spec *spec, const struct value *value,
                      struct attr *out) {
  (void)scope, (void)spec;
  if (value->kind != VALUE_TEXT && value->kind != VALUE_WORD) return false;
  out->text.size = value->word.size;
  out->text.at = value->word.bytes;
  return true;
}

static const struct {
  bool (*bind)(struct scope *, const struct attr_spec *, const struct value *, struct attr *);
  const char *wanted;
} binders[] = {[ATTR_INT] = {bind_int, "an integer"},
               [ATTR_INTS] = {bind_ints, "an integer or a list of integers"},
               [ATTR_PAIRS] = {bind_pairs, "a list of pairs of integers: [[1, 1], [0, 2]]"},
               [ATTR_NUMBER] = {bind_number, "a number"},
               [ATTR_BOOL] = {bind_truth, "true or false"},
               [ATTR_WORD] = {bind_word, NULL},
               [ATTR_TEXT] = {bind_text, "a text in double quotes"}};

static void report_wrong(struct scope *scope, const struct op *op, const struct attr_spec *spec,
                         const struct value *value) {
  struct text wanted;
  text_init(&wanted, scope->arena, NULL, NULL);
  if (binders[spec->type].wanted) text_puts(&wanted, binders[spec->type].wanted);
  for (unsigned i = 0; spec->words && spec->words[i]; i++)
    text_printf(&wanted, "%s%s", !i ? "" : spec->words[i + 1] ? ", " : " or ", spec->words[i]);
  report_add(scope->report, value->text, BP(WRONG_ATTRIBUTE), op->name, spec->name,
             text_string(&wanted));
  if (value->kind == VALUE_NODE)
    report_hint(scope->report, "attributes are constants: numbers, shapes and arithmetic on them");
}

bool bind_attr(struct scope *scope, const struct op *op, const struct attr_spec *spec,
               const struct value *value, struct attr *out) {
  struct value found = *value;
  if (value->kind == VALUE_FAILED) return false;
  if (value->kind == VALUE_NONE) { /* an attribute that a rule passes on, and that nobody gave */
    *out = spec->fallback;
    return true;
  }
  *out = (struct attr){.given = true};
  /* In a rule, a bare word for a text is the name of an attribute: spec=spec. */
  bool word = value->kind == VALUE_WORD && value->item;
  bool name = word && scope->fold && spec->type == ATTR_TEXT;
  bool fits = !name && binders[spec->type].bind(scope, spec, &found, out);
  bool wants_word = spec->type == ATTR_WORD || spec->type == ATTR_BOOL;
  bool defined = word && value->item->id != UINT32_MAX;
  if (!fits && word && (defined || !wants_word)) {
    /* No word of the op: then it is a name. */
    if (!scope->find(scope, value->item, &found)) return false;
    if (found.kind == VALUE_NONE) {
      *out = spec->fallback;
      return true;
    }
    fits = binders[spec->type].bind(scope, spec, &found, out);
  }
  if (!fits) report_wrong(scope, op, spec, &found);
  return fits;
}
