/* base/report and base/text: messages, their order, and where they point. */
#include "unit.h"

#include <string.h>

#include "base/report.h"

static struct arena arena;
static struct report report;

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

static struct source *add_source(const char *bytes) {
  struct source *source = report_source(&report, "net.yaml", bytes, strlen(bytes));
  assert_non_null(source);
  return source;
}

static struct mark mark_of(const struct source *source, size_t offset, size_t size) {
  return source_mark(source, source->bytes + offset, size);
}

static const char *printed(size_t i, bool color) {
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  report_print(&report, &report.messages.at[i], color, &text);
  return text_string(&text);
}

/* The first line of a message that is only told apart by what it quotes. */
static void add_key(struct mark mark, const char *key) {
  report_add(&report, mark, BP(UNKNOWN_KEY), key);
}

/* ---- places ------------------------------------------------------------------------------ */

static void check_place(const struct source *source, size_t offset, size_t line, size_t column,
                        const char *text) {
  struct place place;
  assert_true(report_locate(&report, mark_of(source, offset, 1), &place));
  assert_int_equal(place.line, line);
  assert_int_equal(place.column, column);
  assert_int_equal(place.size, strlen(text));
  assert_memory_equal(place.text, text, place.size);
}

static void test_lines_end_with_lf_crlf_or_cr(void **state) {
  (void)state;
  const struct source *source = add_source("ab\ncd\r\nef\rgh\n\nij");
  check_place(source, 0, 1, 1, "ab");
  check_place(source, 1, 1, 2, "ab");
  check_place(source, 2, 1, 3, "ab"); /* the end of the line itself */
  check_place(source, 3, 2, 1, "cd");
  check_place(source, 5, 2, 3, "cd");
  check_place(source, 7, 3, 1, "ef");
  check_place(source, 10, 4, 1, "gh");
  check_place(source, 13, 5, 1, "");
  check_place(source, 14, 6, 1, "ij");
  check_place(source, 16, 6, 3, "ij"); /* the end of the file */
}

static void test_columns_count_characters(void **state) {
  (void)state;
  const struct source *source = add_source("\xce\xbb: \xe2\x88\x92x\n\xf0\x9d\x9c\x83 y");
  check_place(source, 2, 1, 2, "\xce\xbb: \xe2\x88\x92x");
  check_place(source, 7, 1, 5, "\xce\xbb: \xe2\x88\x92x");
  check_place(source, 14, 2, 3, "\xf0\x9d\x9c\x83 y");
}

static void test_an_empty_source_has_a_place(void **state) {
  (void)state;
  check_place(add_source(""), 0, 1, 1, "");
}

static void test_marks_tell_their_source(void **state) {
  (void)state;
  struct source *sources[3] = {add_source("one"), add_source(""), add_source("three")};
  for (int i = 0; i < 3; i++) {
    struct place place;
    assert_true(report_locate(&report, mark_of(sources[i], 0, 1), &place));
    assert_ptr_equal(place.source, sources[i]);
    struct mark end = mark_of(sources[i], sources[i]->size, 0);
    assert_true(report_locate(&report, end, &place));
    assert_ptr_equal(place.source, sources[i]);
  }
  struct place place;
  assert_false(report_locate(&report, (struct mark){0, 0}, &place));
  assert_memory_equal(report_bytes(&report, mark_of(sources[2], 2, 3)), "ree", 3);
}

static void test_sources_beyond_4_gb_are_refused(void **state) {
  (void)state;
  assert_non_null(report_source(&report, "a", "", UINT32_MAX - 10));
  assert_null(report_source(&report, "b", "", 100));
}

/* ---- messages ---------------------------------------------------------------------------- */

static void test_messages_come_in_the_order_of_the_file(void **state) {
  (void)state;
  const struct source *source = add_source("aaaa\nbbbb\ncccc\n");
  add_key(mark_of(source, 10, 1), "c");
  report_see(&report, mark_of(source, 0, 1), "first note of c");
  report_see(&report, mark_of(source, 1, 1), "second note of c");
  add_key(mark_of(source, 5, 1), "b");
  report_hint(&report, "hint of b");
  add_key(mark_of(source, 0, 1), "a");
  report_see(&report, mark_of(source, 12, 1), "note of a");
  add_key(mark_of(source, 5, 1), "b again");
  report_sort(&report);
  static const char *const texts[] = {"unknown key 'a'",       "note of a",       "unknown key 'b'",
                                      "unknown key 'b again'", "unknown key 'c'", "first note of c",
                                      "second note of c"};
  assert_int_equal(report.messages.count, COUNT_OF(texts));
  for (size_t i = 0; i < COUNT_OF(texts); i++)
    assert_string_equal(report.messages.at[i].text, texts[i]);
  assert_string_equal(report.messages.at[2].hint, "hint of b");
}

