/* JUnit's XML, as Jenkins, GitLab and others read it: a suite a net, a case a claim.
 *
 * Elements and attributes are those that both Jenkins' and Surefire's schemas know: hence no line
 * numbers as attributes, which stand in the texts instead, and a time, which is not measured, so
 * that equal verdicts give equal files. */
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/utf8.h"
#include "export/check.h"

/* ---- XML --------------------------------------------------------------------------------- */

/* Whether XML 1.0 can hold a character at all. */
static bool is_xml(uint32_t code) {
  if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
  return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) && code != 0xfffe && code != 0xffff;
}

/* The name of a character that has one, or NULL. */
static const char *entity(uint32_t code) {
  switch (code) {
  case '&': return "&amp;";
  case '<': return "&lt;";
  case '>': return "&gt;";
  case '"': return "&quot;";
  default: return NULL;
  }
}

/* In attributes line ends and tabs are written as references, or readers make blanks of them. */
static void print_xml(struct text *out, const char *text, bool attribute) {
  size_t size = strlen(text), length;
  for (size_t i = 0; i < size; i += length) {
    uint32_t code = utf8_decode(text + i, size - i, &length);
    if (!is_xml(code))
      text_puts(out, "\xef\xbf\xbd");
    else if (entity(code))
      text_puts(out, entity(code));
    else if (code == '\r' || (attribute && code < 0x20))
      text_printf(out, "&#%u;", (unsigned)code);
    else
      text_add(out, text + i, length);
  }
}

static void print_attribute(struct text *out, const char *name, const char *value) {
  text_printf(out, " %s=\"", name);
  print_xml(out, value, true);
  text_char(out, '"');
}

/* ---- cases ------------------------------------------------------------------------------- */

/* A suite while it is written.  Readers drop a second case of the same name, so that such get a
 * number: "gradient W (2)". */
struct suite {
  const struct checked *net;
  const char *class; /* the net's name without its ending, which would be taken for a class */
  struct map names;  /* -> index into times */
  VEC(unsigned) times;
  struct text *out;
};

static const char *unique_name(struct suite *suite, struct text *name) {
  struct arena *arena = suite->out->arena;
  const char *text = text_string(name);
  int64_t at = map_add(arena, &suite->names, text, name->count, (uint32_t)suite->times.count);
  if (at == MAP_NONE) {
    *vec_push(arena, &suite->times) = 1;
    return text;
  }
  struct text other;
  text_init(&other, arena, NULL, NULL);
  text_printf(&other, "%s (%u)", text, ++suite->times.at[at]);
  return unique_name(suite, &other);
}

/* Opens a case: "by the chain rule: gradient W". */
static void start_case(struct suite *suite, const char *title, const char *kind,
                       const char *subject) {
  struct text name;
  text_init(&name, suite->out->arena, NULL, NULL);
  text_printf(&name, "%s%s%s%s%s", title ? title : "", title ? ": " : "", kind, *subject ? " " : "",
              subject);
  text_puts(suite->out, "    <testcase");
  print_attribute(suite->out, "classname", suite->class);
  print_attribute(suite->out, "name", unique_name(suite, &name));
  text_puts(suite->out, " time=\"0\"");
}

/* Closes it with what there is to say: an element with a line, and more behind it; `type` may be
 * NULL. */
static void end_case(struct suite *suite, const char *element, const char *type, struct text *line,
                     struct text *more) {
  struct text *out = suite->out;
  text_printf(out, ">\n      <%s", element);
  if (type) print_attribute(out, "type", type);
  print_attribute(out, "message", text_string(line));
  text_char(out, '>');
  print_xml(out, text_string(more), false);
  text_printf(out, "</%s>\n    </testcase>\n", element);
}

static void print_where(const struct checked_place *place, struct text *line, struct text *more) {
  print_place(place, line);
  text_puts(line, ": ");
  print_place(place, more);
  text_char(more, '\n');
  text_puts(more, place->excerpt);
}

