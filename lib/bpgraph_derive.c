/* The public interface to derived nets. */
#include <stdlib.h>

#include "export/net.h"
#include "handles.h"

struct bp_derivation {
  struct bp_net *owner;
  struct arena arena;
  struct text text;
  const char *bytes;
};

struct deriving {
  bp_derivation *derivation;
  struct derivation_options options;
  bool done;
};

static void derive(void *argument) {
  struct deriving *deriving = argument;
  bp_derivation *result = deriving->derivation;
  struct derivation *derivation = ARENA_NEW(&result->arena, struct derivation);
  text_init(&result->text, &result->arena, NULL, NULL);
  if (!derive_net(derivation, &result->arena, &result->owner->net, &deriving->options)) return;
  if (!export_net(derivation, &result->text)) return;
  result->bytes = text_string(&result->text);
  deriving->done = true;
}

bp_derivation *bp_derive(bp_net *net, const bp_derive_options *given) {
  if (!bp_net_ok(net)) return NULL;
  bp_derivation *derivation = calloc(1, sizeof *derivation);
  if (!derivation) {
    report_exhausted(net);
    return NULL;
  }
  derivation->owner = net;
  arena_init(&derivation->arena, NULL);
  struct deriving deriving = {.derivation = derivation};
  if (given)
    deriving.options = (struct derivation_options){.of = given->of,
                                                   .upstream = given->upstream,
                                                   .wrt = given->wrt,
                                                   .forward_count = given->forward_count,
                                                   .forward = given->forward};
  if (!run_guarded(&net->arena, &derivation->arena, derive, &deriving)) report_exhausted(net);
  if (deriving.done) return derivation;
  bp_derivation_free(derivation);
  return NULL;
}

const char *bp_derivation_text(const bp_derivation *derivation, size_t *size) {
  if (size) *size = derivation->text.count;
  return derivation->bytes;
}

void bp_derivation_free(bp_derivation *derivation) {
  if (!derivation) return;
  arena_free(&derivation->arena);
  free(derivation);
}
