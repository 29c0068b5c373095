/* bare_yaml FILE: the least that libyaml costs: start, read FILE, take every event from it. */
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

static unsigned char *read_all(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  unsigned char *bytes = NULL;
  long length = -1;
  if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 &&
      fseek(file, 0, SEEK_SET) == 0 && (bytes = malloc((size_t)length + 1)) != NULL) {
    *size = fread(bytes, 1, (size_t)length, file);
  }
  fclose(file);
  return bytes;
}

int main(int argc, char **argv) {
  size_t size = 0;
  unsigned char *bytes = argc == 2 ? read_all(argv[1], &size) : NULL;
  yaml_parser_t parser;
  if (!bytes || !yaml_parser_initialize(&parser)) {
    fputs("usage: bare_yaml FILE\n", stderr);
    free(bytes);
    return 2;
  }
  yaml_parser_set_input_string(&parser, bytes, size);

  size_t events = 0;
  yaml_event_type_t type = YAML_NO_EVENT;
  while (type != YAML_STREAM_END_EVENT) {
    yaml_event_t event;
    if (!yaml_parser_parse(&parser, &event)) {
      fprintf(stderr, "%s: line %zu: %s\n", argv[1], parser.problem_mark.line + 1, parser.problem);
      break;
    }
    type = event.type;
    events++;
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  free(bytes);
  printf("%zu events\n", events);
  return type == YAML_STREAM_END_EVENT ? 0 : 2;
}