static void print_claim(struct suite *suite, const struct checked_claim *claim) {
  const struct judgement *said = &claim->said;
  struct text line, more;
  start_case(suite, said->title, said->kind, said->subject);
  if (said->verdict == VERDICT_RIGHT) {
    text_puts(suite->out, "/>\n");
    return;
  }
  text_init(&line, suite->out->arena, NULL, NULL);
  text_init(&more, suite->out->arena, NULL, NULL);
  print_where(&claim->place, &line, &more);
  print_judgement(said, "", &more);
  if (said->verdict == VERDICT_INCONCLUSIVE) {
    text_puts(&line, said->note ? said->note : "inconclusive");
    end_case(suite, "skipped", NULL, &line, &more);
    return;
  }
  print_gist(said, &line);
  for (size_t i = 0; i < said->diagnosis.count; i++)
    text_printf(&line, "%s%s", i ? ", or " : ": ", said->diagnosis.at[i].text);
  end_case(suite, "failure", said->diagnosis.count ? said->diagnosis.at[0].id : "wrong", &line,
           &more);
}

static void print_node(struct suite *suite, const struct checked_node *node) {
  const struct witnessed *said = &node->said;
  struct text line, more;
  start_case(suite, NULL, "backprop", said->node);
  if (said->verdict == VERDICT_RIGHT) {
    text_puts(suite->out, "/>\n");
    return;
  }
  text_init(&line, suite->out->arena, NULL, NULL);
  text_init(&more, suite->out->arena, NULL, NULL);
  print_where(&node->place, &line, &more);
  print_witnessed(said, "", &more);
  bool wrong = said->verdict == VERDICT_WRONG;
  if (wrong)
    print_node_gist(said, &line);
  else
    text_puts(&line, said->note ? said->note : "inconclusive");
  end_case(suite, wrong ? "failure" : "skipped", wrong ? "backprop" : NULL, &line, &more);
}

/* An invalid net is a case of its own, whose error has all messages. */
static void print_invalid(struct suite *suite) {
  const struct checked *net = suite->net;
  struct text line, more;
  char code[16] = "invalid";
  start_case(suite, NULL, "the net itself", "");
  text_init(&line, suite->out->arena, NULL, NULL);
  text_init(&more, suite->out->arena, NULL, NULL);
  for (size_t i = 0; i < net->messages.count; i++) {
    const struct checked_message *message = &net->messages.at[i];
    if (message->severity < SEVERITY_ERROR) continue;
    if (!line.count) {
      snprintf(code, sizeof code, "BP%03u", message->number);
      print_place(&message->place, &line);
      text_printf(&line, "%s%s", line.count ? ": " : "", message->text);
    }
    print_place(&message->place, &more);
    text_printf(&more, ": %s [BP%03u]\n%s", message->text, message->number, message->place.excerpt);
    if (message->hint) text_printf(&more, "hint: %s\n", message->hint);
  }
  end_case(suite, "error", code, &line, &more);
}

/* ---- suites ------------------------------------------------------------------------------ */

static const char *class_of(const char *name, struct arena *arena) {
  static const char *const endings[] = {".yaml", ".yml"};
  size_t size = strlen(name);
  for (size_t i = 0; i < 2; i++) {
    size_t ending = strlen(endings[i]);
    if (size > ending && !strcmp(name + size - ending, endings[i]))
      return arena_copy(arena, name, size - ending);
  }
  return name;
}

static size_t case_count(const struct checked *net) {
  return net->claims.count + net->backprop.count + net->invalid;
}

static void print_suite(const struct checked *net, struct text *out) {
  struct suite suite = {.net = net, .class = class_of(net->name, out->arena), .out = out};
  text_puts(out, "  <testsuite");
  print_attribute(out, "name", net->name);
  text_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%d\" skipped=\"%zu\" time=\"0\">\n",
              case_count(net), net->failed, (int)net->invalid, net->inconclusive);
  if (net->invalid) print_invalid(&suite);
  for (size_t i = 0; i < net->claims.count; i++) print_claim(&suite, &net->claims.at[i]);
  for (size_t i = 0; i < net->backprop.count; i++) print_node(&suite, &net->backprop.at[i]);
  text_puts(out, "  </testsuite>\n");
}

void check_junit(const struct checked *const *nets, size_t count, struct text *out) {
  struct verdicts sum = checked_verdicts(nets, count);
  size_t cases = 0;
  for (size_t i = 0; i < count; i++) cases += case_count(nets[i]);
  text_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
  text_printf(out,
              "<testsuites name=\"bpgraph check\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
              "time=\"0\">\n",
              cases, sum.failed, sum.invalid);
  for (size_t i = 0; i < count; i++) print_suite(nets[i], out);
  text_puts(out, "</testsuites>\n");
}
