/* Pictures by way of the public interface; what they look like is the business of render.bats. */
#include "unit.h"

#include <string.h>

#include "bpgraph.h"

static const char text[] = "bpgraph: 1\n"
                           "inputs: {x: -2, y: 5, z: -4}\n"
                           "nodes: {q: x + y, f: q * z}\n";

static bp_net *load(void) {
  bp_net *net = bp_net_parse("net.yaml", text, strlen(text), NULL);
  assert_non_null(net);
  assert_true(bp_net_ok(net));
  return net;
}

static bool swallow(void *user, const char *bytes, size_t size) {
  (void)bytes;
  *(size_t *)user += size;
  return true;
}

static void test_a_picture_is_drawn_as_often_as_wanted(void **state) {
  (void)state;
  bp_net *net = load();
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.all = true});
  size_t first, second, exported = 0;
  for (int i = 0; i < 2; i++) { /* readers of a result do not know of each other */
    bp_picture *picture = bp_picture_make(result, NULL);
    assert_non_null(picture);
    const char *dot = bp_picture_draw(picture, "dot", false, &first);
    const char *again = bp_picture_draw(picture, "dot", false, &second);
    assert_int_equal(first, second);
    assert_memory_equal(dot, again, first);
    assert_non_null(strstr(dot, "gradient=-4"));
    bp_picture_free(picture);
    assert_true(bp_export(result, "json", swallow, &exported));
  }
  bp_result_free(result);
  bp_net_free(net);
}

static void test_unknown_formats_and_options(void **state) {
  (void)state;
  bp_net *net = load();
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.all = true});
  bp_picture *picture = bp_picture_make(result, NULL);
  size_t size = 1;
  assert_null(bp_picture_draw(picture, "gif", false, &size));
  assert_int_equal(size, 0);
  assert_int_equal(bp_message_count(net), 0);
  bp_picture_free(picture);
  assert_null(bp_picture_make(result, &(bp_picture_options){.style = "fancy"}));
  assert_int_equal(bp_worst(net), BP_ERROR);
  bp_picture_free(NULL);
  bp_result_free(result);
  bp_net_free(net);
}

static void test_gradients_that_were_not_computed_are_not_zero(void **state) {
  (void)state;
  bp_net *net = load();
  bp_result *result = bp_evaluate(net, &(bp_evaluate_options){.wrt = "z"});
  bp_picture *picture = bp_picture_make(result, NULL);
  size_t size;
  const char *dot = bp_picture_draw(picture, "dot", false, &size);
  assert_non_null(strstr(dot, "gradient=3"));
  assert_null(strstr(dot, "gradient=0"));
  assert_null(strstr(dot, "dead"));
  bp_picture_free(picture);
  bp_result_free(result);
  bp_net_free(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_picture_is_drawn_as_often_as_wanted),
      cmocka_unit_test(test_unknown_formats_and_options),
      cmocka_unit_test(test_gradients_that_were_not_computed_are_not_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
