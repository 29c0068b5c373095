/* Runs the harness over files and folders without a fuzzer: replay FILE... FOLDER... */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t count;

static void replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(2);
  }
  enum { MOST = 1 << 24 };
  uint8_t *bytes = malloc(MOST);
  if (!bytes) exit(2);
  size_t size = fread(bytes, 1, MOST, file);
  fclose(file);
  uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
  if (!exact) exit(2);
  memcpy(exact, bytes, size);
  free(bytes);
  fprintf(stderr, "%s\n", path);
  LLVMFuzzerTestOneInput(exact, size);
  free(exact);
  count++;
}

static void replay(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) {
    replay_file(path);
    return;
  }
  for (struct dirent *entry; (entry = readdir(folder));) {
    char inner[4096];
    const char *name = entry->d_name;
    DIR *deeper;
    if (name[0] == '.') continue;
    snprintf(inner, sizeof inner, "%s/%s", path, name);
    deeper = opendir(inner);
    if (deeper)
      closedir(deeper); /* data beside nets */
    else
      replay_file(inner);
  }
  closedir(folder);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) replay(argv[i]);
  printf("%zu inputs\n", count);
  return count ? 0 : 2;
}
