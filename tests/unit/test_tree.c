/* load/tree: YAML as a tree, and the place of every byte of a text in the file. */
#include "unit.h"

#include <ctype.h>
#include <string.h>

#include "load/tree.h"

static struct arena arena;
static struct report report;
static struct tree tree;

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

static bool read_sized(const char *text, size_t size) {
  report.messages.count = 0;
  struct source *source = report_source(&report, "net.yaml", text, size);
  return tree_read(&tree, &arena, &report, source);
}

static bool read_yaml(const char *text) { return read_sized(text, strlen(text)); }

/* The tree as JSON of a kind. */
static void print_node(tree_id id, struct text *out) {
  const struct tree_node *node = tree_at(&tree, id);
  if (node->kind == TREE_SCALAR) {
    text_printf(out, node->flags & TREE_PLAIN ? "%.*s" : "'%.*s'", (int)node->size,
                tree_text(&tree, id));
    return;
  }
  bool mapping = node->kind == TREE_MAPPING, key = false;
  text_char(out, mapping ? '{' : '[');
  for (tree_id item = tree_first(&tree, id); item != TREE_NONE; item = tree_next(&tree, item)) {
    if (item != tree_first(&tree, id)) text_puts(out, mapping && key ? ": " : ", ");
    key = !key;
    print_node(item, out);
  }
  text_char(out, mapping ? '}' : ']');
}

static const char *printed(const char *text) {
  struct text out;
  text_init(&out, &arena, NULL, NULL);
  if (!read_yaml(text)) return report.messages.at[0].text;
  print_node(tree.root, &out);
  return text_string(&out);
}

/* ---- what is read ------------------------------------------------------------------------ */

static void test_lists_and_mappings(void **state) {
  (void)state;
  assert_string_equal(printed("a"), "a");
  assert_string_equal(printed("[]"), "[]");
  assert_string_equal(printed("{}"), "{}");
  assert_string_equal(printed("a: 1\nb: [2, [3, 4], []]\nc: {d: {}, e: 5}\nf:\n"),
                      "{a: 1, b: [2, [3, 4], []], c: {d: {}, e: 5}, f: }");
  assert_string_equal(printed("- a\n- - b\n  - c\n- d: e\n"), "[a, [b, c], {d: e}]");
  assert_string_equal(printed("---\na: 1 # note\n...\n# more\n"), "{a: 1}");
  assert_string_equal(printed("\xef\xbb\xbf"
                              "a: 1\r\nb: 2\r\n"),
                      "{a: 1, b: 2}");
  assert_string_equal(printed("a: 'it''s'\nb: \"\\u03bb\\n\"\n\"c\": >\n  x\n  y\n"),
                      "{a: 'it's', b: '\xce\xbb\n', 'c': 'x y\n'}");
}

static void test_aliases_repeat_what_was_named(void **state) {
  (void)state;
  assert_string_equal(printed("a: &x 1\nb: *x\n"), "{a: 1, b: 1}");
  assert_string_equal(printed("a: &x [1, &y [2]]\nb: {c: *x, d: *y}\ne: *x\n"),
                      "{a: [1, [2]], b: {c: [1, [2]], d: [2]}, e: [1, [2]]}");
  assert_string_equal(printed("- &x 1\n- &x 2\n- *x\n"), "[1, 2, 2]"); /* the last one counts */
  assert_string_equal(printed("&x k: 1\n*x : 2\n"), "{k: 1, k: 2}");
}

static void test_duplicate_keys_are_left_to_the_reader(void **state) {
  (void)state;
  assert_string_equal(printed("a: 1\na: 2\n<<: {b: 1}\n"), "{a: 1, a: 2, <<: {b: 1}}");
}

/* ---- places ------------------------------------------------------------------------------ */

static void check_mark(tree_id id, size_t line, size_t column) {
  struct place place;
  assert_true(report_locate(&report, tree_mark(&tree, id), &place));
  assert_int_equal(place.line, line);
  assert_int_equal(place.column, column);
}

