/* JSON as schemas/check.schema.json describes it. */
#include "export/check.h"
#include "export/json.h"
#include "version.h"

static void next(struct text *out, size_t i, const char *indent) {
  text_puts(out, i ? "," : "");
  text_puts(out, indent);
}

static void print_key(struct text *out, const char *key) { text_printf(out, ", \"%s\": ", key); }

static void print_string(struct text *out, const char *key, const char *value) {
  print_key(out, key);
  json_optional(out, value);
}

static void print_number(struct text *out, const char *key, bool known, double value) {
  print_key(out, key);
  if (known)
    json_number(out, value);
  else
    text_puts(out, "null");
}

static void print_size(struct text *out, const char *key, size_t value) {
  print_key(out, key);
  text_printf(out, "%zu", value);
}

static void print_index(struct text *out, const char *key, bool known, const struct dims *index) {
  print_key(out, key);
  if (known)
    dims_print(index, out);
  else
    text_puts(out, "null");
}

static void print_place_keys(const struct checked_place *place, struct text *out) {
  print_string(out, "file", place->file);
  if (place->line)
    text_printf(out, ", \"line\": %zu, \"column\": %zu", place->line, place->column);
  else
    text_puts(out, ", \"line\": null, \"column\": null");
}

static void print_diagnosis(const struct judgement *said, struct text *out) {
  print_key(out, "diagnosis");
  text_char(out, '[');
  for (size_t i = 0; i < said->diagnosis.count; i++) {
    text_puts(out, i ? ", {\"id\": " : "{\"id\": ");
    json_string(out, said->diagnosis.at[i].id);
    print_string(out, "text", said->diagnosis.at[i].text);
    text_char(out, '}');
  }
  text_char(out, ']');
}

static void print_claim(const struct checked_claim *claim, struct text *out) {
  const struct judgement *said = &claim->said;
  bool any = said->entries > 0;
  text_printf(out, "{\"kind\": \"%s\"", said->kind);
  print_string(out, "node", said->subject);
  print_string(out, "title", said->title);
  print_place_keys(&claim->place, out);
  print_string(out, "verdict", verdict_name(said->verdict));
  print_size(out, "entries", said->entries);
  print_size(out, "wrong", said->wrong);
  print_number(out, "max_abs_error", true, said->max_abs_error);
  print_number(out, "max_rel_error", true, said->max_rel_error);
  print_index(out, "worst_index", any, &said->worst);
  print_number(out, "claimed", any, said->claimed);
  print_number(out, "actual", any, said->actual);
  print_number(out, "numeric", any && said->has_numeric, said->numeric);
  print_size(out, "point", said->point);
  print_size(out, "points", said->points);
  print_size(out, "seed", (size_t)said->seed);
  print_string(out, "inherited_from", said->inherited_from);
  print_string(out, "note", said->note);
  print_diagnosis(said, out);
  text_char(out, '}');
}

static void print_node(const struct checked_node *node, struct text *out) {
  const struct witnessed *said = &node->said;
  bool any = said->entries > 0;
  text_puts(out, "{\"node\": ");
  json_string(out, said->node);
  print_place_keys(&node->place, out);
  print_string(out, "verdict", verdict_name(said->verdict));
  print_size(out, "entries", said->entries);
  print_size(out, "of", said->of);
  print_number(out, "max_abs_error", true, said->max_abs_error);
  print_index(out, "worst_index", any, &said->worst);
  print_number(out, "actual", any, said->actual);
  print_number(out, "numeric", any, said->numeric);
  print_string(out, "note", said->note);
  text_char(out, '}');
}

static void print_mutant(const struct checked *net, const struct mutant *mutant, struct text *out) {
  text_printf(out, "{\"claim\": %zu", mutant->claim);
  print_string(out, "node", net->claims.at[mutant->claim].said.subject);
  print_string(out, "mutant", mutant->text);
  text_printf(out, ", \"survived\": %s", mutant->survived ? "true" : "false");
  print_string(out, "told_apart_by", mutant->killer);
  text_char(out, '}');
}

/* The messages that are errors, or those that are not. */
static void print_messages(const struct checked *net, bool errors, struct text *out) {
  size_t count = 0;
  text_printf(out, ",\n     \"%s\": [", errors ? "errors" : "warnings");
  for (size_t i = 0; i < net->messages.count; i++) {
    const struct checked_message *message = &net->messages.at[i];
    if ((message->severity >= SEVERITY_ERROR) != errors) continue;
    next(out, count++, "\n       ");
    json_message(out, &(struct json_message){message->number, message->severity,
                                             message->place.file, message->place.line,
                                             message->place.column, message->text, message->hint});
  }
  text_char(out, ']');
}

static void print_net(const struct checked *net, struct text *out) {
  static const char *const statuses[] = {"ok", "failed", "invalid"};
  text_puts(out, "{\"net\": ");
  json_string(out, net->name);
  print_string(out, "title", net->title);
  print_string(out, "status", statuses[checked_status(net)]);
  print_messages(net, true, out);
  print_messages(net, false, out);
  text_puts(out, ",\n     \"claims\": [");
  for (size_t i = 0; i < net->claims.count; i++) {
    next(out, i, "\n       ");
    print_claim(&net->claims.at[i], out);
  }
  text_puts(out, "],\n     \"backprop\": [");
  for (size_t i = 0; i < net->backprop.count; i++) {
    next(out, i, "\n       ");
    print_node(&net->backprop.at[i], out);
  }
  if (net->mutated) text_puts(out, "],\n     \"mutants\": [");
  for (size_t i = 0; i < net->mutants.count; i++) {
    next(out, i, "\n       ");
    print_mutant(net, &net->mutants.at[i], out);
  }
  text_puts(out, "]}");
}

void check_json(const struct checked *const *nets, size_t count, struct text *out) {
  struct verdicts sum = checked_verdicts(nets, count);
  text_puts(out, "{\n  \"bpgraph\": \"" BPGRAPH_VERSION "\",\n  \"format\": \"1.0\"");
  text_printf(out, ",\n  \"passed\": %zu, \"failed\": %zu, \"inconclusive\": %zu, \"invalid\": %zu",
              sum.passed, sum.failed, sum.inconclusive, sum.invalid);
  text_puts(out, ",\n  \"nets\": [");
  for (size_t i = 0; i < count; i++) {
    next(out, i, "\n    ");
    print_net(nets[i], out);
  }
  text_puts(out, "]\n}\n");
}
