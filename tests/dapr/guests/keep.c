/* For tests/dapr/test_guest.py: saves the file /data/NAME, which holds JSON, as the state store/granted-kept, and
 * writes what the store has then. NAME is on standard input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dapr.h"

static char value[4096];

static void must(enum dapr_errno error) {
  if (error != DAPR_SUCCESS) {
    exit((int)error);
  }
}

int main(void) {
  char path[256] = "/data/";
  size_t length = strlen(path);
  length += fread(path + length, 1, sizeof path - length - 1, stdin);
  path[length] = '\0';
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    return 100;
  }
  const size_t size = fread(value, 1, sizeof value, file);
  fclose(file);
  must(dapr_state_save("store", 5, "granted-kept", 12, value, size));
  must(dapr_state_get("store", 5, "granted-kept", 12));
  const size_t kept = dapr_answer_size();
  if (kept > sizeof value) {
    return 101;
  }
  must(dapr_answer_read(0, value, kept));
  fwrite(value, 1, kept, stdout);
  return 0;
}