static void test_nodes_know_their_place(void **state) {
  (void)state;
  assert_true(read_yaml("\xce\xbb: [1,\n    22]\n'b': &x \"c\"\nd: *x\n"));
  tree_id key = tree_first(&tree, tree.root), list = tree_next(&tree, key);
  check_mark(tree.root, 1, 1);
  check_mark(key, 1, 1);
  check_mark(list, 1, 4);
  check_mark(tree_first(&tree, list), 1, 5);
  check_mark(tree_next(&tree, tree_first(&tree, list)), 2, 5);
  tree_id quoted = tree_next(&tree, tree_next(&tree, list));
  check_mark(quoted, 3, 9); /* the text, not its anchor */
  assert_memory_equal(report_bytes(&report, tree_mark(&tree, quoted)), "\"c\"", 3);
}

/* In every style, every letter of the text is found in the file. */
static void test_letters_of_texts_are_found_in_the_file(void **state) {
  (void)state;
  static const char *const files[] = {
      "k: ab + cd",
      "k: ab +\n   cd *\n\n   ef",
      "k: 'ab + cd'",
      "k: 'ab + ''cd'' ef'",
      "k: 'ab +\n    cd\n\n    ef'",
      "k: \"ab + cd\"",
      "k: \"ab + \\\"cd\\\" ef\"",
      "k: \"ab +\\\n    cd \\\n    \\ ef\"",
      "k: \"ab +\n   cd\n\n   ef\"",
      "k: \"ab\\tcd\\x2bef\\u03bbgh\\U0001d703ij\"",
      "k: |\n  ab +\n  cd\n\n  ef\n",
      "k: |-\n    ab +\n      cd\n    ef",
      "k: |+\n  ab\n\n\n",
      "k: >\n  ab +\n  cd\n\n  ef\n",
      "k: >-\n  ab\n    cd\n  ef\n",
      "k: >2\n  ab\n  cd\n",
      "k: | # note\n  ab\n  cd\n",
      "k: &anchor ab +\n  cd",
      "k: &anchor 'ab +\n  cd'",
      "k: &anchor\n  |\n  ab\n  cd\n",
      "k: &anchor # note\n  ab\n  cd\n",
      "k: \xce\xbb + ab\n  \xce\xb8 cd",
      "k: \"\xce\xbb + ab\n  \xce\xb8 cd\"",
      "k: {j: ab\n  cd}",
      "k: ab\r\n  cd\r\n\r\n  ef\r\n",
      "k: \"ab\\\r\n  cd\"\r\n",
      "k: >\r\n  ab\r\n  cd\r\n",
  };
  for (size_t i = 0; i < COUNT_OF(files); i++) {
    assert_true(read_yaml(files[i]));
    tree_id value = tree_next(&tree, tree_first(&tree, tree.root));
    if (tree_at(&tree, value)->kind == TREE_MAPPING)
      value = tree_next(&tree, tree_first(&tree, value));
    struct expr_text text = tree_expr_text(&tree, value);
    assert_true(text.size > 0);
    for (size_t b = 0; b < text.size; b++) {
      uint32_t at = text.map ? text.map[b] : text.base + (uint32_t)b;
      size_t offset = at - tree.source->base;
      assert_true(offset <= tree.source->size);
      if (!isalpha((unsigned char)text.at[b])) continue;
      bool found = files[i][offset] == text.at[b];
      if (!found) print_error("'%c' of: %s\n", text.at[b], files[i]);
      assert_true(found);
    }
  }
}

/* ---- faults ------------------------------------------------------------------------------ */

static void check_fault(const char *text, size_t size, unsigned code, size_t line, size_t column) {
  bool read = read_sized(text, size);
  if (read) print_error("taken: %s\n", text);
  assert_false(read);
  const struct message *message = &report.messages.at[0];
  if (diag_number(message->id) != code) print_error("%s: %s\n", text, message->text);
  assert_int_equal(diag_number(message->id), code);
  struct place place;
  if (!line) return;
  assert_true(report_locate(&report, message->mark, &place));
  if (place.line != line || place.column != column)
    print_error("%s: %zu:%zu\n", text, place.line, place.column);
  assert_int_equal(place.line, line);
  assert_int_equal(place.column, column);
}

