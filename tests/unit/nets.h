/* Nets as the loader makes them, for units that look behind the public interface. */
#ifndef BPGRAPH_TESTS_NETS_H
#define BPGRAPH_TESTS_NETS_H

#include "unit.h"

#include <string.h>

#include "load/net.h"

static struct arena arena;
static struct report report;
static struct net net;

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline bool try_load(const char *text) {
  struct load_options options = {.path = "net.yaml", .bytes = text, .size = strlen(text)};
  return net_load(&net, &arena, &report, &options);
}

static inline void load(const char *text) {
  bool loaded = try_load(text);
  for (size_t i = 0; i < report.messages.count && !loaded; i++)
    print_error("%s\n", report.messages.at[i].text);
  assert_true(loaded);
}

/* The node of a name. */
static inline node_id id(const char *name) {
  node_id found = net_find(&net, name, strlen(name));
  assert_true(found != NODE_NONE);
  return found;
}

/* How many messages have this code. */
static inline size_t said(unsigned code) {
  size_t count = 0;
  for (size_t i = 0; i < report.messages.count; i++)
    count += diag_number(report.messages.at[i].id) == code;
  return count;
}

#endif
