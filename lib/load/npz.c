/* NumPy's .npz files: zip archives of .npy files.  minizip is used here and nowhere else. */
#include <inttypes.h>
#include <string.h>

#include <minizip/unzip.h>

#include "load/formats.h"

/* Deflate makes at most 258 bytes of 2 bits: what claims more than this is no honest member. */
enum { RATIO_MOST = 1032 };
enum { STORED = 0, DEFLATED = 8 };
enum { ENCRYPTED = 1 }; /* a flag of a member */

/* ---- the archive ----------------------------------------------------------------------------- */

/* minizip opens and closes files by itself: it is given the one that is open already, and data.c
 * closes it. */
static voidpf lend_stream(voidpf stream, const void *name, int mode) {
  (void)name, (void)mode;
  return stream;
}

static int keep_stream(voidpf user, voidpf stream) {
  (void)user, (void)stream;
  return 0;
}

static void close_archive(void *archive) { unzClose(archive); }

static bool open_archive(struct data_file *file) {
  zlib_filefunc64_def functions;
  fill_fopen64_filefunc(&functions);
  functions.opaque = file->stream;
  functions.zopen64_file = lend_stream;
  functions.zclose_file = keep_stream;
  file->archive = unzOpen2_64(file->name, &functions);
  file->close_archive = close_archive;
  return file->archive || data_fault(file, "it is no zip archive, or is cut off");
}

/* ---- its members ----------------------------------------------------------------------------- */

struct member {
  char *name; /* without .npy; lives with the report */
  size_t size;
  unz64_file_pos place;
  unz_file_info64 info;
};

/* The member that the archive stands at; false where the directory is damaged. */
static bool look_at(const struct data_file *file, struct member *member) {
  unzFile archive = file->archive;
  if (unzGetCurrentFileInfo64(archive, &member->info, NULL, 0, NULL, 0, NULL, 0) != UNZ_OK ||
      unzGetFilePos64(archive, &member->place) != UNZ_OK)
    return data_fault(file, "its directory is damaged");
  member->size = member->info.size_filename;
  /* A NUL follows: minizip adds none to a name that fills its room. */
  member->name = arena_alloc(file->request->report->arena, member->size + 1);
  return unzGetCurrentFileInfo64(archive, NULL, member->name, (uLong)member->size, NULL, 0, NULL,
                                 0) == UNZ_OK ||
         data_fault(file, "its directory is damaged");
}

/* Whether a member is an array: takes the ending off its name. */
static bool is_array(struct member *member) {
  const size_t ending = strlen(".npy");
  if (strlen(member->name) != member->size || member->size <= ending) return false;
  if (strcmp(member->name + member->size - ending, ".npy") != 0) return false;
  member->size -= ending;
  member->name[member->size] = '\0';
  return true;
}

/* `W` and `W.npy` both name W.npy. */
static bool is_wanted(const struct member *member, const char *key) {
  if (!key) return true;
  if (strncmp(key, member->name, member->size) != 0) return false;
  const char *rest = key + member->size;
  return !*rest || !strcmp(rest, ".npy");
}

/* Goes through the archive: collects the names of all arrays, and how many are wanted. */
static bool list_members(const struct data_file *file, struct data_names *names,
                         struct member *found, size_t *matches) {
  int state = unzGoToFirstFile(file->archive);
  for (; state == UNZ_OK; state = unzGoToNextFile(file->archive)) {
    struct member member;
    if (!look_at(file, &member)) return false;
    if (!is_array(&member)) continue;
    names_add(names, member.name, member.size);
    if (!is_wanted(&member, file->request->key)) continue;
    *found = member;
    ++*matches;
  }
  return state == UNZ_END_OF_LIST_OF_FILE || data_fault(file, "its directory is damaged");
}