static void test_faults_have_a_code_and_a_place(void **state) {
  (void)state;
  static const struct {
    const char *text;
    unsigned code;
    size_t line, column;
  } cases[] = {
      {"", 5, 0, 0},
      {"  \n# only a comment\n\n", 5, 0, 0},
      {"a: 1\nb: [1\nc: 2\n", 4, 2, 4},
      {"a: \"b\n", 4, 0, 0},
      {"a: b: c\n", 4, 1, 5},
      {"\ta: 1\n", 4, 1, 1},
      {"%YAML 1.2\n---\na: 1\n", 7, 1, 1},
      {"# note\n%TAG ! x\n---\na: 1\n", 7, 2, 1},
      {"a: 1\n---\nb: 2\n", 6, 2, 1},
      {"a: 1\n...\nb: 2\n", 6, 3, 1},
      {"a: !!float 1\n", 8, 1, 4},
      {"a: !x [1]\n", 8, 1, 4},
      {"a: *x\n", 12, 1, 4},
      {"a: &x [1, *x]\n", 13, 1, 11},
      {"a: &x {b: *x}\n", 13, 1, 11},
      {"[a]: 1\n", 15, 1, 1},
      {"{b: 1}: 1\n", 15, 1, 1},
      {"a: &x [1]\n*x : 2\n", 15, 2, 1},
      {"a: \"\\0\"\n", 16, 1, 4},
      {"a: \xff\n", 3, 1, 4},
      {"a: 1\n\xce\xbb: b\xc3\n", 3, 2, 5},
      {"a: b\x01\n", 3, 1, 5},
      {"a: 1\nb: \x7f\n", 3, 2, 4},
      {"\xff\xfe"
       "a",
       3, 1, 1},
  };
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    check_fault(cases[i].text, strlen(cases[i].text), cases[i].code, cases[i].line,
                cases[i].column);
  check_fault("a: 1\0\n", 6, 3, 1, 5);
}

static const char *nested(const char *open, int times) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  for (int i = 0; i < times; i++) text_puts(&text, open);
  return text_string(&text);
}

static void test_depth_is_bounded(void **state) {
  (void)state;
  check_fault(nested("[", 65), 65, 9, 1, 65);
  check_fault(nested("[", 1000000), 1000000, 9, 1, 65); /* and in no time */
  check_fault(nested("{a: ", 65), 65 * 4, 9, 1, 64 * 4 + 1);
  check_fault(nested("- ", 100000), 200000, 9, 1, 129);
  char text[200];
  memset(text, '[', 64);
  memset(text + 64, ']', 65);
  text[128] = '\0';
  assert_true(read_yaml(text));
}

static void test_aliases_are_bounded_before_they_are_expanded(void **state) {
  (void)state;
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  text_puts(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
  for (int i = 1; i < 40; i++) {
    text_printf(&text, "a%d: &a%d [", i, i);
    for (int k = 0; k < 10; k++) text_printf(&text, "%s*a%d", k ? ", " : "", i - 1);
    text_puts(&text, "]\n");
  }
  check_fault(text_string(&text), text.count, 14, 0, 0);
}

static void test_long_texts_are_read(void **state) {
  (void)state;
  enum { SIZE = 1 << 20 };
  char *text = arena_alloc(&arena, SIZE + 8);
  memset(text, 'x', SIZE);
  memcpy(text, "a: ", 3);
  assert_true(read_yaml(text));
  assert_int_equal(tree_at(&tree, tree_next(&tree, tree_first(&tree, tree.root)))->size, SIZE - 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_lists_and_mappings),
      TEST(test_aliases_repeat_what_was_named),
      TEST(test_duplicate_keys_are_left_to_the_reader),
      TEST(test_nodes_know_their_place),
      TEST(test_letters_of_texts_are_found_in_the_file),
      TEST(test_faults_have_a_code_and_a_place),
      TEST(test_depth_is_bounded),
      TEST(test_aliases_are_bounded_before_they_are_expanded),
      TEST(test_long_texts_are_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
