#include "answer.h"

static enum status answer(const struct command *command, const struct arguments *arguments,
                          const struct answering *answering, const struct targets *targets) {
  bp_net *net = load_net(arguments->operands.at[0], arguments);
  if (!net) return fail_system("out of memory");
  void *made = answering->make(net, arguments, targets);
  enum status refused = targets_spare(targets, command, net); /* options read files, too */
  print_messages(net, 0, arguments->color);
  enum status status = net_status(net, arguments);
  if (refused > status) status = refused;
  if (made && !refused) {
    enum status written = targets_write(targets, answering->produce, made);
    if (written > status) status = written;
  }
  answering->release(made);
  bp_net_free(net);
  return status;
}

enum status answer_net(const struct command *command, const struct arguments *arguments,
                       const struct answering *answering) {
  if (arguments->operands.count != 1)
    return fail_usage(command, "one net is expected, not %zu", arguments->operands.count);
  struct targets targets;
  enum status status = targets_read(&targets, command, arguments, answering->formats);
  if (status == STATUS_FINE) status = answer(command, arguments, answering, &targets);
  targets_free(&targets);
  return status;
}