static void test_what_was_said_is_not_said_again(void **state) {
  (void)state;
  const struct source *source = add_source("aaaa");
  add_key(mark_of(source, 0, 1), "a");
  add_key(mark_of(source, 0, 1), "a");
  report_hint(&report, "belongs to the one that was not kept");
  add_key(mark_of(source, 1, 1), "a");
  assert_int_equal(report.messages.count, 2);
  assert_null(report.messages.at[0].hint);
  assert_int_equal(report.counts[SEVERITY_ERROR], 2);
}

static void test_a_hundred_of_a_severity_are_kept(void **state) {
  (void)state;
  char bytes[301] = {0};
  memset(bytes, 'x', 300);
  const struct source *source = add_source(bytes);
  for (size_t i = 0; i < 250; i++) {
    add_key(mark_of(source, i, 1), "x");
    report_hint(&report, "hint %zu", i);
    report_see(&report, mark_of(source, 0, 1), "note");
  }
  report_add(&report, (struct mark){0, 0}, BP(UNREACHED), "w"); /* another severity */
  assert_int_equal(report.messages.count, 2 * REPORT_LIMIT + 1);
  assert_string_equal(report.messages.at[2 * REPORT_LIMIT - 2].hint, "hint 99");
  assert_int_equal(report.counts[SEVERITY_ERROR], 250);
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  report_count(&report, &text);
  assert_non_null(strstr(text_string(&text), "250 errors, 1 warning"));
}

static void test_the_worst_severity_counts(void **state) {
  (void)state;
  assert_int_equal(report_worst(&report), SEVERITY_NOTE);
  report_add(&report, (struct mark){0, 0}, BP(UNREACHED), "w");
  assert_int_equal(report_worst(&report), SEVERITY_WARNING);
  assert_false(report_failed(&report));
  report_add(&report, (struct mark){0, 0}, BP(OUT_OF_MEMORY), "out of memory");
  report_add(&report, (struct mark){0, 0}, BP(NO_START));
  assert_int_equal(report_worst(&report), SEVERITY_FAILURE);
  assert_true(report_failed(&report));
}

static void test_codes_are_unique_and_explained(void **state) {
  (void)state;
  for (int i = 0; i < DIAG_COUNT; i++) {
    assert_true(diag_number((enum diag)i) >= 1 && diag_number((enum diag)i) <= 999);
    assert_true(strlen(diag_meaning((enum diag)i)) > 10);
    for (int k = 0; k < i; k++)
      assert_int_not_equal(diag_number((enum diag)i), diag_number((enum diag)k));
  }
}

/* ---- printing ---------------------------------------------------------------------------- */

static void test_a_message_shows_line_caret_and_hint(void **state) {
  (void)state;
  const struct source *source = add_source("bpgraph: 1\ninptus: {x: 1}\n");
  add_key(mark_of(source, 11, 6), "inptus");
  report_hint(&report, "did you mean 'inputs'?");
  assert_string_equal(printed(0, false), "net.yaml:2:1: error: unknown key 'inptus' [BP101]\n"
                                         "     2 | inptus: {x: 1}\n"
                                         "       | ^~~~~~\n"
                                         "hint: did you mean 'inputs'?\n");
}

static void test_a_message_without_a_place(void **state) {
  (void)state;
  report_add(&report, (struct mark){0, 0}, BP(NO_START));
  assert_non_null(strstr(printed(0, false), "bpgraph: error: "));
  report_about(&report, add_source(""), BP(EMPTY_FILE));
  assert_non_null(strstr(printed(1, false), "net.yaml: error: "));
}

static void test_colours_are_only_added(void **state) {
  (void)state;
  const struct source *source = add_source("abc");
  add_key(mark_of(source, 0, 3), "abc");
  char plain[400];
  size_t size = 0;
  assert_non_null(strchr(printed(0, true), '\033'));
  for (const char *at = printed(0, true); *at; at++) {
    if (*at == '\033')
      at = strchr(at, 'm');
    else
      plain[size++] = *at;
  }
  plain[size] = '\0';
  assert_string_equal(plain, printed(0, false));
}

/* The n-th line of a text, and where its caret is. */
static const char *line(const char *text, int n) {
  while (n--) text = strchr(text, '\n') + 1;
  return text;
}

static void test_the_caret_stands_under_the_symbol_in_characters(void **state) {
  (void)state;
  const struct source *source = add_source("  \xce\xbb: \xce\xb8 @ x\n");
  add_key(mark_of(source, 9, 1), "@");
  assert_string_equal(line(printed(0, false), 1), "     1 |   \xce\xbb: \xce\xb8 @ x\n"
                                                  "       |        ^\n");
}

