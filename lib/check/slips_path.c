/* Slips that concern what comes along a path, or by one user of the subject. */
#include <math.h>
#include <string.h>

#include "check/inquiry.h"

/* ---- paths ----------------------------------------------------------------------------------- */

/* Which node of the region this is; steps.count where it is none. */
static size_t step_of(const struct back *back, node_id id) {
  size_t i = 0;
  while (i < back->steps.count && back_node(back, i) != id) i++;
  return i;
}

/* The node's first input that the gradient flows on to; NODE_NONE where there is none. */
static node_id input_below(const struct inquiry *inquiry, size_t i) {
  const struct node *node = inquiry_node(inquiry, back_node(inquiry->back, i));
  for (unsigned k = 0; k < node->count; k++)
    if (back_flows(inquiry->back, i, k)) return graph_inputs(inquiry_graph(inquiry), node)[k];
  return NODE_NONE;
}

/* The nearest node of the region that uses this one; NODE_NONE at the top. */
static node_id user_above(const struct inquiry *inquiry, size_t i) {
  const struct back *back = inquiry->back;
  const node_id id = back_node(back, i);
  if (back_is_given(back, i)) return NODE_NONE;
  while (i-- > 0) {
    const struct node *node = inquiry_node(inquiry, back_node(back, i));
    for (unsigned k = 0; k < node->count; k++)
      if (graph_inputs(inquiry_graph(inquiry), node)[k] == id && back_flows(back, i, k))
        return back_node(back, i);
  }
  return NODE_NONE;
}

/* Adds the definition that a node belongs to, unless it is the one before it. */
static void add_to_path(struct inquiry *inquiry, node_id id, node_id *last, struct text *text) {
  if (inquiry_owner(inquiry, id) == *last) return;
  *last = inquiry_owner(inquiry, id);
  text_printf(text, " -> %s", inquiry_name(inquiry, *last));
}

/* The names of the definitions on a way from the subject through an edge, from `from` to `user`, to
 * the top. */
static const char *path_through(struct inquiry *inquiry, node_id user, node_id from) {
  const struct back *back = inquiry->back;
  struct text text;
  VEC(node_id) way = {0};
  for (node_id at = from; at != back->target && at != NODE_NONE;) { /* down to the subject */
    *vec_push(inquiry->arena, &way) = at;
    at = input_below(inquiry, step_of(back, at));
  }
  text_init(&text, inquiry->arena, NULL, NULL);
  text_puts(&text, inquiry_name(inquiry, back->target));
  node_id last = back->target;
  for (size_t i = way.count; i-- > 0;) add_to_path(inquiry, way.at[i], &last, &text);
  for (node_id at = user; at != NODE_NONE; at = user_above(inquiry, step_of(back, at)))
    add_to_path(inquiry, at, &last, &text);
  return text_string(&text);
}

/* The author's own formula for what comes by a user, " (2 * lambda * W)", or "". */
static const char *formula_of(struct inquiry *inquiry, node_id owner) {
  const struct net *net = inquiry->judge->net;
  for (size_t b = 0; b < net->claims.count; b++)
    for (size_t i = 0; i < net->claims.at[b]->at.count; i++) {
      const struct claim *claim = &net->claims.at[b]->at.at[i];
      if (claim->kind != CLAIM_CONTRIBUTION || claim->of != inquiry->back->target ||
          claim->by != owner || !claim->formula || claim == inquiry->judged->claim)
        continue;
      const char *bytes = report_bytes(net->report, claim->text);
      return inquiry_format(inquiry, " (%.*s)", (int)(claim->text.end - claim->text.start), bytes);
    }
  return "";
}

/* Names what is wrong with a path: it is missing, has the wrong sign, or a factor. */
static void name_path(struct inquiry *inquiry, struct candidate *found, node_id owner,
                      const char *path) {
  double k = found->factor;
  if (k == 0) {
    found->id = DIAGNOSIS_PATH_MISSING;
    found->text = inquiry_format(inquiry, "%s lacks the path %s%s", inquiry->what, path,
                                 formula_of(inquiry, owner));
  } else if (k == -1) {
    found->id = DIAGNOSIS_SIGN;
    found->text = inquiry_format(inquiry, "in %s, what comes along %s has the wrong sign%s",
                                 inquiry->what, path, formula_of(inquiry, owner));
  } else {
    found->id = DIAGNOSIS_FACTOR;
    found->text =
        inquiry_format(inquiry, "in %s, what comes along %s is %s%s%s", inquiry->what, path,
                       inquiry_times(inquiry, k), k < 0 ? " and has the wrong sign" : "",
                       formula_of(inquiry, owner));
    inquiry_count(inquiry, found);
  }
}