static bool refuse_names(const struct data_file *file, const struct data_names *names,
                         size_t matches) {
  struct report *report = file->request->report;
  const char *key = file->request->key;
  if (!names->count) {
    data_fault(file, "it has no arrays (members that end in .npy)");
  } else if (!key) {
    data_fault(file, "it has %zu arrays: %s", names->count, names_list(names));
    report_hint(report, "pick one with `key: %s`", names->shown[0]);
  } else if (matches) {
    data_fault(file, "it has '%s' %zu times", key, matches);
  } else {
    data_fault(file, "it has no array '%s'; it has: %s", key, names_list(names));
    if (names->nearest) report_hint(report, "did you mean '%s'?", names->nearest);
  }
  return false;
}

static bool find_member(const struct data_file *file, struct member *found) {
  const char *key = file->request->key;
  struct data_names names = {.file = file, .wanted = key, .size = key ? strlen(key) : 0};
  size_t matches = 0;
  if (!list_members(file, &names, found, &matches)) return false;
  return matches == 1 || refuse_names(file, &names, matches);
}

/* ---- the bytes of a member ------------------------------------------------------------------- */

/* Compares what the directory claims with what there is, before anything is unpacked. */
static bool check_member(const struct data_file *file, const struct member *member) {
  const unz_file_info64 *info = &member->info;
  if (info->flag & ENCRYPTED) return data_fault(file, "it is encrypted");
  if (info->compression_method != STORED && info->compression_method != DEFLATED)
    return data_fault(file, "it is compressed by method %lu; stored and deflated members are read",
                      info->compression_method);
  uint64_t packed = info->compressed_size, size = info->uncompressed_size;
  bool stored = info->compression_method == STORED;
  if (packed > file->size || (stored ? size != packed : size / RATIO_MOST > packed))
    return data_fault(file, "it claims %" PRIu64 " bytes, which its %" PRIu64 " cannot hold", size,
                      packed);
  return true;
}

static size_t read_member(void *user, void *to, size_t size) {
  const size_t most = 1 << 30; /* minizip counts in int */
  size_t done = 0;
  while (done < size) {
    size_t left = size - done;
    int got = unzReadCurrentFile(user, (char *)to + done, (unsigned)(left < most ? left : most));
    if (got <= 0) break;
    done += (size_t)got;
  }
  return done;
}

static bool read_array(struct data_file *file, const struct member *member, struct data *out) {
  if (!check_member(file, member)) return false;
  if (unzGoToFilePos64(file->archive, &member->place) != UNZ_OK ||
      unzOpenCurrentFile(file->archive) != UNZ_OK)
    return data_fault(file, "it is damaged");
  struct npy_bytes bytes = {read_member, file->archive, member->info.uncompressed_size};
  return npy_read(file, &bytes, out) && /* of what was read to its end, the checksum is known */
         (unzCloseCurrentFile(file->archive) == UNZ_OK ||
          data_fault(file, "it is damaged: its checksum is wrong"));
}

bool npz_read_file(struct data_file *file, struct data *out) {
  struct member member;
  if (!open_archive(file) || !find_member(file, &member)) return false;
  file->name = data_format(file, "%s, array %s", file->name, member.name);
  return read_array(file, &member, out);
}

bool npz_read_each(struct data_file *file) {
  const char *archive = file->name;
  if (!open_archive(file)) return false;
  int state = unzGoToFirstFile(file->archive);
  for (; state == UNZ_OK; state = unzGoToNextFile(file->archive)) {
    struct member member;
    struct data data;
    if (!look_at(file, &member)) return false;
    if (!is_array(&member)) continue;
    file->name = data_format(file, "%s, array %s", archive, member.name);
    if (!read_array(file, &member, &data)) return false;
    data.path = file->opened;
    if (!file->each(file->each_user, member.name, member.size, file->request->mark, &data))
      return false;
  }
  file->name = archive;
  return state == UNZ_END_OF_LIST_OF_FILE || data_fault(file, "its directory is damaged");
}