/* Whatever the column, what the caret points at is what was marked. */
static void test_long_lines_are_shown_around_the_caret(void **state) {
  (void)state;
  enum { LENGTH = 100000, STEP = 997 };
  char *bytes = arena_alloc(&arena, LENGTH + 1);
  for (size_t i = 0; i < LENGTH; i++) bytes[i] = '.';
  for (size_t i = 0; i < LENGTH; i += STEP) bytes[i] = '#';
  const struct source *source = add_source(bytes);
  for (size_t i = 0, n = 0; i < LENGTH && n < 90; i += STEP, n++) {
    add_key(mark_of(source, i, 1), "#");
    const char *shown = line(printed(n, false), 1), *caret = line(shown, 1);
    size_t column = strcspn(caret, "^");
    assert_true(caret - shown < 130);
    assert_int_equal(shown[column], '#');
    assert_int_equal(caret[column + 1], '\n');
  }
}

static void test_a_mark_of_many_lines_ends_at_the_first(void **state) {
  (void)state;
  const struct source *source = add_source("a: bc\ndef\n");
  add_key(mark_of(source, 3, 6), "bc");
  assert_string_equal(line(printed(0, false), 2), "       |    ^~\n");
}

static void test_control_characters_are_made_visible(void **state) {
  (void)state;
  const struct source *source = add_source("a\t\033[31mb\n");
  report_add(&report, mark_of(source, 2, 1), BP(YAML_SYNTAX), "bad \033 here");
  const char *text = printed(0, false);
  assert_null(strchr(text, '\033'));
  assert_non_null(strstr(text, "bad \\x1b here"));
}

static void test_quotes_are_shortened_between_characters(void **state) {
  (void)state;
  char bytes[201] = {0};
  for (int i = 0; i < 100; i++) memcpy(bytes + 2 * i, "\xce\xbb", 2);
  const char *quote = report_quote(&report, bytes, 200);
  assert_int_equal(strlen(quote), 2 * 57 + 3);
  assert_string_equal(quote + 2 * 56, "\xce\xbb...");
  assert_string_equal(report_quote(&report, bytes, 120), report_quote(&report, bytes, 120));
  assert_int_equal(strlen(report_quote(&report, bytes, 120)), 120);
}

/* ---- text -------------------------------------------------------------------------------- */

struct sink {
  size_t size, pieces, limit;
};

static bool take(void *user, const char *bytes, size_t size) {
  struct sink *sink = user;
  (void)bytes;
  sink->size += size;
  sink->pieces++;
  return sink->size <= sink->limit;
}

static void test_a_sink_gets_all_in_pieces(void **state) {
  (void)state;
  struct sink sink = {.limit = SIZE_MAX};
  struct text text;
  text_init(&text, &arena, take, &sink);
  for (int i = 0; i < 100000; i++) text_puts(&text, "0123456789");
  assert_true(text_flush(&text));
  assert_int_equal(sink.size, 1000000);
  assert_in_range(sink.pieces, 10, 20);
}

static void test_a_sink_that_refuses_is_left_alone(void **state) {
  (void)state;
  struct sink sink = {.limit = 100000};
  struct text text;
  text_init(&text, &arena, take, &sink);
  for (int i = 0; i < 1000000; i++) text_char(&text, 'x');
  assert_false(text_flush(&text));
  assert_in_range(sink.pieces, 1, 2);
  assert_true(text.capacity < 1 << 18); /* and what it does not take is not kept */
}

static void test_pieces_of_text(void **state) {
  (void)state;
  struct text text;
  text_init(&text, &arena, NULL, NULL);
  assert_string_equal(text_string(&text), "");
  text_puts(&text, "a");
  text_char(&text, 'b');
  text_fill(&text, '-', 3);
  text_printf(&text, "%d", 7);
  text_number(&text, 0.1);
  text_rounded(&text, 2.0 / 3, 2);
  text_integer(&text, -5);
  assert_string_equal(text_string(&text), "ab---70.10.67-5");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_lines_end_with_lf_crlf_or_cr),
      TEST(test_columns_count_characters),
      TEST(test_an_empty_source_has_a_place),
      TEST(test_marks_tell_their_source),
      TEST(test_sources_beyond_4_gb_are_refused),
      TEST(test_messages_come_in_the_order_of_the_file),
      TEST(test_what_was_said_is_not_said_again),
      TEST(test_a_hundred_of_a_severity_are_kept),
      TEST(test_the_worst_severity_counts),
      TEST(test_codes_are_unique_and_explained),
      TEST(test_a_message_shows_line_caret_and_hint),
      TEST(test_a_message_without_a_place),
      TEST(test_colours_are_only_added),
      TEST(test_the_caret_stands_under_the_symbol_in_characters),
      TEST(test_long_lines_are_shown_around_the_caret),
      TEST(test_a_mark_of_many_lines_ends_at_the_first),
      TEST(test_control_characters_are_made_visible),
      TEST(test_quotes_are_shortened_between_characters),
      TEST(test_a_sink_gets_all_in_pieces),
      TEST(test_a_sink_that_refuses_is_left_alone),
      TEST(test_pieces_of_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