/* Whether a path candidate says what one before has said: a later edge of the same path. */
static bool is_same_path(const struct inquiry *inquiry, const struct candidate *candidate) {
  for (size_t i = 0; i < inquiry->candidates.count; i++) {
    const struct candidate *other = &inquiry->candidates.at[i];
    if (other->flow && other->factor == candidate->factor &&
        inquiry_equal(inquiry, other->flow, candidate->flow))
      return true;
  }
  return false;
}

static void try_flow(struct inquiry *inquiry, struct candidate candidate, double *flow,
                     node_id user, node_id from) {
  if (inquiry_zero(inquiry, flow) || inquiry_equal(inquiry, flow, inquiry->straight)) return;
  candidate.factor = inquiry_factor(inquiry, flow);
  candidate.flow = flow;
  if (!isfinite(candidate.factor) || candidate.factor == 1 ||
      !inquiry_evidence(inquiry, candidate.factor, flow) || is_same_path(inquiry, &candidate))
    return;
  struct candidate *found = inquiry_try(inquiry, candidate);
  if (found)
    name_path(inquiry, found, inquiry_owner(inquiry, user), path_through(inquiry, user, from));
}

/* Every edge of the region, the nearest to the subject first. */
void try_paths(struct inquiry *inquiry) {
  double *flow = inquiry_room(inquiry);
  for (size_t i = inquiry->back->steps.count; i-- > 0;) {
    node_id id = back_node(inquiry->back, i);
    const struct node *node = inquiry_node(inquiry, id);
    for (unsigned k = 0; k < node->count; k++) {
      if (!back_flows(inquiry->back, i, k)) continue;
      struct candidate candidate = {.family = FAMILY_PATH,
                                    .slip = {.kind = ALTER_DROP, .node = id, .input = k}};
      size_t before = inquiry->candidates.count;
      if (!inquiry_flow(inquiry, &candidate.slip, flow)) return;
      try_flow(inquiry, candidate, flow, id, graph_inputs(inquiry_graph(inquiry), node)[k]);
      if (inquiry->candidates.count > before) flow = inquiry_room(inquiry); /* it is kept */
    }
  }
}

/* The users of the subject within the region, by definition: a node of each that has it as an
 * input. */
static size_t find_users(struct inquiry *inquiry, node_id *users, size_t most) {
  size_t count = 0;
  for (size_t i = 0; i < inquiry->back->steps.count; i++) {
    node_id id = back_node(inquiry->back, i), owner = inquiry_owner(inquiry, id);
    const struct node *node = inquiry_node(inquiry, id);
    bool uses = false, known = false;
    for (unsigned k = 0; k < node->count; k++)
      uses = uses || (graph_inputs(inquiry_graph(inquiry), node)[k] == inquiry->back->target &&
                      back_flows(inquiry->back, i, k));
    for (size_t u = 0; u < count; u++) known = known || inquiry_owner(inquiry, users[u]) == owner;
    if (uses && !known && count < most) users[count++] = id;
  }
  return count;
}

/* Whole users: their contribution missing, or the only one that is there. */
void try_users(struct inquiry *inquiry) {
  enum { USERS_MOST = 32 };
  node_id users[USERS_MOST];
  size_t count = find_users(inquiry, users, USERS_MOST);
  if (count < 2) return;
  for (size_t u = 0; u < count; u++) {
    double *flow = inquiry_room(inquiry);
    node_id owner = inquiry_owner(inquiry, users[u]);
    if (!inquiry_user_flow(inquiry, owner, flow)) return;
    struct candidate candidate = {.family = FAMILY_USER, .owner = owner};
    try_flow(inquiry, candidate, flow, users[u], inquiry->back->target);
    /* Of two, it is as if the other were missing, which is said; the last to come overwrites. */
    if (count == 2 && u != count - 1) continue;
    candidate.family = FAMILY_ONLY;
    struct candidate *found = inquiry_try(inquiry, candidate);
    if (!found) continue;
    found->id = DIAGNOSIS_OVERWRITTEN;
    found->text = inquiry_format(
        inquiry, "%s has only what comes by %s: it is assigned, not added to the others",
        inquiry->what, inquiry_name(inquiry, owner));
  }
}
